// What the admitted pods of one node request together, kept up to date by difference: admission stays cheap on a full node.
import type { Pod } from "../kube/types.gen.ts";
import { podRequests, type Quantities } from "../status/pod-resources.ts";
import { type HostPort, hostPortsOf } from "./host-ports.ts";

/** Told of the pods that are let in, and of those that are out again, whether or not they were in. */
export interface UsageAccount {
  opened(uid: string, pod: Pod): void;
  closed(uid: string): void;
}

export class NodeUsage {
  readonly #account: UsageAccount | undefined;
  readonly #byPod = new Map<string, { readonly requests: Quantities; readonly ports: readonly HostPort[] }>();
  readonly #total: Map<string, bigint> = new Map();

  constructor(account?: UsageAccount) {
    this.#account = account;
  }

  /** Counts the pod in, once. */
  add(uid: string, pod: Pod): void {
    if (this.#byPod.has(uid)) return;
    const requests = podRequests(pod);
    this.#byPod.set(uid, { requests, ports: hostPortsOf(pod) });
    this.#account?.opened(uid, pod);
    for (const [name, amount] of requests) this.#total.set(name, (this.#total.get(name) ?? 0n) + amount);
  }

  /**
   * Counts less where a pod that is in asks for less than before. For more it may have to wait: that is counted by who grants
   * it, and by the scheduler.
   */
  shrink(uid: string, pod: Pod): void {
    const counted = this.#byPod.get(uid);
    if (counted === undefined) return;
    const now = podRequests(pod);
    const requests = new Map([...counted.requests].map(([name, had]) => [name, least(had, now.get(name) ?? 0n)]));
    for (const [name, had] of counted.requests)
      this.#total.set(name, (this.#total.get(name) ?? 0n) - had + (requests.get(name) ?? 0n));
    this.#byPod.set(uid, { ...counted, requests });
  }

  /** Counts it out, if it was in. */
  remove(uid: string): void {
    this.#account?.closed(uid);
    const counted = this.#byPod.get(uid);
    if (counted === undefined) return;
    this.#byPod.delete(uid);
    for (const [name, amount] of counted.requests) this.#total.set(name, (this.#total.get(name) ?? 0n) - amount);
  }

  has(uid: string): boolean {
    return this.#byPod.has(uid);
  }

  get total(): Quantities {
    return this.#total;
  }

  get pods(): number {
    return this.#byPod.size;
  }

  /** Host ports in use. Looked through only for a pod that wants some. */
  *hostPorts(): Iterable<HostPort> {
    for (const { ports } of this.#byPod.values()) yield* ports;
  }
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b);
