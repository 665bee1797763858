// Bytes between who is given them and who reads them, in order. Who gives is told when more waits than there should.

export interface ByteQueueOptions {
  /** So many bytes may wait: beyond it `full` is called, and `drained` when it is well below again. */
  readonly highWater: number;
  readonly full: () => void;
  readonly drained: () => void;
}

/** For one reader. */
export class ByteQueue implements AsyncIterable<Uint8Array> {
  readonly #options: ByteQueueOptions;
  readonly #chunks: Uint8Array[] = [];
  #size = 0;
  #isFull = false;
  #end: { readonly error?: Error } | undefined;
  #reader: PromiseWithResolvers<void> | undefined;
  #hasReader = false;
  /** Whoever read has gone, or nobody ever will: what comes is dropped. */
  #dropped = false;

  constructor(options: ByteQueueOptions) {
    this.#options = options;
  }

  /** Somebody has begun to read. */
  get hasReader(): boolean {
    return this.#hasReader;
  }

  push(bytes: Uint8Array): void {
    if (this.#end !== undefined || this.#dropped || bytes.length === 0) return;
    this.#chunks.push(bytes);
    this.#size += bytes.length;
    this.#wake();
    if (this.#isFull || this.#size < this.#options.highWater) return;
    this.#isFull = true;
    this.#options.full();
  }

  /** What waits is still read, then the error is thrown or the end has come. */
  end(error?: Error): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#wake();
  }

  drop(): void {
    this.#dropped = true;
    this.#chunks.length = 0;
    this.#taken(this.#size);
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    this.#hasReader = true;
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          this.#taken(chunk.length);
          yield chunk;
        } else if (this.#dropped) return;
        else if (this.#end !== undefined) {
          if (this.#end.error !== undefined) throw this.#end.error;
          return;
        } else {
          this.#reader = Promise.withResolvers<void>();
          await this.#reader.promise;
        }
      }
    } finally {
      this.drop();
    }
  }

  #taken(length: number): void {
    this.#size -= length;
    if (!this.#isFull || this.#size > this.#options.highWater / 2) return;
    this.#isFull = false;
    this.#options.drained();
  }

  #wake(): void {
    this.#reader?.resolve();
    this.#reader = undefined;
  }
}
