// Whether a pod can ever run on Fargate, and what is told of it then, as far as its spec alone tells. Pure.
import { type Pod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import { podAmounts } from "./amounts.ts";
import { commandNotes } from "./command-rules.ts";
import type { FargateConfig } from "./config.ts";
import { efsVolume } from "./efs.ts";
import { podNotes } from "./refusals.ts";
import { taskRole } from "./roles.ts";
import { securitySettings } from "./security.ts";
import { sizeNotes, storageSize, taskSize } from "./sizes.ts";
import { startOrder } from "./start-order.ts";
import { graceNotes } from "./task-parts.ts";
import { whereToRun } from "./where-to-run.ts";

/** Throws Unsupported or Invalid, with the field. */
export function admittedNotes(pod: Pod, config: FargateConfig): readonly CreateNote[] {
  const { spec } = pod;
  if (spec === undefined) throw new VirtualKubeletError("Invalid", "the pod has no spec", { field: "spec" });
  const { operatingSystem } = config.platform;
  const linux = operatingSystem === "LINUX";
  const { role, notes } = taskRole(pod, undefined, config);
  const amounts = podAmounts(spec);
  storageSize(amounts.ephemeralStorage, "spec.containers[*].resources");
  for (const [index, volume] of (spec.volumes ?? []).entries()) efsVolume(volume, `spec.volumes[${index}]`);
  startOrder(spec, { files: false, renews: false, helperImage: config.helperImage });
  whereToRun(pod, config);
  return [
    ...notes,
    ...podNotes(spec, linux),
    ...sizeNotes(amounts.wanted, taskSize(amounts.wanted, operatingSystem)),
    ...graceNotes(spec),
    ...commandNotes(spec, config.exec && role !== ""),
    ...placedContainers(spec).flatMap((placed) => securitySettings(placed, spec, linux).notes),
  ];
}
