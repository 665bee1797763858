// What a runtime in memory tells of changes: to any number of readers, each from its first read on.

/** Keys of what changed; one that changes again before it was read is told once. */
export class KeyStream {
  readonly #listeners = new Set<(key: string) => void>();

  add(key: string): void {
    for (const listener of this.#listeners) listener(key);
  }

  async *read(signal: AbortSignal): AsyncGenerator<string> {
    const changed = new Set<string>();
    let wake = (): void => {};
    const listener = (key: string): void => {
      changed.add(key);
      wake();
    };
    const end = (): void => wake();
    this.#listeners.add(listener);
    signal.addEventListener("abort", end, { once: true });
    try {
      while (!signal.aborted) {
        for (const key of changed) {
          changed.delete(key);
          yield key;
        }
        if (changed.size > 0 || signal.aborted) continue;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener("abort", end);
    }
  }
}

/** A value: the present one at once, then each later one. */
export class ValueStream<T> {
  readonly #changed: KeyStream = new KeyStream();
  #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  set(value: T): void {
    this.#value = value;
    this.#changed.add("value");
  }

  async *read(signal: AbortSignal): AsyncGenerator<T> {
    const changes = this.#changed.read(signal);
    // The first read of it begins to listen: what is set meanwhile is not missed.
    let next = changes.next();
    for (;;) {
      yield this.#value;
      if ((await next).done === true) return;
      next = changes.next();
    }
  }
}
