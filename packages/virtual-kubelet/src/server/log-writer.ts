// Writes a log to a response: small pieces together where they come at once, none held back when there is no more, and
// not faster than the client reads.
import type { KubeletResponse } from "./kubelet-call.ts";

/** Pieces of that size are not copied together. */
const largePiece = 16 * 1024;
/** What is written at once becomes one piece of work for TLS and the kernel. */
const fullBatch = 128 * 1024;

export class LogWriter {
  readonly #response: KubeletResponse;
  #batch: Uint8Array[] = [];
  #batched = 0;
  #flushing: NodeJS.Immediate | undefined;
  #isFull = false;
  #isGone: boolean;
  #wake = (): void => {};

  /** `signal` aborts when nothing is wanted any more. */
  constructor(response: KubeletResponse, signal: AbortSignal) {
    this.#response = response;
    this.#isGone = response.destroyed === true || signal.aborted;
    response.on("drain", () => {
      this.#isFull = false;
      this.#wake();
    });
    const gone = (): void => {
      this.#isGone = true;
      this.#wake();
    };
    response.on("error", gone);
    response.on("close", gone);
    signal.addEventListener("abort", gone, { once: true });
  }

  /** Resolves to whether to go on, when the client has taken enough of it. The bytes are not to be changed any more. */
  async write(bytes: Uint8Array): Promise<boolean> {
    this.#batch.push(bytes);
    this.#batched += bytes.length;
    if (this.#batched >= fullBatch) this.#flush();
    else this.#flushing ??= setImmediate(() => this.#flush());
    while (this.#isFull && !this.#isGone) await this.#change();
    return !this.#isGone;
  }

  /** The log is complete. */
  end(): void {
    this.#flush();
    if (!this.#isGone) this.#response.end();
  }

  /** The log broke off: lets the client notice, after it has got what there was. */
  async break(cause: Error): Promise<void> {
    this.#flush();
    let isSent = false;
    if (!this.#isGone) {
      this.#response.write("", () => {
        isSent = true;
        this.#wake();
      });
    }
    while (!isSent && !this.#isGone) await this.#change();
    this.#response.destroy(cause);
  }

  /** Resolves when the client has taken something, or is gone. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #flush(): void {
    clearImmediate(this.#flushing);
    this.#flushing = undefined;
    const batch = this.#batch;
    this.#batch = [];
    this.#batched = 0;
    let from = 0;
    for (const [index, bytes] of batch.entries()) {
      if (bytes.length < largePiece) continue;
      this.#sendTogether(batch.slice(from, index));
      this.#send(bytes);
      from = index + 1;
    }
    this.#sendTogether(batch.slice(from));
  }

  #sendTogether(pieces: readonly Uint8Array[]): void {
    const [first] = pieces;
    if (first !== undefined) this.#send(pieces.length === 1 ? first : Buffer.concat(pieces));
  }

  #send(bytes: Uint8Array): void {
    if (!this.#isGone && !this.#response.write(bytes)) this.#isFull = true;
  }
}
