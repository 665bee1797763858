// What of a pod the cloud cannot have, as far as the API object alone tells it: so that it is refused before anything is made; and what is
// told of it. Pure.
import { type Container, effectivePolicy, type Pod, type PodSpec } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, invalid, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { EciConfig } from "./config.ts";
import { isGPU, knownResources, portsOf } from "./container-needs.ts";
import { type PodWishes, wishesOf } from "./pod-wishes.ts";
import { checkHooks } from "./probes.ts";
import { containerSecurity, podSecurity } from "./security.ts";
import { groupSizes } from "./sizes.ts";
import { csiDrivers, mostVolumes } from "./volumes.ts";

/** Throws Unsupported or Invalid with the field; what is told of a pod that can run. */
export function admittedNotes(pod: Pod, config: EciConfig): readonly CreateNote[] {
  const spec: PodSpec = pod.spec ?? { containers: [] };
  const wishes = wishesOf(pod, config);
  const notes = [...podSecurity(spec, config), ...wishes.notes];
  if (spec.runtimeClassName !== undefined && spec.runtimeClassName !== "")
    throw unsupported("spec.runtimeClassName", "the cloud has one runtime");
  for (const [index, container] of (spec.initContainers ?? []).entries())
    checkInit(container, `spec.initContainers[${index}]`);
  for (const list of ["initContainers", "containers"] as const)
    for (const [index, container] of (spec[list] ?? []).entries()) {
      const path = `spec.${list}[${index}]`;
      checkPolicy(container, path, spec);
      checkResources(container, path, wishes);
      checkMounts(container, path);
      portsOf(container, path);
      notes.push(...containerSecurity(container, spec, path, config).notes);
      if (list === "containers") checkHooks(container, path);
    }
  checkVolumes(spec, config);
  const isSized = wishes.size !== undefined || wishes.request.InstanceType !== undefined;
  return [...notes, ...(isSized ? [] : groupSizes(spec, config).notes)];
}

function checkVolumes({ volumes = [] }: PodSpec, { allowed }: EciConfig): void {
  if (volumes.length > mostVolumes)
    throw unsupported(`spec.volumes[${mostVolumes}]`, `a group has ${mostVolumes} volumes at most`);
  for (const [index, { hostPath, csi }] of volumes.entries()) {
    const path = `spec.volumes[${index}]`;
    if (hostPath !== undefined && !allowed.hostPaths)
      throw unsupported(`${path}.hostPath`, "is not allowed: allowed.hostPaths of the provider's configuration");
    if (csi !== undefined && !Object.values<string>(csiDrivers).includes(csi.driver))
      throw unsupported(
        `${path}.csi.driver`,
        `the cloud has ${Object.values(csiDrivers).join(" and ")} here, not ${csi.driver}`,
      );
  }
}

function checkInit(container: Container, path: string): void {
  for (const field of ["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"] as const)
    if (container[field] !== undefined) throw unsupported(`${path}.${field}`, "init containers of the cloud have none");
  if (container.stdin === true || container.tty === true)
    throw unsupported(`${path}.${container.tty === true ? "tty" : "stdin"}`, "init containers of the cloud have none");
}

function checkPolicy(container: Container, path: string, spec: PodSpec): void {
  if ((container.restartPolicyRules ?? []).length > 0)
    throw unsupported(`${path}.restartPolicyRules`, "the cloud restarts all containers by one policy");
  const isInit = path.startsWith("spec.initContainers");
  const own = container.restartPolicy;
  if (
    isInit
      ? own !== undefined && own !== "Always"
      : effectivePolicy(container, spec) !== (spec.restartPolicy ?? "Always")
  )
    throw unsupported(`${path}.restartPolicy`, "the cloud restarts all containers by one policy");
}

function checkResources({ resources }: Container, path: string, wishes: PodWishes): void {
  for (const part of ["requests", "limits"] as const)
    for (const [name, amount] of Object.entries(resources?.[part] ?? {})) {
      const field = `${path}.resources.${part}[${name}]`;
      if (!knownResources.includes(name)) throw unsupported(field, "the cloud has no such resource");
      if (!isGPU(name) || amount === "0") continue;
      if (!/^\d+$/.test(amount)) throw invalid(field, `"${amount}" must be a whole number`);
      if (path.startsWith("spec.initContainers")) throw unsupported(field, "init containers here have none");
      if (wishes.request.InstanceType === undefined || !/ecs\./.test(wishes.request.InstanceType))
        throw unsupported(
          field,
          "which one is said by an ECS instance type: the annotation k8s.aliyun.com/eci-use-specs, or instanceTypes of the provider's configuration",
        );
    }
}

function checkMounts({ volumeMounts = [], volumeDevices = [] }: Container, path: string): void {
  if (volumeDevices.length > 0) throw unsupported(`${path}.volumeDevices[0]`, "the cloud has no block devices");
  for (const [index, mount] of volumeMounts.entries())
    if (mount.recursiveReadOnly === "Enabled")
      throw unsupported(`${path}.volumeMounts[${index}].recursiveReadOnly`, "the cloud does not say whether it is");
}
