// The last lines of a log whose end is only known when it comes: held in blocks of our own while they are few, else found by
// reading the log twice. A line is what ends with a newline in the bytes as the backend has them, or with their end.

const newline = 0x0a;
const blockSize = 64 * 1024;

/** More than that is not held: the log is read a second time instead. */
export const mostHeld: number = 4 * 1024 * 1024;

/** Bytes of a log and whether they belong to its tail. */
export interface TailPart {
  readonly bytes: Uint8Array;
  readonly isTail: boolean;
}

export interface TailOptions {
  readonly lines: number;
  /** Yield what comes before the tail as well. */
  readonly withRest: boolean;
  /** Reads the same log from its start again. */
  readonly again: () => Promise<AsyncIterable<Uint8Array>>;
  /** Default `mostHeld`. */
  readonly mostHeld?: number | undefined;
}

interface Block {
  readonly bytes: Uint8Array;
  length: number;
  newlines: number;
}

/** Yields the log in order, split where its last `lines` lines begin. What it yields is valid until the next step. */
export async function* logTail(data: AsyncIterable<Uint8Array>, options: TailOptions): AsyncGenerator<TailPart> {
  const ring = new TailRing(options.lines, options.mostHeld ?? mostHeld);
  for await (const chunk of data) {
    for (let at = 0; at < chunk.length; ) {
      at += ring.add(chunk, at);
      const over = ring.overflow();
      if (over !== undefined && options.withRest) yield { bytes: over, isTail: false };
    }
  }
  if (!ring.isTooSmall) {
    yield* ring.parts(options.withRest);
    return;
  }
  yield* secondReading(await options.again(), ring, options.withRest);
}

async function* secondReading(
  data: AsyncIterable<Uint8Array>,
  first: TailRing,
  withRest: boolean,
): AsyncGenerator<TailPart> {
  let linesBefore = first.linesBefore;
  let told = first.yielded;
  let left = first.total;
  for await (const chunk of data) {
    // What has been written since is not in the tail that was asked for.
    const bytes = chunk.length > left ? chunk.subarray(0, left) : chunk;
    left -= bytes.length;
    let split = 0;
    for (; linesBefore > 0 && split < bytes.length; linesBefore--) {
      const found = bytes.indexOf(newline, split);
      split = found < 0 ? bytes.length : found + 1;
      if (found < 0) break;
    }
    const from = Math.min(told, split);
    told -= from;
    if (withRest && split > from) yield { bytes: bytes.subarray(from, split), isTail: false };
    if (split < bytes.length) yield { bytes: bytes.subarray(split), isTail: true };
    if (left === 0) return;
  }
}

/** Holds the last lines and whatever shares a block with them. */
class TailRing {
  readonly #lines: number;
  readonly #most: number;
  #blocks: Block[] = [];
  #held = 0;
  #newlines = 0;
  #spare: Block | undefined;
  #endsInLine = false;
  /** Bytes and newlines of the whole log. */
  total = 0;
  #allNewlines = 0;
  /** Bytes given out by `overflow`. */
  yielded = 0;
  /** The lines wanted need more than may be held; nothing is held any more. */
  isTooSmall = false;

  constructor(lines: number, most: number) {
    this.#lines = lines;
    this.#most = most;
  }

  /** Takes bytes from `at` on; returns how many. */
  add(chunk: Uint8Array, at: number): number {
    const block = this.isTooSmall ? undefined : this.#roomy();
    const taken = Math.min(chunk.length - at, block === undefined ? chunk.length : blockSize - block.length);
    const newlines = countNewlines(chunk, at, at + taken);
    if (block !== undefined) {
      block.bytes.set(chunk.subarray(at, at + taken), block.length);
      block.length += taken;
      block.newlines += newlines;
      this.#held += taken;
      this.#newlines += newlines;
    }
    this.total += taken;
    this.#allNewlines += newlines;
    if (taken > 0) this.#endsInLine = chunk[at + taken - 1] !== newline;
    return taken;
  }

  /** The oldest block, when the tail does not need it any more. Valid until the next `add`. */
  overflow(): Uint8Array | undefined {
    const oldest = this.#blocks[0];
    if (oldest === undefined) return undefined;
    // The newline before the tail must be held, too, unless the log ends within a line.
    if (this.#blocks.length > 1 && this.#newlines - oldest.newlines > this.#lines) {
      this.#blocks.shift();
      this.#held -= oldest.length;
      this.#newlines -= oldest.newlines;
      this.#spare = oldest;
      this.yielded += oldest.length;
      return oldest.bytes.subarray(0, oldest.length);
    }
    if (this.#held > this.#most) {
      this.isTooSmall = true;
      this.#blocks = [];
      this.#spare = undefined;
    }
    return undefined;
  }

  /** Lines of the whole log before its tail. */
  get linesBefore(): number {
    return Math.max(0, this.#allNewlines + (this.#endsInLine ? 1 : 0) - this.#lines);
  }

  *parts(withRest: boolean): Generator<TailPart> {
    let before = Math.max(0, this.#newlines + (this.#endsInLine ? 1 : 0) - this.#lines);
    for (const { bytes, length } of this.#blocks) {
      let split = 0;
      while (before > 0 && split < length) {
        const found = bytes.indexOf(newline, split);
        split = found < 0 || found >= length ? length : found + 1;
        if (found >= 0 && found < length) before--;
      }
      if (before > 0) split = length;
      if (withRest && split > 0) yield { bytes: bytes.subarray(0, split), isTail: false };
      if (split < length) yield { bytes: bytes.subarray(split, length), isTail: true };
    }
  }

  /** A block that is not full. */
  #roomy(): Block {
    const latest = this.#blocks.at(-1);
    if (latest !== undefined && latest.length < blockSize) return latest;
    const block = this.#spare ?? { bytes: new Uint8Array(blockSize), length: 0, newlines: 0 };
    this.#spare = undefined;
    block.length = 0;
    block.newlines = 0;
    this.#blocks.push(block);
    return block;
  }
}

function countNewlines(bytes: Uint8Array, from: number, to: number): number {
  let count = 0;
  for (let i = from; i < to; i++) if (bytes[i] === newline) count++;
  return count;
}
