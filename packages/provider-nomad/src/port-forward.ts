// Where a port of a pod is reached: at the address that Nomad allocated for it, else at the pod's own.

import type { Duplex } from "node:stream";
import { type CallContext, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { connectPort } from "@virtual-kubelet/virtual-kubelet/host";
import type { NomadClient } from "./nomad-client.ts";
import type { NomadAllocation } from "./wire.ts";

export interface PortAddress {
  readonly host: string;
  readonly port: number;
}

/** Undefined: the pod declares no such port, and its own address is not known. */
export function portAddress(allocation: NomadAllocation, port: number): PortAddress | undefined {
  const { Ports, Networks } = allocation.AllocatedResources?.Shared ?? {};
  const allocated = (Ports ?? []).find(({ To, Value }) => To === port || (To <= 0 && Value === port));
  if (allocated !== undefined) return { host: allocated.HostIP, port: allocated.Value };
  const own = allocation.NetworkStatus?.Address ?? "";
  if (own !== "") return { host: own, port };
  const host = (Networks ?? []).find(({ Mode = "host", IP = "" }) => Mode === "host" && IP !== "")?.IP;
  return host === undefined ? undefined : { host, port };
}

export async function forwardPort(
  client: Pick<NomadClient, "allocation">,
  group: CloudGroup,
  port: number,
  connection: Duplex,
  context: CallContext,
): Promise<void> {
  const id = group.annotations?.["backend.virtual-kubelet.io/nomad-allocation"];
  const address = id === undefined ? undefined : portAddress(await client.allocation(id, context), port);
  if (address === undefined)
    throw new VirtualKubeletError("NotFound", `Nomad has allocated no port ${port}: the pod does not declare it`);
  await connectPort(address.host, address.port, connection, context.signal);
}
