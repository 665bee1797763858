// Names of images: the tag that is meant where none is given, and when an image is pulled by default. Pure.
// A name without a registry is kept without one: which registry is meant then is the backend's own choice.
import type { ResolvedContainer } from "./resolved-pod.ts";

export interface ImageName {
  /** Up to tag and digest; with the registry where there is one. */
  readonly repository: string;
  readonly tag?: string | undefined;
  readonly digest?: string | undefined;
}

export function parseImageName(image: string): ImageName {
  const [name = "", digest] = image.split("@", 2);
  const colon = name.lastIndexOf(":");
  // A colon before the last slash is that of a port.
  const tagged = colon > name.lastIndexOf("/");
  return {
    repository: tagged ? name.slice(0, colon) : name,
    ...(tagged ? { tag: name.slice(colon + 1) } : {}),
    ...(digest === undefined ? {} : { digest }),
  };
}

const path = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;
const host =
  /^(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*(?::\d+)?$|^\[[a-fA-F0-9:]+\](?::\d+)?$/;

/** Why this is no name of an image, in the kubelet's words; undefined when it is one. */
export function imageNameFault(image: string): string | undefined {
  const { repository, tag, digest } = parseImageName(image);
  const fault = (why: string): string => `couldn't parse image name "${image}": ${why}`;
  const [first = "", ...rest] = repository.split("/");
  const hasHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  const parts = hasHost ? rest : [first, ...rest];
  if (/^[a-f0-9]{64}$/.test(image))
    return fault(`invalid repository name (${image}), cannot specify 64-byte hexadecimal strings`);
  const wellFormed =
    parts.every((part) => path.test(part)) &&
    (!hasHost || host.test(first)) &&
    (tag === undefined || /^\w[\w.-]{0,127}$/.test(tag)) &&
    (digest === undefined || /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/.test(digest)) &&
    image.split("@").length <= 2;
  // Said before anything else that is wrong, and with what a name of one part is short for.
  const [name = ""] = (!hasHost && parts.length === 1 ? `library/${first}` : parts.join("/")).split(":");
  if (name !== name.toLowerCase())
    return fault(`invalid reference format: repository name (${name}) must be lowercase`);
  if (!wellFormed) return fault("invalid reference format");
  return repository.length > 255 ? fault("repository name must not be more than 255 characters") : undefined;
}

/** With the tag `latest` where there is neither tag nor digest. */
export function withTag(image: string): string {
  const { tag, digest } = parseImageName(image);
  return image === "" || tag !== undefined || digest !== undefined ? image : `${image}:latest`;
}

/** As the API server fills it in: what may change under its name is always pulled. */
export function pullPolicy(image: string, policy: string | undefined): ResolvedContainer["imagePullPolicy"] {
  if (policy === "Always" || policy === "IfNotPresent" || policy === "Never") return policy;
  const { tag, digest } = parseImageName(withTag(image));
  return tag === "latest" && digest === undefined ? "Always" : "IfNotPresent";
}
