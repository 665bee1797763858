// The wire of output without a terminal: pieces of stdout and stderr, each after a header of eight bytes (which stream, three
// zeros, length in big endian).
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

export interface OutputPiece {
  readonly stream: "stdout" | "stderr";
  readonly data: Uint8Array;
}

const headerSize = 8;

/** Content is passed on as it comes, cut anywhere; no more than a header is ever kept. */
export class StdcopyDecoder {
  readonly #header = new Uint8Array(headerSize);
  #have = 0;
  #left = 0;
  #stream: OutputPiece["stream"] = "stdout";

  /** Throws Unavailable when it is not this wire. */
  *feed(chunk: Uint8Array): Generator<OutputPiece, undefined> {
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const data = chunk.subarray(at, at + this.#left);
        at += data.length;
        this.#left -= data.length;
        yield { stream: this.#stream, data };
        continue;
      }
      const part = chunk.subarray(at, at + headerSize - this.#have);
      this.#header.set(part, this.#have);
      at += part.length;
      this.#have += part.length;
      if (this.#have === headerSize) this.#begin();
    }
    return undefined;
  }

  /** Throws Unavailable when a piece was cut off. */
  end(): void {
    if (this.#have > 0 || this.#left > 0)
      throw new VirtualKubeletError("Unavailable", "the engine's output ended in the middle of a piece");
  }

  #begin(): void {
    const [type = 0, ...zeros] = this.#header.subarray(0, 4);
    // 0 is an echo of stdin, which counts as output.
    if (type > 2 || zeros.some((each) => each !== 0))
      throw new VirtualKubeletError("Unavailable", "the engine's output is not in pieces of stdout and stderr");
    this.#stream = type === 2 ? "stderr" : "stdout";
    this.#left = new DataView(this.#header.buffer).getUint32(4);
    this.#have = 0;
  }
}
