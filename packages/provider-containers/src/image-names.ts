// By which of its names an image is told of. Pure.
import { parseImageName } from "@virtual-kubelet/virtual-kubelet";
import type { ImageDetails } from "./engine/engine-client.ts";

/** Hosts that pull secrets may have for the registry of names without one. */
export function defaultRegistries(configured: readonly string[], byEngine: string): readonly string[] {
  if (configured.length > 0 || byEngine === "") return configured;
  // Docker says where its index is; in names of images it is the host without that word.
  return [...new Set([byEngine, byEngine.replace(/^index\./, "")])];
}

/** Digest reference for one that was asked for by this name; its id where it has none (it was imported or built). */
export function imageReference({ id, digests }: Pick<ImageDetails, "id" | "digests">, image: string): string {
  const { repository, digest } = parseImageName(image);
  const fits = digests.filter((one) => isNameOf(parseImageName(one).repository, repository));
  const exact = fits.find((one) => digest !== undefined && one.endsWith(`@${digest}`));
  return exact ?? fits[0] ?? digests[0] ?? id;
}

/** The engine puts the registry before a name that has none. */
export function isNameOf(tag: string, name: string): boolean {
  return tag === name || tag.endsWith(`/${name}`);
}
