// What the cloud bills of a pod: what its containers request together, once rounded and raised, in its own GB. Pure.
import type { BilledSize, Pod } from "@virtual-kubelet/virtual-kubelet";
import { gpuResource } from "./admission.ts";
import type { AciConfig } from "./config.ts";
import { wishesOf } from "./pod-annotations.ts";
import { groupSizes } from "./sizes.ts";

/** Throws Invalid or Unsupported for annotations that are refused. */
export function billedSize(pod: Pod, config: AciConfig, operatingSystem: string): BilledSize | undefined {
  const { spec } = pod;
  if (spec === undefined) return undefined;
  const { priority, gpuSKU } = wishesOf(pod, config);
  const containers = [...groupSizes(spec, config.defaultRequests).containers.values()];
  const gpus = spec.containers.reduce((sum, { resources }) => sum + Number(resources?.limits?.[gpuResource] ?? 0), 0);
  return {
    cpu: containers.reduce((sum, { requests }) => sum + requests.cpu, 0),
    memoryGiB: containers.reduce((sum, { requests }) => sum + requests.memoryInGB, 0),
    ...(gpus > 0 && { gpus: { [gpuSKU ?? gpuResource]: gpus } }),
    operatingSystem,
    spot: priority === "Spot",
    basis: "the size that the cloud bills, in GB",
  };
}
