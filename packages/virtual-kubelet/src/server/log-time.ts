// RFC 3339 times at the start of log lines: read from bytes, compared to the nanosecond, written with nine digits.

/** A point in time. The nanoseconds do not fit into one number. */
export interface Instant {
  /** Since the Unix epoch. */
  readonly seconds: number;
  /** 0 to 999999999. */
  readonly nanos: number;
}

/** Longest time that is recognised, in bytes. */
export const longestTime = 48;

const colon = 0x3a;
const dash = 0x2d;
const dot = 0x2e;
const letterT = 0x54;
const letterZ = 0x5a;
const plus = 0x2b;
const zero = 0x30;

/** Reads times one after the other; its fields are those of the last one that was read. No object for each line. */
export class TimeReader {
  seconds: number = Number.NEGATIVE_INFINITY;
  nanos: number = 0;
  /** First byte after the time. */
  end: number = 0;
  #dayKey = -1;
  #day = 0;

  /** Is there a time from `at` on that ends before `limit`? */
  read(bytes: Uint8Array, at: number, limit: number): boolean {
    // The shortest one: 2006-01-02T15:04:05Z.
    if (limit - at < 20) return false;
    if (bytes[at + 4] !== dash || bytes[at + 7] !== dash || bytes[at + 10] !== letterT) return false;
    if (bytes[at + 13] !== colon || bytes[at + 16] !== colon) return false;
    const year = two(bytes, at) * 100 + two(bytes, at + 2);
    const dayKey = year * 10_000 + two(bytes, at + 5) * 100 + two(bytes, at + 8);
    const hour = two(bytes, at + 11);
    const minute = two(bytes, at + 14);
    const second = two(bytes, at + 17);
    // A byte that is no digit makes its number, and all made of it, no number.
    if (!(dayKey >= 0 && hour <= 23 && minute <= 59 && second <= 59)) return false;
    if (dayKey !== this.#dayKey) {
      const day = dayOf(year, Math.floor(dayKey / 100) % 100, dayKey % 100);
      if (day === undefined) return false;
      this.#dayKey = dayKey;
      this.#day = day;
    }
    let next = at + 19;
    let nanos = 0;
    if (bytes[next] === dot) {
      next++;
      let digits = 0;
      for (; next < limit; next++, digits++) {
        const digit = (bytes[next] ?? 0) - zero;
        if (digit < 0 || digit > 9) break;
        if (digits < 9) nanos = nanos * 10 + digit;
      }
      if (digits === 0) return false;
      for (; digits < 9; digits++) nanos *= 10;
    }
    if (next >= limit) return false;
    let offset = 0;
    const sign = bytes[next];
    if (sign === letterZ) next++;
    else if ((sign === plus || sign === dash) && limit - next >= 6 && bytes[next + 3] === colon) {
      const hours = two(bytes, next + 1);
      const minutes = two(bytes, next + 4);
      if (!(hours <= 23 && minutes <= 59)) return false;
      offset = (hours * 3600 + minutes * 60) * (sign === plus ? 1 : -1);
      next += 6;
    } else return false;
    this.seconds = this.#day + hour * 3600 + minute * 60 + second - offset;
    this.nanos = nanos;
    this.end = next;
    return true;
  }
}

/** The time written at `bytes[at..end)`, which TimeReader has read, with a fraction of nine digits; at most 35 bytes. Returns the end. */
export function writeTime(bytes: Uint8Array, at: number, end: number, out: Uint8Array, to: number): number {
  let o = to;
  let i = at;
  // Most are written so already.
  if (end - at === 30 && bytes[at + 29] === letterZ && bytes[at + 19] === dot) {
    for (const stop = at + 30; i < stop; ) out[o++] = bytes[i++] ?? 0;
    return o;
  }
  for (const stop = at + 19; i < stop; ) out[o++] = bytes[i++] ?? 0;
  out[o++] = dot;
  const last = o + 9;
  if (bytes[i] === dot) {
    for (i++; i < end; i++) {
      const byte = bytes[i] ?? 0;
      if (byte < zero || byte > zero + 9) break;
      if (o < last) out[o++] = byte;
    }
  }
  while (o < last) out[o++] = zero;
  const isUtc = bytes[i] === letterZ || (two(bytes, i + 1) === 0 && two(bytes, i + 4) === 0);
  if (isUtc) out[o++] = letterZ;
  else while (i < end) out[o++] = bytes[i++] ?? 0;
  return o;
}

/** -1, 0 or 1. */
export function compareInstants(a: Instant, b: Instant): number {
  return Math.sign(a.seconds - b.seconds || a.nanos - b.nanos);
}

/** A time as the Kubernetes API writes it, up to any number of digits of a second; undefined for what is none. */
export function parseInstant(text: string): Instant | undefined {
  const bytes = Buffer.from(text, "latin1");
  const reader = new TimeReader();
  if (!reader.read(bytes, 0, bytes.length) || reader.end !== bytes.length) return undefined;
  return { seconds: reader.seconds, nanos: reader.nanos };
}

export function instantOf(epochMs: number): Instant {
  const seconds = Math.floor(epochMs / 1000);
  return { seconds, nanos: Math.floor((epochMs - seconds * 1000) * 1e6) };
}

/** In UTC with nine digits of a second, e.g. 2026-01-01T00:00:00.000000000Z. Years 0 to 9999. */
export function formatInstant({ seconds, nanos }: Instant): string {
  const date = new Date(seconds * 1000).toISOString();
  return `${date.slice(0, 19)}.${String(nanos).padStart(9, "0")}Z`;
}

/** Two digits as a number; NaN when they are none. */
function two(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] ?? 0) - zero;
  const ones = (bytes[at + 1] ?? 0) - zero;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

/** Seconds of the day's begin since the epoch; undefined when the calendar has no such day. */
function dayOf(year: number, month: number, day: number): number | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day ? date.getTime() / 1000 : undefined;
}
