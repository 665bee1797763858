// What a run of a simulated container has written, line by line, computed from whose run it is and when it began: the same
// in every process and after every restart, and stored nowhere. Pure.
import type { LogSettings } from "./log-settings.ts";
import type { ContainerRun } from "./runs.ts";

export interface LogLine {
  /** Epoch milliseconds. */
  readonly ms: number;
  /** Nanoseconds beyond them. */
  readonly ns: number;
  readonly stream: "stdout" | "stderr";
  /** Without its end. */
  readonly text: string;
}

/** Whose run it is. */
export interface LogSubject {
  readonly uid: string;
  readonly container: string;
  readonly image: string;
}

/** Beside what was asked for at once, so many lines are kept: older ones are rotated away. */
const keptLines = 100_000;
/** Of a line that was asked for at once, its end included. */
const bulkLine = 128;
const filler = "abcdefghijklmnopqrstuvwxyz0123456789".repeat(4);
const verbs = ["GET", "GET", "GET", "POST", "PUT"];
const paths = ["/", "/healthz", "/api/items", "/api/orders", "/static/app.js", "/login"];

/** Lines in the order of their times: the first, those asked for at once, one each interval, and the last. */
export class RunLog {
  readonly #settings: LogSettings;
  readonly #subject: LogSubject;
  readonly #startedAt: number;
  readonly #attempt: number;
  readonly #bulk: number;
  readonly #seed: number;

  constructor(settings: LogSettings, subject: LogSubject, { startedAt, attempt }: ContainerRun) {
    this.#settings = settings;
    this.#subject = subject;
    this.#startedAt = startedAt;
    this.#attempt = attempt;
    this.#bulk = Math.ceil(settings.bytes / bulkLine);
    this.#seed = hash(`${subject.uid}/${subject.container}/${startedAt}`);
  }

  /** The lines there are at this time: from `first` on, below `end`. */
  range({ ended }: ContainerRun, now: number): { readonly first: number; readonly end: number } {
    const end = 1 + this.#bulk + this.#ticks(ended?.at ?? now) + (ended === undefined ? 0 : 1);
    return { first: Math.max(0, end - this.#bulk - keptLines), end };
  }

  /** When a line is added after this time, epoch milliseconds; Infinity: never by itself. */
  nextAt(now: number): number {
    const tick = this.#ticks(now) + 1;
    return tick > this.#settings.lines ? Number.POSITIVE_INFINITY : this.#startedAt + tick * this.#settings.interval;
  }

  line(run: ContainerRun, index: number): LogLine {
    const { container, image } = this.#subject;
    if (index === 0) {
      const text = `starting ${container} (image ${image}), run ${this.#attempt + 1}`;
      return { ms: this.#startedAt, ns: 0, stream: "stdout", text };
    }
    if (index <= this.#bulk) {
      const last = this.#settings.bytes - (this.#bulk - 1) * bulkLine;
      const text = index === this.#bulk ? bulkLineOf(index).slice(0, last - 1) : bulkLineOf(index);
      return { ...this.bulkTime(index), stream: "stdout", text };
    }
    const tick = index - this.#bulk;
    const { ended } = run;
    if (ended !== undefined && tick > this.#ticks(ended.at)) {
      const stream = ended.exitCode === 0 ? "stdout" : "stderr";
      return { ms: ended.at, ns: 999_999, stream, text: `exiting with code ${ended.exitCode}` };
    }
    const random = mix(this.#seed + tick);
    const ms = this.#startedAt + tick * this.#settings.interval;
    const ns = random % 999_999;
    const isSlow = tick % 10 === 0;
    const request = `${verbs[random % verbs.length]} ${paths[(random >>> 8) % paths.length]}`;
    const madeUp = isSlow
      ? `warning: slow request ${tick}: ${request} took ${1000 + (random % 4000)}ms`
      : `request ${tick}: ${request} 200 ${1 + (random % 80)}ms`;
    return { ms, ns, stream: isSlow ? "stderr" : "stdout", text: this.#settings.text ?? madeUp };
  }

  /** The lines written at once that are whole: from 1 on, below this. */
  get bulkEnd(): number {
    return Math.max(1, this.#bulk);
  }

  /** All of them come within the first millisecond. */
  bulkTime(index: number): LogTime {
    return { ms: this.#startedAt, ns: Math.floor((index / this.#bulk) * 999_999) };
  }

  /** The first line, of those in the range, of this time or later. */
  firstSince(run: ContainerRun, range: { readonly first: number; readonly end: number }, time: LogTime): number {
    let [low, high] = [range.first, range.end];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const { ms, ns } = this.line(run, middle);
      if (ms < time.ms || (ms === time.ms && ns < time.ns)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #ticks(at: number): number {
    const { interval, lines } = this.#settings;
    return Math.min(lines, Math.max(0, Math.floor((at - this.#startedAt) / interval)));
  }
}

/** A line of those written at once. */
export function bulkLineOf(index: number): string {
  return `${String(index).padStart(10, "0")} ${filler}`.slice(0, bulkLine - 1);
}

export interface LogTime {
  readonly ms: number;
  readonly ns: number;
}

/** RFC 3339 with up to nine digits of a second; undefined for what is none. */
export function parseTime(text: string): LogTime | undefined {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) return undefined;
  const digits = (/\.(\d{1,9})/.exec(text)?.[1] ?? "").padEnd(9, "0");
  return { ms, ns: Number(digits.slice(3)) };
}

let cachedMs = Number.NaN;
let cachedText = "";

/** RFC 3339 with nine digits of a second. */
export function formatTime({ ms, ns }: LogTime): string {
  if (ms !== cachedMs) {
    cachedMs = ms;
    cachedText = new Date(ms).toISOString().slice(0, -1);
  }
  return `${cachedText}${String(ns).padStart(6, "0")}Z`;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const char of text) value = Math.imul(value ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return value >>> 0;
}

/** Scatters neighbouring numbers; 31 bits, so that it can be shifted and taken modulo. */
function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 16)) >>> 1;
}
