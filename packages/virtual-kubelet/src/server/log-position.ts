// How far a log has been passed on, so that another reading of it can go on from there: bytes, where the lines have no
// times, else the latest time and what there was of it.
import { compareInstants, type Instant } from "./log-time.ts";

/** What has been passed on before, for the current reading. */
interface Before {
  /** Bytes of a log without times. */
  offset: number;
  /** Lines of the latest time that are complete. */
  lines: number;
  /** Bytes of text of one more that is not. */
  readonly open: number | undefined;
}

export class LogPosition {
  #offset = 0;
  #seconds = Number.NEGATIVE_INFINITY;
  #nanos = 0;
  /** Of the latest time. */
  #lines = 0;
  /** Bytes of text of the last of them, while its end has not been seen. */
  #open: number | undefined;
  /** The text that comes now is that line's. */
  #isOpen = false;
  #before: Before | undefined;

  /** Of the lines; undefined when there was none with a time. */
  get latest(): Instant | undefined {
    return Number.isFinite(this.#seconds) ? { seconds: this.#seconds, nanos: this.#nanos } : undefined;
  }

  /** A reading begins: of a log that has not been read before, or again, with what has been passed on. */
  begin(again: boolean): void {
    const lines = this.#open === undefined ? this.#lines : this.#lines - 1;
    this.#before = again ? { offset: this.#offset, lines, open: this.#open } : undefined;
    this.#isOpen = false;
  }

  /** Nothing was passed on, but what is older than this is not to come either. */
  startAt({ seconds, nanos }: Instant): void {
    this.#seconds = seconds;
    this.#nanos = nanos;
    this.#lines = 0;
    this.#open = undefined;
  }

  /** The log has been begun anew, without what was passed on. */
  forget(): void {
    this.#offset = 0;
    this.startAt({ seconds: Number.NEGATIVE_INFINITY, nanos: 0 });
  }

  /** Has a log without times, read from its start, not got to what is new? */
  get isBehind(): boolean {
    return this.#before !== undefined && this.#before.offset > 0;
  }

  /** So many bytes of a log without times come: how many of them were passed on before. */
  bytes(count: number): number {
    const old = Math.min(this.#before?.offset ?? 0, count);
    if (this.#before !== undefined) this.#before.offset -= old;
    this.#offset += count - old;
    return old;
  }

  /** A line of this time comes: how many bytes of its text were passed on before; all of them: Infinity. */
  line(time: Instant): number {
    const order = compareInstants(time, { seconds: this.#seconds, nanos: this.#nanos });
    const before = this.#before;
    this.#isOpen = false;
    if (before !== undefined) {
      if (order < 0) return Number.POSITIVE_INFINITY;
      if (order === 0 && before.lines > 0) {
        before.lines--;
        return Number.POSITIVE_INFINITY;
      }
      this.#before = undefined;
      if (order === 0 && before.open !== undefined) {
        this.#open = 0;
        this.#isOpen = true;
        return before.open;
      }
    }
    // Lines that are out of order are passed on, but say nothing of where we are.
    if (order < 0) return 0;
    if (order > 0) {
      this.#seconds = time.seconds;
      this.#nanos = time.nanos;
      this.#lines = 0;
    }
    this.#lines++;
    this.#open = 0;
    this.#isOpen = true;
    return 0;
  }

  /** What comes is no line. */
  noLine(): void {
    this.#isOpen = false;
  }

  /** So many bytes of text of the line come, with its end or not. */
  text(count: number, isEnd: boolean): void {
    if (this.#isOpen) this.#open = isEnd ? undefined : (this.#open ?? 0) + count;
  }
}
