// What of a pod as a whole cannot be honoured by processes of a host: refused with the field named. Pure.
import type { SandboxSpec } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import type { ProcessConfig } from "./config.ts";

/** Those that an ipc namespace has of its own. */
const ownSysctls = /^(kernel\.(shm.*|msg.*|sem)|fs\.mqueue\..*)$/;
/** Of those of a network namespace the ones that harm nobody else. */
const networkSysctls =
  /^net\.ipv4\.(ip_local_port_range|ip_local_reserved_ports|ip_unprivileged_port_start|ping_group_range|tcp_(syncookies|fin_timeout|rmem|wmem|keepalive_(time|intvl|probes)))$/;

export function checkSandbox(spec: SandboxSpec, config: ProcessConfig, root: boolean): void {
  const refuse = (field: string, why: string): never => {
    throw new VirtualKubeletError("Unsupported", `${field}: ${why}`, { field: `spec.${field}` });
  };
  const namespaces = config.isolation === "namespaces";
  if (spec.runtimeHandler !== undefined)
    refuse("runtimeClassName", `this node has no runtime ${spec.runtimeHandler}: containers are processes of its host`);
  if (spec.shareProcessNamespace)
    refuse("shareProcessNamespace", "containers of this node cannot share their processes");
  if (spec.fsGroup !== undefined && !root && spec.fsGroup !== process.getgid?.())
    refuse("securityContext.fsGroup", "this node does not run as root");
  const own = config.network === "private" && !spec.hostNetwork;
  for (const { hostPort, containerPort, hostIP } of spec.hostPorts) {
    if (own) refuse("containers.ports.hostPort", "the pod has a network of its own, whose ports are not the host's");
    if (hostPort !== containerPort)
      refuse(
        "containers.ports.hostPort",
        `containers are in the host's network: port ${containerPort} cannot be port ${hostPort} there`,
      );
    if (hostIP !== undefined && hostIP !== "" && hostIP !== "0.0.0.0" && hostIP !== "::")
      refuse("containers.ports.hostIP", "containers choose their addresses themselves, in the host's network");
  }
  for (const name of Object.keys(spec.sysctls))
    if (!(own && networkSysctls.test(name)) && (!namespaces || spec.hostIPC || !ownSysctls.test(name)))
      refuse("securityContext.sysctls", `${name} would be changed for the whole host`);
}
