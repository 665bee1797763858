// Ports of the host that a pod asks for, and which of them two pods cannot both have. Pure.
import type { Pod } from "../kube/types.gen.ts";

export interface HostPort {
  readonly protocol: string;
  /** "0.0.0.0": all addresses of the node. */
  readonly ip: string;
  readonly port: number;
}

const everywhere = "0.0.0.0";

/** Of the main containers and sidecars; a plain init container is done before they begin. */
export function hostPortsOf(pod: Pod): readonly HostPort[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  const ports: HostPort[] = [];
  for (const container of [...sidecars, ...(pod.spec?.containers ?? [])])
    for (const { hostPort, hostIP, protocol } of container.ports ?? [])
      if (hostPort !== undefined && hostPort > 0)
        ports.push({ protocol: protocol ?? "TCP", ip: hostIP || everywhere, port: hostPort });
  return ports;
}

/** The same port and protocol on the same address, or on one and on all of them. */
export function collides(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.ip === b.ip || a.ip === everywhere || b.ip === everywhere;
}
