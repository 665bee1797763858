// Raw output cut into lines of the CRI log format, and counted back out of them. Pure.

/** Longest text of one line of the log; what is longer goes on in the next. As container runtimes have it. */
export const longestLine: number = 16 * 1024;

const newline = 0x0a;

export type OutputStream = "stdout" | "stderr";

/** Gives nanoseconds of the Unix epoch as texts, each later than the one before. */
export class LineTimes {
  #last: bigint;
  #second = -1n;
  #prefix = "";

  constructor(last = 0n) {
    this.#last = last;
  }

  /** `now`: nanoseconds. */
  next(now: bigint): string {
    this.#last = now > this.#last ? now : this.#last + 1n;
    const second = this.#last / 1_000_000_000n;
    if (second !== this.#second) {
      this.#second = second;
      this.#prefix = new Date(Number(second) * 1000).toISOString().slice(0, 19);
    }
    return `${this.#prefix}.${String(this.#last % 1_000_000_000n).padStart(9, "0")}Z`;
  }
}

/**
 * Lines for the log out of `raw`, and how much of it they make up. What has no end yet is left, unless it is `final` or too
 * long for one line; and what comes after `room` bytes of log are full.
 */
export function cutLines(
  raw: Buffer,
  stream: OutputStream,
  final: boolean,
  time: () => string,
  room: number = Number.POSITIVE_INFINITY,
): { readonly lines: readonly Buffer[]; readonly consumed: number; readonly full: boolean } {
  const lines: Buffer[] = [];
  let at = 0;
  let size = 0;
  const add = (tag: "F" | "P", length: number): void => {
    const head = Buffer.from(`${time()} ${stream} ${tag} `);
    lines.push(head, raw.subarray(at, at + length), lineEnd);
    size += head.length + length + 1;
  };
  while (at < raw.length) {
    if (size >= room) return { lines, consumed: at, full: true };
    const end = raw.indexOf(newline, at);
    const length = (end < 0 ? raw.length : end) - at;
    if (length > longestLine) {
      add("P", longestLine);
      at += longestLine;
      continue;
    }
    if (end < 0 && !final) break;
    add("F", length);
    at += length + (end < 0 ? 0 : 1);
  }
  return { lines, consumed: at, full: false };
}

const lineEnd = Buffer.from("\n");

/** How much raw output the whole lines of a piece of log stand for. */
export function countBack(log: Buffer): {
  readonly stdout: number;
  readonly stderr: number;
  /** Bytes of whole lines. */
  readonly whole: number;
  /** Nanoseconds, of the last line; undefined without any. */
  readonly last: bigint | undefined;
} {
  const counts = { stdout: 0, stderr: 0 };
  let last: bigint | undefined;
  let at = 0;
  for (let end = log.indexOf(newline, at); end >= 0; end = log.indexOf(newline, at)) {
    const head = /^(\S+) (stdout|stderr) ([FP]) /.exec(log.toString("latin1", at, Math.min(end, at + 64)));
    if (head !== null) {
      const text = end - at - head[0].length;
      counts[head[2] === "stderr" ? "stderr" : "stdout"] += text + (head[3] === "F" ? 1 : 0);
      last = nanoseconds(head[1] ?? "") ?? last;
    }
    at = end + 1;
  }
  return { ...counts, whole: at, last };
}

function nanoseconds(time: string): bigint | undefined {
  const match = /^(\S{19})\.(\d{9})Z$/.exec(time);
  const seconds = Date.parse(`${match?.[1]}Z`) / 1000;
  return match === null || !Number.isInteger(seconds)
    ? undefined
    : BigInt(seconds) * 1_000_000_000n + BigInt(match[2] ?? 0);
}
