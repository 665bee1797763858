// What of a pod's spec, beside its containers and volumes, a task on Fargate cannot have; what has no effect is told. Pure.
import { type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";

const refused = (field: string, message: string): VirtualKubeletError =>
  new VirtualKubeletError("Unsupported", message, { field });

/** Throws Unsupported with the field, for the first; else notes about what is left out and harms nobody. */
export function podNotes(spec: PodSpec, linux: boolean): readonly CreateNote[] {
  const { hostAliases = [], dnsConfig, dnsPolicy, securityContext = {} } = spec;
  if (hostAliases.length > 0)
    throw refused("spec.hostAliases", "ECS writes the hosts file of tasks with a network of their own itself");
  if (dnsPolicy === "None") throw refused("spec.dnsPolicy", "tasks on Fargate use the DNS of their VPC");
  if (dnsConfig !== undefined && Object.keys(dnsConfig).length > 0)
    throw refused("spec.dnsConfig", "tasks on Fargate use the DNS of their VPC");
  if ((securityContext.supplementalGroups ?? []).length > 0)
    throw refused("spec.securityContext.supplementalGroups", "ECS gives containers no further groups");
  if (!linux && (securityContext.sysctls ?? []).length > 0)
    throw refused("spec.securityContext.sysctls", "ECS takes sysctls of Linux alone");
  for (const { container, field } of placedContainers(spec)) {
    const amounts = { ...container.resources?.limits, ...container.resources?.requests };
    for (const name of Object.keys(amounts))
      if (name.includes("/") || name.startsWith("hugepages-"))
        throw refused(
          `${field}.resources.limits[${name}]`,
          "Fargate has CPU, memory and ephemeral storage alone: no accelerators",
        );
    if (container.imagePullPolicy === "Never")
      throw refused(`${field}.imagePullPolicy`, "Fargate has no images before it pulls them");
    for (const [index, { protocol = "TCP" }] of (container.ports ?? []).entries())
      if (protocol === "SCTP") throw refused(`${field}.ports[${index}].protocol`, "ECS knows TCP and UDP");
    if ((container.volumeDevices ?? []).length > 0)
      throw refused(`${field}.volumeDevices`, "Fargate has no block devices");
  }
  const notes: CreateNote[] = [];
  const ignored = (field: string, why: string): void => {
    notes.push({ eventType: "Normal", reason: "FieldIgnored", message: `${field}: ${why}` });
  };
  if (spec.hostname !== undefined && spec.hostname !== "")
    ignored("spec.hostname", "tasks on Fargate have names made of their address");
  if (spec.setHostnameAsFQDN === true)
    ignored("spec.setHostnameAsFQDN", "tasks on Fargate have names made of their address");
  return notes;
}
