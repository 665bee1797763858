// Calls about one pod that change something come one after another.

export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Does the work when all calls before about this pod are over, unless the signal has aborted by then. */
  inTurn<T>(uid: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(uid) ?? Promise.resolve();
    const turn = before.then(() => {
      signal.throwIfAborted();
      return work();
    });
    const settled = turn.then(
      () => {},
      () => {},
    );
    this.#last.set(uid, settled);
    void settled.then(() => {
      if (this.#last.get(uid) === settled) this.#last.delete(uid);
    });
    return turn;
  }
}
