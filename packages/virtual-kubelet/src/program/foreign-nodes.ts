// Nodes that another kubelet keeps alive are not taken over: a mistyped name would end the pods of a machine of the cluster.
import { type Clock, pause } from "../clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { KubeClient, ObjectRef } from "../kube/client.ts";
import { type KubeObject, leases, nodes, type Resource, type Stored } from "../kube/resource.ts";
import type { Lease, Node } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import { leaseNamespace } from "../node/lease-controller.ts";
import { oursAnnotation } from "../node/node-ours.ts";
import { isProgramVersion } from "./version.ts";

/** Made by a program like this one. */
export function isOurs({ metadata, status }: Stored<Node>): boolean {
  // A node of ours without taints and labels has nothing written down that is ours.
  return (
    metadata.annotations?.[oursAnnotation] !== undefined || isProgramVersion(status?.nodeInfo?.kubeletVersion ?? "")
  );
}

/** Made by a program like this one, or by the Go project's: there is no machine with a kubelet behind it. */
export function isVirtual(node: Stored<Node>): boolean {
  return isOurs(node) || node.metadata.labels?.["type"] === "virtual-kubelet";
}

/** Milliseconds since somebody renewed it; undefined once it has run out. */
export function heardOf(lease: Lease | undefined, now: number): number | undefined {
  const since = now - Date.parse(lease?.spec?.renewTime ?? "");
  return since < (lease?.spec?.leaseDurationSeconds ?? 40) * 1000 ? since : undefined;
}

export interface ForeignNodesOptions {
  readonly client: KubeClient;
  readonly names: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
}

const atOnce = 16;
const againMs = 1000;

/**
 * Throws Conflict when a node of these names belongs to another kubelet that lives. Those of virtual kubelets are for whoever
 * comes next, whichever program they are of; so is a node that nobody is heard of.
 */
export async function refuseForeignNodes(options: ForeignNodesOptions, signal: AbortSignal): Promise<void> {
  for (let begin = 0; begin < options.names.length; begin += atOnce) {
    const some = options.names.slice(begin, begin + atOnce);
    await Promise.all(some.map((name) => refuseForeignNode(name, options, signal)));
  }
}

async function refuseForeignNode(name: string, options: ForeignNodesOptions, signal: AbortSignal): Promise<void> {
  const node = await read(nodes, { name }, options, signal);
  if (node === undefined || isVirtual(node)) return;
  const lease = await read(leases, { name, namespace: leaseNamespace }, options, signal);
  const since = heardOf(lease, options.clock.now());
  if (since === undefined) return;
  const { kubeletVersion = "", containerRuntimeVersion = "" } = node.status?.nodeInfo ?? {};
  const whose = [kubeletVersion, containerRuntimeVersion].filter((text) => text !== "").join(", ");
  const seconds = Math.max(0, Math.round(since / 1000));
  throw new VirtualKubeletError(
    "Conflict",
    `node ${name} belongs to another kubelet${whose === "" ? "" : ` (${whose})`}, heard of ${seconds} s ago, and is not touched: choose another name (--nodename); if this program is to take its place, end that kubelet, and start again when its lease has run out (${lease?.spec?.leaseDurationSeconds ?? 40} s)`,
  );
}

/** Undefined when there is none, or these credentials may not look. */
async function read<T extends KubeObject>(
  of: Resource<T>,
  ref: ObjectRef,
  { client, clock, log }: ForeignNodesOptions,
  signal: AbortSignal,
): Promise<Stored<T> | undefined> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await client.get(of, ref, { signal });
    } catch (error) {
      if (isErrorKind(error, "NotFound", "Forbidden")) return undefined;
      if (signal.aborted || !isErrorKind(error, "Unavailable", "Throttled", "Unauthorized")) throw error;
      if (attempt === 0) log.warn({ ...ref, err: errorText(error) }, "whose node this is cannot be asked yet");
      await pause(clock, againMs, signal);
      signal.throwIfAborted();
    }
  }
}
