// Others who undo what is written of pods (a second process for the same node, above all) are answered at a pace: two that fight
// would else write for ever, as fast as the API server can.

/** So many in a row are answered at once, and then one each so often, per pod. */
const burst = 10;
const paceMs = 10_000;
/** How often it is told of. */
const toldMs = 600_000;

export class RivalWriters {
  /** Pods of which somebody else undid what we wrote. */
  readonly #undone = new Set<string>();
  readonly #budgets = new Map<string, { left: number; at: number }>();
  readonly #tell: (uid: string) => void;
  #toldAt = Number.NEGATIVE_INFINITY;

  /** `tell` is called when answers begin to be put off, every ten minutes at most. */
  constructor(tell: (uid: string) => void) {
    this.#tell = tell;
  }

  /** Pods of which something is remembered. */
  get size(): number {
    return this.#undone.size + this.#budgets.size;
  }

  /** What we wrote of the pod is no longer what the API has. */
  undid(uid: string): void {
    this.#undone.add(uid);
  }

  /** What we would write now is there already. */
  agree(uid: string): void {
    this.#undone.delete(uid);
  }

  /** How many milliseconds a write of ours has to wait; 0: it may go, and what others did is answered by it. */
  waitMs(uid: string, now: number): number {
    if (!this.#undone.has(uid)) return 0;
    const before = this.#budgets.get(uid) ?? { left: burst, at: now };
    const left = Math.min(burst, before.left + Math.max(0, now - before.at) / paceMs);
    this.#budgets.set(uid, { left: left < 1 ? left : left - 1, at: now });
    if (left >= 1) {
      this.#undone.delete(uid);
      return 0;
    }
    if (now - this.#toldAt >= toldMs) {
      this.#toldAt = now;
      this.#tell(uid);
    }
    return Math.ceil((1 - left) * paceMs);
  }

  forget(uid: string): void {
    this.#undone.delete(uid);
    this.#budgets.delete(uid);
  }
}
