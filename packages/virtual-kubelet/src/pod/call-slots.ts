// How many calls of one backend may be under way at once. Each node has its own slots: a backend that hangs holds up its own pods
// and nobody else's.

/** One free slot in so many goes to a retry although fresh work waits: neither starves the other. */
const retryTurn = 10;

export class CallSlots {
  readonly #limit: number;
  #taken = 0;
  #turn = 0;
  readonly #fresh = new Set<() => void>();
  readonly #retries = new Set<() => void>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  get limit(): number {
    return this.#limit;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#fresh.size + this.#retries.size;
  }

  /** Takes a slot if one is free. */
  tryTake(): boolean {
    if (this.#taken >= this.#limit) return false;
    this.#taken += 1;
    return true;
  }

  /** Waits for a slot in turn; true when it was taken, false when the signal aborted first. */
  wait(signal: AbortSignal, isRetry: boolean): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    if (this.tryTake()) return Promise.resolve(true);
    const lane = isRetry ? this.#retries : this.#fresh;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const take = (): void => {
      signal.removeEventListener("abort", leave);
      resolve(true);
    };
    const leave = (): void => {
      lane.delete(take);
      resolve(false);
    };
    lane.add(take);
    signal.addEventListener("abort", leave, { once: true });
    return promise;
  }

  /** Gives a slot back: to the next in turn, where one waits. */
  give(): void {
    this.#turn = (this.#turn + 1) % retryTurn;
    const [first, second] = this.#turn === 0 ? [this.#retries, this.#fresh] : [this.#fresh, this.#retries];
    const lane = first.size > 0 ? first : second;
    const [next] = lane;
    if (next === undefined) {
      this.#taken -= 1;
      return;
    }
    lane.delete(next);
    next();
  }
}
