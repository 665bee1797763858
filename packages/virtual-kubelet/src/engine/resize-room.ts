// Whether a pod may grow: what the node has, what its pods may take, and which of those that want more comes first. Pure.
import type { Quantities } from "../status/pod-resources.ts";
import type { QosClass } from "./container-runtime.ts";

/** What one pod has of its node, and what it asks for instead. */
export interface PodClaim {
  readonly uid: string;
  /** Requests that were granted. */
  readonly granted: Quantities;
  /** Requests that wait to be; absent: none do. */
  readonly wanted?: Quantities | undefined;
  readonly priority: number;
  readonly qosClass: QosClass;
  /** Since when they wait, epoch milliseconds. */
  readonly since: number;
}

export type ResizeVerdict =
  | { readonly state: "fits" }
  /** Not yet, or never on this node. */
  | { readonly state: "deferred" | "infeasible"; readonly message: string };

/** Nothing else of a running container can be resized. */
const resizable = ["cpu", "memory"];

/** Of one that waits: those before it have their turn first, as far as there is room for them. */
export function resizeVerdict(uid: string, claims: readonly PodClaim[], allocatable: Quantities): ResizeVerdict {
  const taken = new Map(claims.map((claim) => [claim.uid, claim.granted]));
  const waiting = claims.filter(({ wanted }) => wanted !== undefined).sort(inTurn);
  for (const claim of waiting) {
    const verdict = fitting(claim, taken, allocatable);
    if (claim.uid === uid) return verdict;
    if (verdict.state === "fits") taken.set(claim.uid, claim.wanted ?? claim.granted);
  }
  return { state: "fits" };
}

function fitting(
  { uid, granted, wanted = granted }: PodClaim,
  taken: ReadonlyMap<string, Quantities>,
  allocatable: Quantities,
): ResizeVerdict {
  for (const name of resizable) {
    const [requested, capacity] = [wanted.get(name) ?? 0n, allocatable.get(name)];
    // One that takes no more always may.
    if (capacity === undefined || requested <= (granted.get(name) ?? 0n)) continue;
    if (requested > capacity) {
      const message = `Node didn't have enough capacity: ${name}, requested: ${requested}, capacity: ${capacity}`;
      return { state: "infeasible", message };
    }
    const used = [...taken].reduce((sum, [other, its]) => (other === uid ? sum : sum + (its.get(name) ?? 0n)), 0n);
    if (requested <= capacity - used) continue;
    const message = `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
    return { state: "deferred", message };
  }
  return { state: "fits" };
}

const classes: readonly QosClass[] = ["Guaranteed", "Burstable", "BestEffort"];

/** Those that ask for no more, then by priority, by class, and by how long they have waited. */
function inTurn(a: PodClaim, b: PodClaim): number {
  return (
    Number(grows(a)) - Number(grows(b)) ||
    b.priority - a.priority ||
    classes.indexOf(a.qosClass) - classes.indexOf(b.qosClass) ||
    a.since - b.since ||
    (a.uid < b.uid ? -1 : 1)
  );
}

function grows({ granted, wanted = granted }: PodClaim): boolean {
  return resizable.some((name) => (wanted.get(name) ?? 0n) > (granted.get(name) ?? 0n));
}
