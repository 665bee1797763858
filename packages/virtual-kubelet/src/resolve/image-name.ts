// Names of images: the tag that is meant where none is given, and when an image is pulled by default. Pure.
// A name without a registry is kept without one: which registry is meant then is the backend's own choice.
import type { ResolvedContainer } from "../resolved-pod.ts";

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
