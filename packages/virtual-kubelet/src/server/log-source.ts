// Reading from a backend's stream so that it can be stopped while it says nothing.

/** One stream; its fields tell a watcher whether anything moves. */
export class LogSource {
  readonly #data: AsyncIterable<Uint8Array>;
  readonly #signal: AbortSignal;
  readonly #failed: (error: unknown) => void;
  /** Chunks that have come. */
  chunks = 0;
  /** The next chunk has been asked for and has not come. */
  waiting = false;

  /** `failed` hears of an error in the stream's own ending, after nobody waits for it any more. */
  constructor(data: AsyncIterable<Uint8Array>, signal: AbortSignal, failed: (error: unknown) => void) {
    this.#data = data;
    this.#signal = signal;
    this.#failed = failed;
  }

  /** In place of `read`. */
  discard(): void {
    Promise.resolve(this.#data[Symbol.asyncIterator]().return?.()).catch(this.#failed);
  }

  /** Ends with the stream, or at once when the signal aborts or the reader returns; the stream is returned then. */
  async *read(): AsyncGenerator<Uint8Array> {
    const signal = this.#signal;
    const iterator = this.#data[Symbol.asyncIterator]();
    let wake = (): void => {};
    const stop = (): void => wake();
    signal.addEventListener("abort", stop);
    let isOver = false;
    try {
      while (!signal.aborted) {
        this.waiting = true;
        const step = await new Promise<IteratorResult<Uint8Array> | undefined>((resolve, reject) => {
          // A race of promises would leave something behind in each that is long in coming.
          wake = () => resolve(undefined);
          iterator.next().then(resolve, reject);
        }).catch((error: unknown) => {
          isOver = true;
          if (!signal.aborted) throw error;
          return undefined;
        });
        this.waiting = false;
        if (step === undefined) return;
        if (step.done) {
          isOver = true;
          return;
        }
        this.chunks++;
        yield step.value;
      }
    } finally {
      this.waiting = false;
      signal.removeEventListener("abort", stop);
      // Not awaited: a generator that hangs does not return before its next value.
      if (!isOver) Promise.resolve(iterator.return?.()).catch(this.#failed);
    }
  }
}
