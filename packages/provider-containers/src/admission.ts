// Which pods this node does not take, beyond what its capabilities say: in the kubelet's words and with its reasons. Pure.
import { type Pod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { ContainersConfig } from "./config.ts";
import type { EngineInfo } from "./engine/engine-client.ts";
import { sysctlFault } from "./sandbox-body.ts";

/** Throws Unsupported. */
export function admit(
  { spec }: Pick<Pod, "spec">,
  { allowedUnsafeSysctls }: Pick<ContainersConfig, "allowedUnsafeSysctls">,
  engine: Pick<EngineInfo, "securityOptions">,
): void {
  const pod = spec?.securityContext ?? {};
  const fault = sysctlFault(
    (pod.sysctls ?? []).map(({ name }) => name),
    allowedUnsafeSysctls,
    spec ?? {},
  );
  if (fault !== undefined) throw fault;
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const profiles = [pod, ...containers.map(({ securityContext }) => securityContext)].map((of) => of?.appArmorProfile);
  const wanted = profiles.some((profile) => profile !== undefined && profile.type !== "Unconfined");
  if (wanted && !engine.securityOptions.some((option) => option.includes("apparmor")))
    throw new VirtualKubeletError("Unsupported", "Cannot enforce AppArmor: AppArmor is not enabled on the host", {
      reason: "AppArmor",
    });
}
