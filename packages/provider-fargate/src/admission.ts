// Whether a pod can ever run on Fargate, as far as its spec alone tells. Pure.
import { type Pod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { podAmounts } from "./amounts.ts";
import { commandNotes } from "./command-rules.ts";
import type { FargateConfig } from "./config.ts";
import { efsVolume } from "./efs.ts";
import { placedContainers } from "./pod-containers.ts";
import { podNotes } from "./refusals.ts";
import { taskRole } from "./roles.ts";
import { securitySettings } from "./security.ts";
import { storageSize, taskSize } from "./sizes.ts";
import { startOrder } from "./start-order.ts";
import { whereToRun } from "./where-to-run.ts";

/** Throws Unsupported or Invalid, with the field. */
export function admitPod(pod: Pod, config: FargateConfig): void {
  const { spec } = pod;
  if (spec === undefined) throw new VirtualKubeletError("Invalid", "the pod has no spec", { field: "spec" });
  const linux = config.platform.operatingSystem === "LINUX";
  podNotes(spec, linux);
  const amounts = podAmounts(spec);
  taskSize(amounts.wanted, config.platform.operatingSystem);
  storageSize(amounts.ephemeralStorage, "spec.containers[*].resources");
  for (const [index, volume] of (spec.volumes ?? []).entries()) efsVolume(volume, `spec.volumes[${index}]`);
  startOrder(spec, { files: false, helperImage: config.helperImage });
  for (const placed of placedContainers(spec)) securitySettings(placed, spec, linux);
  commandNotes(spec, config.exec && taskRole(pod, undefined, config) !== "");
  whereToRun(pod, config);
}
