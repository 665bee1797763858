// Which credentials are for an image: by host, port and path, so that no registry is told those of another. Pure.

import { parseImageName } from "../image-name.ts";
import type { ImageCredential } from "../resolved-pod.ts";

interface Place {
  /** Names between dots; those of a credential may hold `*` and `?`. */
  readonly host: readonly string[];
  readonly port: string;
  /** Without tag and digest. */
  readonly path: readonly string[];
}

/**
 * Those that fit, in their order. `defaultRegistries`: the hosts, all of them the same registry, that names without one mean;
 * without any, such names have no credentials.
 */
export function credentialsFor(
  image: string,
  all: readonly ImageCredential[],
  defaultRegistries: readonly string[] = [],
): readonly ImageCredential[] {
  const { repository } = parseImageName(image);
  const [host = "", ...path] = repository.split("/");
  const places = !isHost(host, path)
    ? defaultRegistries.map((one) => placeOf(one, [host, ...path]))
    : (defaultRegistries.includes(host) ? defaultRegistries : [host]).map((one) => placeOf(one, path));
  return all.filter(({ registry }) => {
    const [known = "", ...prefix] = registry.split("/");
    const credential = placeOf(known, prefix);
    return places.some((place) => isWithin(place, credential));
  });
}

/** Else it is the first part of a path in the registry that is meant without one. */
function isHost(first: string, rest: readonly string[]): boolean {
  return rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
}

function placeOf(address: string, path: readonly string[]): Place {
  const colon = address.lastIndexOf(":");
  const host = colon < 0 || address.endsWith("]") ? address : address.slice(0, colon);
  return { host: host.split("."), port: address.slice(host.length + 1), path };
}

function isWithin(place: Place, { host, port, path }: Place): boolean {
  return (
    port === place.port &&
    host.length === place.host.length &&
    host.every((part, index) => matches(place.host[index] ?? "", part)) &&
    path.every((part, index) => place.path[index] === part)
  );
}

function matches(text: string, pattern: string): boolean {
  const expression = pattern
    .replaceAll(/[\\^$+.()|[\]{}]/g, String.raw`\$&`)
    .replaceAll(/\*+/g, ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${expression}$`).test(text);
}
