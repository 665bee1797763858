// Messages in the order of their numbers, each once, whatever order they come in and however often.

export interface Resequenced<T> {
  /** Whether the sender may forget it: false when it came too early to be kept. */
  readonly taken: boolean;
  /** What is next, in order. */
  readonly ready: readonly T[];
}

export class Resequencer<T> {
  #next = 0;
  readonly #early = new Map<number, T>();
  readonly #capacity: number;

  /** So many messages are kept that came before their turn. */
  constructor(capacity: number = 1024) {
    this.#capacity = capacity;
  }

  take(sequenceNumber: number, item: T): Resequenced<T> {
    // One that was had before: its acknowledgement was lost.
    if (sequenceNumber < this.#next) return { taken: true, ready: [] };
    if (sequenceNumber > this.#next) {
      if (!this.#early.has(sequenceNumber) && this.#early.size >= this.#capacity) return { taken: false, ready: [] };
      this.#early.set(sequenceNumber, item);
      return { taken: true, ready: [] };
    }
    const ready = [item];
    this.#next += 1;
    for (let early = this.#early.get(this.#next); early !== undefined; early = this.#early.get(this.#next)) {
      this.#early.delete(this.#next);
      ready.push(early);
      this.#next += 1;
    }
    return { taken: true, ready };
  }
}
