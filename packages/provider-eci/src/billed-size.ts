// What the cloud bills of a pod: the next size that it has. A region may have smaller ones in between. Pure.
import type { BilledSize, Pod } from "@virtual-kubelet/virtual-kubelet";
import type { EciConfig } from "./config.ts";
import { prefix } from "./pod-wishes.ts";
import { groupSizes, nextSize } from "./sizes.ts";

const gpuResource = "nvidia.com/gpu";

export function billedSize({ spec, metadata }: Pod, config: EciConfig): BilledSize | undefined {
  if (spec === undefined) return undefined;
  const { group } = groupSizes(spec, config);
  const { cpu, memory } = nextSize(group) ?? group;
  const gpus = spec.containers.reduce((sum, { resources }) => sum + Number(resources?.limits?.[gpuResource] ?? 0), 0);
  const strategy = metadata?.annotations?.[`${prefix}eci-spot-strategy`] ?? config.spot?.strategy ?? "NoSpot";
  return {
    cpu,
    memoryGiB: memory,
    ...(gpus > 0 && { gpus: { [gpuResource]: gpus } }),
    spot: strategy !== "NoSpot",
    basis: "the size that the cloud bills",
  };
}
