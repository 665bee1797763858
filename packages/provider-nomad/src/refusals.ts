// What of a pod's spec, beside its containers and volumes, a job of Nomad cannot have; what has no effect is told. Pure.
import { type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { Driver } from "./drivers.ts";
import { runsImages } from "./drivers.ts";

const refused = (field: string, message: string): VirtualKubeletError =>
  new VirtualKubeletError("Unsupported", message, { field });

/** Nomad's client ends a task after 30 s, unless its max_kill_timeout says otherwise. */
const usualKillSeconds = 30;

/** Throws Unsupported with the field, for the first; else notes about what is left out and harms nobody. */
export function podNotes(spec: PodSpec, driver: Driver): readonly CreateNote[] {
  const { securityContext = {}, terminationGracePeriodSeconds = 30, volumes = [] } = spec;
  if (spec.setHostnameAsFQDN === true) throw refused("spec.setHostnameAsFQDN", "Nomad gives tasks a short name alone");
  if (securityContext.seLinuxOptions !== undefined)
    throw refused("spec.securityContext.seLinuxOptions", "Nomad's drivers take no labels of SELinux");
  const { seccompProfile } = securityContext;
  if (seccompProfile !== undefined && seccompProfile.type !== "RuntimeDefault")
    throw refused("spec.securityContext.seccompProfile", "Nomad's drivers have the runtime's default profile alone");
  const notes: CreateNote[] = [];
  if (spec.hostname && !runsImages(driver))
    notes.push({
      ...{ eventType: "Normal", reason: "FieldIgnored" },
      message: `spec.hostname: with the driver ${driver} it is that of the client`,
    });
  const note = (eventType: CreateNote["eventType"], reason: string, message: string): void => {
    notes.push({ eventType, reason, message });
  };
  for (const { container, field } of placedContainers(spec)) {
    if (container.imagePullPolicy === "Never")
      throw refused(`${field}.imagePullPolicy`, "Nomad pulls images that its clients do not have");
    if ((container.volumeDevices ?? []).length > 0)
      throw refused(`${field}.volumeDevices`, "Nomad gives tasks no block devices of volumes");
    if (!runsImages(driver) && driver !== "java" && container.image)
      note("Normal", "FieldIgnored", `${field}.image: the driver ${driver} runs a program of the host`);
  }
  if (terminationGracePeriodSeconds > usualKillSeconds)
    note(
      "Normal",
      "FieldIgnored",
      `spec.terminationGracePeriodSeconds: ${terminationGracePeriodSeconds} s need a max_kill_timeout of Nomad's clients that allows them`,
    );
  for (const { name, emptyDir } of volumes) {
    if (emptyDir?.medium !== undefined && emptyDir.medium !== "")
      note("Warning", "FieldIgnored", `volume ${name}: emptyDir.medium ${emptyDir.medium}: it is on the client's disk`);
    if (emptyDir?.sizeLimit !== undefined)
      note("Warning", "FieldIgnored", `volume ${name}: emptyDir.sizeLimit: Nomad holds to no size of a directory`);
  }
  return notes;
}
