// What needs commands in running containers, which ECS runs only where exec is configured; and what a failed probe leads to. Pure.
import { type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import { nativeProbe } from "./health-check.ts";

/** Throws Unsupported, with the field, for probes and hooks of type exec that neither ECS nor this program can run. */
export function commandNotes(spec: PodSpec, canExec: boolean): readonly CreateNote[] {
  const notes: CreateNote[] = [];
  for (const placed of placedContainers(spec)) {
    const { container, field } = placed;
    const native = nativeProbe(placed.container)?.type;
    const refuse = (path: string): never => {
      throw new VirtualKubeletError(
        "Unsupported",
        "needs commands in the container: exec and a task role are not configured",
        {
          field: `${field}.${path}`,
        },
      );
    };
    for (const type of ["startup", "liveness", "readiness"] as const) {
      const probe = container[`${type}Probe`];
      if (probe === undefined || type === native) continue;
      if (probe.exec !== undefined && !canExec) refuse(`${type}Probe.exec`);
      if (type === "readiness") continue;
      if (canExec) continue;
      const message = `${field}.${type}Probe: without exec no container can be told to end: where one fails it, all of the pod start anew in another task`;
      notes.push({ eventType: "Normal", reason: "ProbeRestartsPod", message });
    }
    for (const hook of ["postStart", "preStop"] as const)
      if (container.lifecycle?.[hook]?.exec !== undefined && !canExec) refuse(`lifecycle.${hook}.exec`);
  }
  return notes;
}
