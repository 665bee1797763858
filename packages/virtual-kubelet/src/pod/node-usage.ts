// What the admitted pods of one node request together, kept up to date by difference: admission stays cheap on a full node.
import type { Pod } from "../kube/types.gen.ts";
import { addQuantities, podRequests, type Quantities, subtractQuantities } from "./pod-resources.ts";

export class NodeUsage {
  readonly #byPod = new Map<string, Quantities>();
  #total: Quantities = new Map();

  /** Counts the pod in, once. */
  add(uid: string, pod: Pod): void {
    if (this.#byPod.has(uid)) return;
    const requests = podRequests(pod);
    this.#byPod.set(uid, requests);
    this.#total = addQuantities(this.#total, requests);
  }

  /** Counts it out, if it was in. */
  remove(uid: string): void {
    const requests = this.#byPod.get(uid);
    if (requests === undefined) return;
    this.#byPod.delete(uid);
    this.#total = subtractQuantities(this.#total, requests);
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
}
