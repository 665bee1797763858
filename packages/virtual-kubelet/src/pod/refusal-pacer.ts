// A controller replaces a Failed pod at once and without limit. Refusals are therefore paced per owner: each one more is
// told to the API later than the one before, which leaves the pod Pending, and the controller content, for that long.

const firstMs = 10_000;
const longestMs = 5 * 60_000;
const forgetAfterMs = 15 * 60_000;
const mostOwners = 4096;

interface Refused {
  readonly times: number;
  readonly lastAt: number;
}

export class RefusalPacer {
  /** In the order of the last refusal, oldest first. */
  readonly #owners = new Map<string, Refused>();

  /**
   * Milliseconds for which to hold a refused pod before it becomes Failed: 0 for the first of its owner, then 10 s, 20 s,
   * 40 s ... up to 5 min. To be called once for each pod. An owner is forgotten after 15 min without a refusal, and the one
   * longest without when there are more than 4096. Pods without a controller (undefined) are not replaced, nor paced.
   *
   * The key is the owner alone, over all nodes and reasons: it is the owner's loop that is to be slowed down.
   */
  delay(ownerUid: string | undefined, now: number): number {
    if (ownerUid === undefined) return 0;
    this.#forget(now);
    const times = this.#owners.get(ownerUid)?.times ?? 0;
    this.#owners.delete(ownerUid);
    this.#owners.set(ownerUid, { times: times + 1, lastAt: now });
    return times === 0 ? 0 : Math.min(firstMs * 2 ** (times - 1), longestMs);
  }

  /** Owners remembered. */
  get size(): number {
    return this.#owners.size;
  }

  #forget(now: number): void {
    for (const [uid, { lastAt }] of this.#owners) {
      if (now - lastAt < forgetAfterMs && this.#owners.size < mostOwners) return;
      this.#owners.delete(uid);
    }
  }
}
