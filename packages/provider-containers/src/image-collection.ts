// Which images go when the engine's disk fills up: those of ours that nobody uses, the longest unused first. Pure.
import type { DiskFigures } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainersConfig } from "./config.ts";
import type { ImageSummary } from "./engine/engine-client.ts";
import { isNameOf } from "./image-names.ts";
import type { OurImage } from "./image-record.ts";

/** Bytes, down to the low threshold; 0 below the high one. */
export function bytesToFree(
  { totalBytes, availableBytes }: Pick<DiskFigures, "totalBytes" | "availableBytes">,
  { highThresholdPercent, lowThresholdPercent }: ContainersConfig["images"],
): number {
  if (totalBytes <= 0) return 0;
  const available = Math.min(availableBytes, totalBytes);
  const usedPercent = 100 - Math.floor((available * 100) / totalBytes);
  if (usedPercent < highThresholdPercent) return 0;
  return Math.max(0, Math.ceil((totalBytes * (100 - lowThresholdPercent)) / 100) - available);
}

export interface Candidate {
  readonly id: string;
  readonly size: number;
  /** What to remove, one after the other: names that are ours, or the id where there is no name. */
  readonly names: readonly string[];
  /** Others have given it names of their own: it stays by those. */
  readonly stays: boolean;
}

/** In the order in which they go. `inUse`: ids that any container has, whosever. */
export function candidates(
  all: readonly ImageSummary[],
  ours: ReadonlyMap<string, OurImage>,
  inUse: ReadonlySet<string>,
  rules: { readonly now: number; readonly minimumAgeMs: number },
): readonly Candidate[] {
  const { now, minimumAgeMs } = rules;
  return all
    .flatMap((image) => {
      const our = ours.get(image.id);
      if (our === undefined || inUse.has(image.id)) return [];
      // Found or pulled just now, it is about to be used.
      if (now - our.pulledAt < minimumAgeMs || now - our.usedAt < minimumAgeMs) return [];
      return [{ image, our }];
    })
    .sort((a, b) => a.our.usedAt - b.our.usedAt || a.our.pulledAt - b.our.pulledAt)
    .map(({ image: { id, size, tags }, our }) => {
      const names = tags.filter((tag) => our.names.some((name) => isNameOf(tag, name)));
      return { id, size, names: tags.length === 0 ? [id] : names, stays: names.length < tags.length };
    });
}
