// Whether a member has room for a pod: by what it says that its node has, and by what the pods that it has request. Pure.
import type { Pod } from "../kube/types.gen.ts";
import type { NodeReport } from "../provider/node.ts";
import type { PodReport, PodRequest } from "../provider/pods.ts";
import { podRequests, type Quantities, quantities } from "../status/pod-resources.ts";

/** What counts of a member. */
interface Roomy {
  readonly node: NodeReport | undefined;
}

/** What counts of where a pod is. */
interface Occupant<M> {
  readonly member: M | undefined;
  readonly asked: M | undefined;
  readonly request: PodRequest | undefined;
  readonly over: boolean;
}

/** Pods are never changed: what one requests is counted once. */
const sizes = new WeakMap<Pod, Quantities>();

/** Undefined where it fits. Of what a member does not say that it has, nothing is known: it says no by itself. */
export function lackOfRoom<M extends Roomy>(
  own: Occupant<M>,
  pod: Pod,
  member: M,
  all: Iterable<Occupant<M>>,
): string | undefined {
  const allocatable = member.node?.allocatable ?? member.node?.capacity;
  if (allocatable === undefined) return undefined;
  const used = new Map<string, bigint>([["pods", 0n]]);
  const add = (name: string, amount: bigint): Map<string, bigint> => used.set(name, (used.get(name) ?? 0n) + amount);
  for (const other of all) {
    if (other === own || other.over || (other.member !== member && other.asked !== member)) continue;
    add("pods", 1n);
    if (other.request !== undefined) for (const [name, amount] of sizeOf(other.request.pod)) add(name, amount);
  }
  const room = quantities(allocatable);
  for (const [name, requested] of [...sizeOf(pod), ["pods", 1n] as const]) {
    const [capacity, taken] = [room.get(name), used.get(name) ?? 0n];
    if (capacity === undefined || requested <= 0n || requested <= capacity - taken) continue;
    return `not enough ${name}: requested: ${requested}, used: ${taken}, capacity: ${capacity}`;
  }
  return undefined;
}

function sizeOf(pod: Pod): Quantities {
  const known = sizes.get(pod) ?? podRequests(pod);
  sizes.set(pod, known);
  return known;
}

/** Nothing of it runs any more, nor will. False while it is not known what was to run. */
export function isOver({ containers, failure }: PodReport, pod: Pod | undefined): boolean {
  if (containers.some(({ state }) => state.running !== undefined)) return false;
  if (failure !== undefined) return true;
  const { restartPolicy = "Always", containers: mains = [] } = pod?.spec ?? {};
  if (restartPolicy === "Always" || mains.length === 0) return false;
  const codes = mains.map(({ name }) => containers.find((each) => each.name === name)?.state.terminated?.exitCode);
  return codes.every((code) => code !== undefined && (restartPolicy === "Never" || code === 0));
}
