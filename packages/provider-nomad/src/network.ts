// The network of a pod's group: mode, ports, names. Pure.
import { type PodSpec, type ResolvedPod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { NomadConfig } from "./config.ts";
import type { Driver } from "./drivers.ts";
import { portLabel } from "./names.ts";
import type { NomadNetwork, NomadPort } from "./wire-job.ts";

export function networkMode(spec: PodSpec, { network }: Pick<NomadConfig, "network">): string {
  return spec.hostNetwork === true ? "host" : network.mode;
}

/** Throws Unsupported with the field. */
export function podNetwork(
  spec: PodSpec,
  resolved: Pick<ResolvedPod, "hostname" | "resolvConf">,
  config: Pick<NomadConfig, "network">,
  driver: Driver,
): NomadNetwork {
  const mode = networkMode(spec, config);
  const reserved = new Map<string, NomadPort>();
  const dynamic = new Map<string, NomadPort>();
  for (const { container, field } of placedContainers(spec))
    for (const [index, { containerPort, hostPort, protocol = "TCP" }] of (container.ports ?? []).entries()) {
      if (protocol === "SCTP")
        throw new VirtualKubeletError("Unsupported", "Nomad knows TCP and UDP", {
          field: `${field}.ports[${index}].protocol`,
        });
      if (mode === "none")
        throw new VirtualKubeletError("Unsupported", "the pod has no network: network.mode is none", {
          field: `${field}.ports[${index}]`,
        });
      const Label = portLabel(containerPort);
      // On the host's own network a process has the port that it listens on, and no other.
      const Value = mode === "host" ? containerPort : hostPort;
      if (Value !== undefined && Value > 0) reserved.set(Label, { Label, Value, To: containerPort });
      else if (!reserved.has(Label)) dynamic.set(Label, { Label, To: containerPort });
    }
  for (const label of reserved.keys()) dynamic.delete(label);
  const dns = dnsOf(resolved.resolvConf);
  return {
    Mode: mode,
    // Clients refuse it for other drivers than those that make the network themselves.
    ...(mode === "host" || mode === "none" || driver !== "docker" ? {} : { Hostname: resolved.hostname }),
    ...(dns === undefined ? {} : { DNS: dns }),
    ...(reserved.size > 0 && { ReservedPorts: [...reserved.values()] }),
    ...(dynamic.size > 0 && { DynamicPorts: [...dynamic.values()] }),
  };
}

function dnsOf(resolvConf: string | undefined): NomadNetwork["DNS"] {
  if (resolvConf === undefined) return undefined;
  const words = (key: string): readonly string[] =>
    resolvConf.split("\n").flatMap((line) => {
      const [first, ...rest] = line.trim().split(/\s+/);
      return first === key ? rest : [];
    });
  return { Servers: words("nameserver"), Searches: words("search"), Options: words("options") };
}
