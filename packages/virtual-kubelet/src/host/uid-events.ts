// Tells any number of readers of which pods something changed; each reader keeps a pod once, however often it changes.

export class UidEvents {
  readonly #readers = new Set<{ readonly pending: Set<string>; wake: () => void }>();
  #closed = false;

  tell(uid: string): void {
    for (const reader of this.#readers) {
      reader.pending.add(uid);
      reader.wake();
    }
  }

  /** From the call on. Ends with the signal, and with close(). */
  read(signal: AbortSignal): AsyncIterable<string> {
    const reader = { pending: new Set<string>(), wake: (): void => {} };
    this.#readers.add(reader);
    const onAbort = (): void => {
      this.#readers.delete(reader);
      reader.wake();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const over = (): boolean => signal.aborted || this.#closed;
    return this.#values(reader, over, onAbort);
  }

  async *#values(
    reader: { readonly pending: Set<string>; wake: () => void },
    over: () => boolean,
    leave: () => void,
  ): AsyncGenerator<string> {
    try {
      while (!over()) {
        const [uid] = reader.pending;
        if (uid !== undefined) {
          reader.pending.delete(uid);
          yield uid;
          continue;
        }
        await new Promise<void>((resolve) => {
          reader.wake = resolve;
        });
      }
    } finally {
      leave();
    }
  }

  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) reader.wake();
  }
}
