// Who writes variables of jobs, and that nobody does once a job goes: one that is written later would be left behind.

/** What is remembered of a job that is gone is only for what is still under way. */
const mostGone = 1000;

export class JobWrites {
  readonly #going = new Set<string>();
  readonly #underWay = new Map<string, Set<Promise<void>>>();

  isGoing(id: string): boolean {
    return this.#going.has(id);
  }

  /** Of a job that goes nothing is written, and that is no error. */
  async write(id: string, work: () => Promise<void>): Promise<void> {
    if (this.isGoing(id)) return;
    const underWay = this.#underWay.get(id) ?? new Set();
    this.#underWay.set(id, underWay);
    const writing = work();
    underWay.add(writing);
    try {
      await writing;
    } finally {
      underWay.delete(writing);
      if (underWay.size === 0) this.#underWay.delete(id);
    }
  }

  /** It was registered, again perhaps: a pod that was taken elsewhere may come back. */
  begin(id: string): void {
    this.#going.delete(id);
  }

  /** Resolves when nothing of it is being written, however that ends; from now on nothing is. */
  async leave(id: string): Promise<void> {
    this.#going.add(id);
    for (const first of this.#going) {
      if (this.#going.size <= mostGone) break;
      this.#going.delete(first);
    }
    await Promise.allSettled([...(this.#underWay.get(id) ?? [])]);
  }
}
