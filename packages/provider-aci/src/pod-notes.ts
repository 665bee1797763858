// What is told of a pod before anything is made: sizes that are not what was asked for, fields without effect. Pure.
import type { Pod, PodSpec } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, ignored } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciConfig } from "./config.ts";
import { containerSecurity, podSecurity } from "./security.ts";
import { groupSizes } from "./sizes.ts";

/** Throws Unsupported with the field for what is not only told of. */
export function podNotes(pod: Pod, config: AciConfig): readonly CreateNote[] {
  const spec: PodSpec = pod.spec ?? { containers: [] };
  return [
    ...podSecurity(spec, config),
    ...idleFields(spec, pod.metadata?.name ?? ""),
    ...groupSizes(spec, config.defaultRequests).notes,
    ...(["initContainers", "containers"] as const).flatMap((list) =>
      (spec[list] ?? []).flatMap(
        (container, index) => containerSecurity(container, spec, `spec.${list}[${index}]`, config).notes,
      ),
    ),
  ];
}

/** What has no effect, and harms nobody by it. */
function idleFields(spec: PodSpec, name: string): readonly CreateNote[] {
  const own = spec.hostname !== undefined && spec.hostname !== "" && spec.hostname !== name;
  const storage = [...(spec.initContainers ?? []), ...spec.containers].find(
    ({ resources }) => resources?.limits?.["ephemeral-storage"] !== undefined,
  );
  return [
    ...(own || spec.setHostnameAsFQDN === true
      ? [ignored("spec.hostname", "the cloud names its hosts by itself")]
      : []),
    ...(storage === undefined
      ? []
      : [ignored(`${storage.name}: resources.limits[ephemeral-storage]`, "the cloud limits none")]),
  ];
}
