// Limits of a running container changed: by the engine where it can, else in the files of its control groups.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  errorText,
  isErrorKind,
  type ResourceRequirements,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { cgroupFigures, limitCgroups } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainerDetails, EngineClient } from "../engine/engine-client.ts";
import { changedLimits } from "./limits.ts";

export async function changeLimits(
  client: EngineClient,
  details: ContainerDetails,
  groups: readonly string[],
  resources: ResourceRequirements,
  signal: AbortSignal,
): Promise<void> {
  const { workingSetBytes = 0 } = cgroupFigures(groups);
  const { Memory: memory } = changedLimits(resources);
  // The kernel would make room by killing, if by nothing else.
  if (memory !== -1 && memory < workingSetBytes)
    throw new VirtualKubeletError(
      "Unavailable",
      `attempting to set the memory limit (${memory}) below what is in use (${workingSetBytes})`,
    );
  try {
    await client.updateContainer(details.id, changedLimits(resources), { signal });
  } catch (error) {
    if (!isErrorKind(error, "Unsupported") || groups.length === 0) throw error;
    changeFiles(groups, resources);
  }
}

function changeFiles(groups: readonly string[], resources: ResourceRequirements): void {
  const { Memory: memory } = changedLimits(resources);
  const swaps = groups.map((group) => join(group, "memory.memsw.limit_in_bytes")).filter((file) => existsSync(file));
  try {
    // With swap it may never be less than without.
    for (const file of swaps)
      if (memory === -1 || memory > Number(readFileSync(file, "utf8"))) writeFileSync(file, `${memory}`);
    limitCgroups(groups, resources);
    for (const file of swaps) writeFileSync(file, `${memory}`);
  } catch (cause) {
    throw new VirtualKubeletError("Unavailable", `the limits cannot be changed: ${errorText(cause)}`, { cause });
  }
}
