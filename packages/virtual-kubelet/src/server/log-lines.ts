// Log bytes of any format, cut anywhere -> the text a client is sent: filtered by time and stream, with or without times.
// Works on whole chunks and holds no more of a line than its header. Knows where it is, so that it can go on from there
// when the log is read again.
import type { ContainerLogs } from "../provider/streams.ts";
import { HeaderReader, type LogFormat, longestHeader } from "./log-header.ts";
import { LogPosition } from "./log-position.ts";
import { compareInstants, formatInstant, type Instant, instantOf, writeTime } from "./log-time.ts";

export interface LogLinesOptions {
  /** Put each line's time before it; for a format without times that is the time of reading it. */
  readonly timestamps: boolean;
  /** Leave out older lines. Without effect on a format without times. */
  readonly since?: Instant | undefined;
  /** Where the format does not tell, all counts as Stdout. */
  readonly stream?: "Stdout" | "Stderr" | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const newline = 0x0a;
const space = 0x20;
/** A time as it is written, and a space. */
const longestPrefix = 36;
/** A longer run of text is copied by a call instead of byte by byte, */
const longCopy = 96;
/** and searched by one from here on. */
const longSearch = 40;
const nothing: Uint8Array = Buffer.alloc(0);

export class LogLines {
  readonly #options: LogLinesOptions;
  #since: Instant | undefined;
  #stream: LogLinesOptions["stream"];
  readonly position: LogPosition = new LogPosition();
  /** While it is set, what comes is only looked at, for the position. */
  muted = false;

  #format: LogFormat = "plain";
  #header: HeaderReader | undefined;
  /** The begin of a line whose header is cut. */
  readonly #held: Uint8Array = Buffer.alloc(longestHeader);
  #heldLength = 0;
  /** Inside the text of a line. */
  #inText = false;
  /** The text we are in is left out. */
  #drop = false;
  /** The text we are in has no newline of the container's own at its end. */
  #partial = false;
  /** Bytes of the text we are in that have been passed on before. */
  #skipText = 0;
  /** The output stands at the begin of a line. */
  #atLineStart = true;
  #out: Uint8Array = nothing;
  #length = 0;
  /** What the output of a chunk most likely needs. */
  #likely = 0;

  constructor(options: LogLinesOptions) {
    this.#options = options;
  }

  /**
   * A reading of the log begins. Any but the first passes over what has been passed on: of `plain` so many bytes, of the
   * others so many lines of the latest time, older ones, and what there was of an unfinished line. What the backend has
   * applied is not done here.
   */
  begin(format: LogFormat, again: boolean, applied: ContainerLogs["applied"] = []): void {
    this.#since = applied.includes("sinceTime") ? undefined : this.#options.since;
    this.#stream = applied.includes("stream") ? undefined : this.#options.stream;
    this.position.begin(again);
    this.#format = format;
    this.#header = format === "plain" ? undefined : new HeaderReader(format);
    this.#heldLength = 0;
    this.#inText = false;
    this.#skipText = 0;
  }

  /** The text in one chunk; give it in chunks of moderate size, for the output may be many times as long. */
  push(chunk: Uint8Array): Uint8Array {
    this.#out = nothing;
    this.#length = 0;
    this.#likely = chunk.length + 2 * longestHeader;
    if (this.#header === undefined) return this.#pushPlain(chunk);
    this.#scan(this.#header, chunk);
    return this.#out.subarray(0, this.#length);
  }

  /** The log has ended for good: what was held back as the begin of a header is none. */
  end(): Uint8Array {
    if (this.#header === undefined || this.#heldLength === 0) return nothing;
    this.#out = nothing;
    this.#length = 0;
    this.#likely = 2 * longestHeader;
    const held = Buffer.from(this.#held.subarray(0, this.#heldLength));
    this.#heldLength = 0;
    // A time without anything after it is a line without text.
    if (this.#header.time.read(held, 0, held.length)) return nothing;
    this.#beginLine(this.#header, held, 0, "no");
    this.#text(held, 0, held.length);
    return this.#out.subarray(0, this.#length);
  }

  #pushPlain(all: Uint8Array): Uint8Array {
    const old = this.position.bytes(all.length);
    const chunk = old === 0 ? all : all.subarray(old);
    if (this.muted || this.#stream === "Stderr") return nothing;
    if (!this.#options.timestamps || chunk.length === 0) return chunk;
    const time = Buffer.from(`${formatInstant(instantOf(this.#options.now()))} `, "latin1");
    for (let at = 0; at < chunk.length; ) {
      const end = endOfLine(chunk, at, chunk.length);
      const next = Math.min(end + 1, chunk.length);
      this.#room(chunk.length - at + longestPrefix);
      if (this.#atLineStart) this.#append(time, 0, time.length);
      this.#append(chunk, at, next);
      this.#atLineStart = end < chunk.length;
      at = next;
    }
    return this.#out.subarray(0, this.#length);
  }

  #scan(header: HeaderReader, chunk: Uint8Array): void {
    let at = this.#heldLength > 0 ? this.#completeHeader(header, chunk) : 0;
    while (at < chunk.length) {
      if (this.#inText) {
        at = this.#text(chunk, at, chunk.length);
        continue;
      }
      const found = header.read(chunk, at, chunk.length);
      if (found === "more") {
        this.#held.set(chunk.subarray(at), 0);
        this.#heldLength = chunk.length - at;
        return;
      }
      this.#beginLine(header, chunk, at, found);
      at = found === "yes" ? header.text : at;
    }
  }

  /** Goes on with a header that was cut. Returns where in the chunk to go on. */
  #completeHeader(header: HeaderReader, chunk: Uint8Array): number {
    const held = this.#held;
    const before = this.#heldLength;
    const taken = Math.min(chunk.length, longestHeader - before);
    held.set(chunk.subarray(0, taken), before);
    const length = before + taken;
    const found = header.read(held, 0, length);
    if (found === "more" && length < longestHeader) {
      this.#heldLength = length;
      return taken;
    }
    this.#heldLength = 0;
    this.#beginLine(header, held, 0, found === "yes" ? "yes" : "no");
    if (found === "yes") return header.text - before;
    // No header: what was held is text. It has no newline, or that would have been known before.
    this.#text(held, 0, before);
    return 0;
  }

  /** A line of the log begins, with the header that was read from `bytes[at..)` or without one. */
  #beginLine(header: HeaderReader, bytes: Uint8Array, at: number, found: "yes" | "no"): void {
    const { timestamps } = this.#options;
    const since = this.#since;
    const stream = this.#stream;
    const isLine = found === "yes";
    this.#inText = true;
    this.#partial = isLine && header.partial;
    // What is no line of a CRI runtime is the rest of one; elsewhere it is text of the time before it.
    if (!isLine && this.#format === "cri") {
      this.#drop = true;
      this.position.noLine();
      return;
    }
    const { time } = header;
    this.#skipText = this.position.line(time);
    this.#drop = this.#skipText === Number.POSITIVE_INFINITY || this.muted;
    if (since !== undefined && compareInstants(time, since) < 0) this.#drop = true;
    if (stream !== undefined && (isLine && header.stderr) !== (stream === "Stderr")) this.#drop = true;
    if (this.#drop || !timestamps || !this.#atLineStart) return;
    if (!isLine && !Number.isFinite(time.seconds)) return;
    this.#room(longestPrefix);
    if (isLine) this.#length = writeTime(bytes, at, time.end, this.#out, this.#length);
    else this.#length += Buffer.from(formatInstant(time), "latin1").copy(this.#out, this.#length);
    this.#out[this.#length++] = space;
    // The text decides how the line goes on, but it has begun.
    this.#atLineStart = false;
  }

  /** Passes on the text of the line we are in, from `at` to its end or the end of the bytes. Returns where it ends. */
  #text(bytes: Uint8Array, at: number, limit: number): number {
    const end = endOfLine(bytes, at, limit);
    const isEnd = end < limit;
    const next = isEnd ? end + 1 : end;
    if (isEnd) this.#inText = false;
    this.position.text(end - at, isEnd);
    if (this.#drop) return next;
    const from = Math.min(end, at + this.#skipText);
    this.#skipText -= from - at;
    const to = isEnd && !this.#partial ? next : end;
    if (to > from) {
      this.#room(to - from);
      this.#append(bytes, from, to);
      this.#atLineStart = to === next && isEnd;
    }
    return next;
  }

  #append(bytes: Uint8Array, from: number, to: number): void {
    const out = this.#out;
    let o = this.#length;
    if (to - from > longCopy) {
      out.set(bytes.subarray(from, to), o);
      o += to - from;
    } else for (let i = from; i < to; ) out[o++] = bytes[i++] ?? 0;
    this.#length = o;
  }

  /** Room for so many bytes more. */
  #room(bytes: number): void {
    const wanted = this.#length + bytes;
    if (wanted <= this.#out.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, 2 * this.#out.length, this.#likely));
    larger.set(this.#out.subarray(0, this.#length), 0);
    this.#out = larger;
  }
}

/** Where the next newline is; `limit` when there is none before it. */
function endOfLine(bytes: Uint8Array, at: number, limit: number): number {
  // For a short line the loop is faster than the call.
  const near = Math.min(limit, at + longSearch);
  for (let i = at; i < near; i++) if (bytes[i] === newline) return i;
  const found = bytes.indexOf(newline, near);
  return found < 0 || found > limit ? limit : found;
}
