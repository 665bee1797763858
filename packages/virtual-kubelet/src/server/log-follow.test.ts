import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { ContainerLogOptions, ContainerLogs } from "../provider/streams.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { openLog } from "./log-follow.ts";
import type { LogRequest } from "./log-options.ts";
import { formatInstant, instantOf } from "./log-time.ts";

type Format = ContainerLogs["format"];
const formats: readonly Format[] = ["plain", "timestamped", "cri"];

/** One line as a backend keeps it. */
interface Line {
  /** Nanoseconds after `epoch`. */
  readonly at: number;
  readonly stream: "stdout" | "stderr";
  readonly partial: boolean;
  readonly text: string;
  /** It has lost its header. */
  readonly bare: boolean;
  /** How its time is written: digits of a second, and zone. */
  readonly digits: number;
  readonly zone: "Z" | "+00:00" | "+02:00";
}

const epoch = Date.UTC(2026, 0, 1, 12) / 1000;
const whole: LogRequest = {
  follow: false,
  previous: false,
  timestamps: false,
  since: undefined,
  tailLines: undefined,
  limitBytes: undefined,
  stream: undefined,
};

/** Cut to the digits that are written. */
function nanosOf({ at, digits }: Line): number {
  const unit = 10 ** (9 - digits);
  return Math.floor(at / unit) * unit;
}

function instant(nanos: number): { readonly seconds: number; readonly nanos: number } {
  const seconds = Math.floor(nanos / 1e9);
  return { seconds: epoch + seconds, nanos: nanos - seconds * 1e9 };
}

function writtenTime(line: Line, digits = line.digits): string {
  const { seconds, nanos } = instant(nanosOf(line));
  const local = new Date((seconds + (line.zone === "+02:00" ? 7200 : 0)) * 1000).toISOString().slice(0, 19);
  const fraction = digits === 0 ? "" : `.${String(nanos).padStart(9, "0").slice(0, digits)}`;
  return `${local}${fraction}${digits === 9 && line.zone === "+00:00" ? "Z" : line.zone}`;
}

function rawLine(format: Format, line: Line): string {
  if (format === "plain" || line.bare) return `${line.text}\n`;
  // Only what a model may ask for with nine digits is written in the canonical zone; a log keeps its own.
  const time = writtenTime(line).replace(/Z$/, line.zone);
  if (format === "timestamped") return `${time} ${line.text}\n`;
  return `${time} ${line.stream} ${line.partial ? "P" : "F"} ${line.text}\n`;
}

/** What a client is to get of the lines: the plainest program that does it. */
function model(
  format: Format,
  lines: readonly Line[],
  lastIsOpen: boolean,
  request: LogRequest,
  now: number,
  from: number = request.tailLines === undefined ? 0 : Math.max(0, lines.length - request.tailLines),
): string {
  let out = "";
  let time: number | undefined;
  for (const [index, line] of lines.entries()) {
    if (index < from) continue;
    let prefix = `${formatInstant(instantOf(now))} `;
    let text = `${line.text}\n`;
    if (format === "plain") {
      if (request.stream === "Stderr") continue;
    } else {
      if (line.bare && format === "cri") continue;
      if (!line.bare) time = nanosOf(line);
      if (request.since !== undefined) {
        const { seconds, nanos } = instant(time ?? Number.NEGATIVE_INFINITY);
        if (!(seconds > request.since.seconds || (seconds === request.since.seconds && nanos >= request.since.nanos))) {
          continue;
        }
      }
      const stream = format === "cri" && line.stream === "stderr" ? "Stderr" : "Stdout";
      if (request.stream !== undefined && request.stream !== stream) continue;
      prefix = line.bare ? (time === undefined ? "" : `${formatInstant(instant(time))} `) : `${writtenTime(line, 9)} `;
      if (format === "cri" && line.partial) text = line.text;
    }
    if (lastIsOpen && index === lines.length - 1) text = line.text;
    const isAtStart = out === "" || out.endsWith("\n");
    if (request.timestamps && isAtStart && (text !== "" || format === "cri")) out += prefix;
    out += text;
  }
  return request.limitBytes === undefined ? out : out.slice(0, request.limitBytes);
}

function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((part) => Math.floor(part * bytes.length)))].sort((a, b) => a - b);
  const pieces: Buffer[] = [];
  for (const [index, from] of [0, ...at].entries()) pieces.push(bytes.subarray(from, at[index] ?? bytes.length));
  return pieces;
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) {
    await Promise.resolve();
    yield item;
  }
}

async function text(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  const all: Uint8Array[] = [];
  // Copied at once: what is passed on may not change later either, which the writer relies on.
  for await (const chunk of chunks) all.push(chunk);
  return Buffer.concat(all).toString("latin1");
}

const line: fc.Arbitrary<Line> = fc.record({
  at: fc.integer({ min: 0, max: 3e9 }),
  stream: fc.constantFrom("stdout", "stderr"),
  partial: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.boolean()),
  text: fc.oneof(
    fc.string({ maxLength: 12 }).map((value) => value.replaceAll(/[^ -~]/g, ".")),
    fc.constantFrom("", " ", "2026-01-01T12:00:00", "stdout F x", "x".repeat(300)),
  ),
  bare: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  digits: fc.constantFrom(0, 3, 6, 9, 9, 9),
  zone: fc.constantFrom("Z", "Z", "+00:00", "+02:00"),
});
/** Evenly from 0 to 1, which a double of fast-check is not. */
const share = fc.nat(1000).map((value) => value / 1000);
const ordered = (many: readonly Line[]): Line[] => many.toSorted((a, b) => nanosOf(a) - nanosOf(b));

test("any log with any options comes as the plainest program would write it", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...formats),
      fc.array(line, { maxLength: 12 }).map(ordered),
      fc.boolean(),
      fc.record({
        timestamps: fc.boolean(),
        since: fc.option(fc.integer({ min: 0, max: 3e9 }).map(instant), { nil: undefined }),
        tailLines: fc.option(fc.nat(13), { nil: undefined }),
        limitBytes: fc.option(fc.integer({ min: 1, max: 400 }), { nil: undefined }),
        stream: fc.constantFrom(undefined, undefined, "Stdout" as const, "Stderr" as const),
      }),
      fc.array(share, { maxLength: 30 }),
      async (format, lines, isOpen, options, cuts) => {
        const lastIsOpen = isOpen && (lines.at(-1)?.text.length ?? 0) > 0;
        const raw = lines.map((one) => rawLine(format, one)).join("");
        const bytes = Buffer.from(lastIsOpen ? raw.slice(0, -1) : raw, "latin1");
        const request = { ...whole, ...options };
        const clock = new FakeClock();
        const backend = {
          open: async (): Promise<ContainerLogs> => ({ format, data: each(cut(bytes, cuts)) }),
          hasEnded: () => true,
        };
        const context = { clock, intervalMs: 1000, signal: new AbortController().signal, log: silentLogger };
        const got = await text(await openLog(backend, request, context));
        assert.equal(got, model(format, lines, lastIsOpen, request, clock.now()));
      },
    ),
    { numRuns: 2000 },
  );
});

/** A container whose log grows, and a backend that reads it in one of many ways. */
class GrowingLog {
  readonly clock: FakeClock = new FakeClock();
  readonly #bytes: Buffer;
  readonly #habits: Habits;
  readonly #format: Format;
  readonly #lines: readonly Line[];
  #visible = 0;
  ended = false;
  /** How much there was when a reading that knows of the tail began. */
  tailFrom = 0;
  opens = 0;
  active = 0;
  #changed = Promise.withResolvers<void>();

  constructor(format: Format, lines: readonly Line[], habits: Habits) {
    this.#format = format;
    this.#lines = lines;
    this.#habits = habits;
    this.#bytes = Buffer.from(lines.map((one) => rawLine(format, one)).join(""), "latin1");
  }

  /** More of it is there: to the end of a line, or not. */
  grow(part: number, toLineEnd: boolean): void {
    const to = this.#visible + Math.ceil(part * (this.#bytes.length - this.#visible));
    const found = toLineEnd ? this.#bytes.indexOf("\n", to) : to - 1;
    this.#visible = found < 0 ? this.#bytes.length : Math.max(this.#visible, found + 1);
    if (toLineEnd && this.#bytes[this.#visible - 1] !== 10) this.#visible = this.#bytes.length;
    this.#change();
  }

  end(): void {
    this.#visible = this.#bytes.length;
    this.#change();
    this.ended = true;
    this.#change();
  }

  async open(options: ContainerLogOptions, signal: AbortSignal): Promise<ContainerLogs> {
    const { follows, appliesSince } = this.#habits;
    const { sinceTime } = options;
    let from = 0;
    if (appliesSince && sinceTime !== undefined && this.#format !== "plain") {
      const index = this.#lines.findIndex((one) => formatInstant(instant(nanosOf(one))) >= sinceTime);
      const before = index < 0 ? this.#lines : this.#lines.slice(0, index);
      from = Buffer.from(before.map((one) => rawLine(this.#format, one)).join(""), "latin1").length;
    }
    this.opens++;
    const follow = follows && options.follow === true;
    if (options.tailLines !== undefined) {
      const lines = this.#bytes.subarray(0, this.#visible).toString("latin1").split("\n").length - 1;
      this.tailFrom = Math.max(0, lines - options.tailLines);
    }
    const applied: ("follow" | "sinceTime")[] = [...(follow ? ["follow" as const] : [])];
    if (appliesSince && this.#format !== "plain") applied.push("sinceTime");
    return { format: this.#format, data: this.#read(from, follow, signal), applied };
  }

  async *#read(start: number, follow: boolean, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { chunk, breaksAfter, hangs } = this.#habits;
    this.active++;
    try {
      let at = start;
      for (let chunks = 0; ; chunks++) {
        // A format without times is not read again only to see whether its follower had the last word.
        if (follow && chunks >= breaksAfter && !(this.ended && this.#format === "plain")) return;
        const to = Math.min(this.#visible, at + chunk);
        if (to > at) yield this.#bytes.subarray(at, to);
        else if (!follow || signal.aborted || (this.ended && !hangs)) return;
        else await this.#changed.promise;
        at = Math.max(at, to);
      }
    } finally {
      this.active--;
    }
  }

  #change(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}

interface Habits {
  /** Does it go on by itself while it is asked to? */
  readonly follows: boolean;
  readonly appliesSince: boolean;
  readonly chunk: number;
  /** A stream that follows ends after so many steps. */
  readonly breaksAfter: number;
  /** A stream that follows does not end with the container. */
  readonly hangs: boolean;
}

test("a log that is followed comes whole and once, however its streams end, until the container has ended", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...formats),
      // Few times, so that many lines share one.
      fc.array(
        fc.tuple(line, fc.nat(4)).map(([one, at]) => ({ ...one, at: at * 500_000_000, bare: false })),
        { maxLength: 12 },
      ),
      fc.record({
        follows: fc.boolean(),
        appliesSince: fc.boolean(),
        chunk: fc.integer({ min: 1, max: 200 }),
        breaksAfter: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(Number.POSITIVE_INFINITY)),
        hangs: fc.boolean(),
      }),
      fc.record({
        timestamps: fc.boolean(),
        since: fc.option(
          fc.nat(4).map((at) => instant(at * 500_000_000)),
          { nil: undefined },
        ),
        tailLines: fc.option(fc.nat(5), { nil: undefined }),
        stream: fc.constantFrom(undefined, undefined, "Stdout" as const, "Stderr" as const),
      }),
      fc.array(fc.tuple(share, fc.nat(2500)), { maxLength: 8 }),
      async (format, unordered, habits, options, steps) => {
        const lines = ordered(unordered);
        const log = new GrowingLog(format, lines, habits);
        // The time of reading is no matter of this test.
        const request = { ...whole, ...options, follow: true, timestamps: options.timestamps && format !== "plain" };
        const { clock } = log;
        const [first, ...later] = steps;
        if (first !== undefined) log.grow(first[0], options.tailLines !== undefined);
        const backend = {
          open: (wanted: ContainerLogOptions, signal: AbortSignal) => log.open(wanted, signal),
          hasEnded: () => log.ended,
        };
        const context = { clock, intervalMs: 1000, signal: new AbortController().signal, log: silentLogger };
        let got: string | undefined;
        const reading = openLog(backend, request, context)
          .then(text)
          .then((all) => {
            got = all;
          });
        reading.catch(() => {});
        for (const [part, pause] of later) {
          await clock.advance(pause);
          log.grow(part, options.tailLines !== undefined);
        }
        await clock.advance(10_000);
        assert.equal(got, undefined, "it is followed while the container runs");
        log.end();
        await clock.advance(10_000);
        assert.notEqual(got, undefined, "it ends with the container");
        await reading;
        assert.equal(got, model(format, lines, false, request, 0, log.tailFrom));
        assert.equal(clock.pending, 0);
      },
    ),
    { numRuns: 500 },
  );
});

/** Answers the openings in their order; keeps what was asked. */
function script(...streams: readonly (readonly [logs: Omit<ContainerLogs, "data">, text: string])[]) {
  const asked: ContainerLogOptions[] = [];
  return {
    asked,
    open: async (options: ContainerLogOptions): Promise<ContainerLogs> => {
      asked.push(options);
      const [logs, text] = streams[asked.length - 1] ?? assert.fail("read too often");
      return { ...logs, data: each([Buffer.from(text)]) };
    },
    /** Before the last stream is asked for. */
    hasEnded: () => asked.length > 0 && asked.length >= streams.length - 1,
  };
}

async function followed(backend: ReturnType<typeof script>, request: Partial<LogRequest>): Promise<string> {
  const clock = new FakeClock();
  const context = { clock, intervalMs: 1000, signal: new AbortController().signal, log: silentLogger };
  const reading = openLog(backend, { ...whole, follow: true, ...request }, context).then(text);
  reading.catch(() => {});
  for (let i = 0; i < 10; i++) await clock.advance(1000);
  return await reading;
}

const applied = ["tailLines", "sinceTime"] as const;

test("a log without times that its backend cut is gone on with by time, where the backend knows it", async () => {
  const backend = script([{ format: "plain", applied }, "b\nc\n"], [{ format: "plain", applied }, "d\n"]);
  assert.equal(await followed(backend, { tailLines: 2 }), "b\nc\nd\n");
  assert.equal(backend.asked[0]?.tailLines, 2);
  assert.equal(backend.asked[1]?.tailLines, undefined);
  assert.equal(backend.asked[1]?.sinceTime, "2026-01-01T00:00:00.000000000Z");
});

test("a log that nobody can tell the place of is not repeated, but ends", async () => {
  const cutOnce = ["follow", "tailLines"] as const;
  const backend = script([{ format: "plain", applied: cutOnce }, "b\nc\n"], [{ format: "plain" }, "a\nb\nc\nd\n"]);
  assert.equal(await followed(backend, { tailLines: 2 }), "b\nc\n");
});

test("no line of before comes after a tail of none, though the backend cut it", async () => {
  const line = (second: number, text: string): string => `2026-01-01T00:00:0${second}Z ${text}\n`;
  const backend = script(
    [{ format: "timestamped", applied: ["tailLines"] }, ""],
    [{ format: "timestamped" }, `2025-12-31T23:59:59Z old\n${line(1, "new")}`],
    [{ format: "timestamped" }, `2025-12-31T23:59:59Z old\n${line(1, "new")}${line(1, "newer")}`],
  );
  assert.equal(await followed(backend, { tailLines: 0 }), "new\nnewer\n");
});

test("a log without times that was begun anew is read from its start", async () => {
  const backend = script(
    [{ format: "plain" }, "one\ntwo\n"],
    [{ format: "plain" }, "new\n"],
    [{ format: "plain" }, "new\nlast\n"],
  );
  assert.equal(await followed(backend, {}), "one\ntwo\nnew\nlast\n");
});

test("a log that is gone when it is read again ends; another format is an error", async () => {
  const { asked, open } = script([{ format: "plain" }, "one\n"]);
  const gone = {
    asked,
    hasEnded: () => false,
    open: async (options: ContainerLogOptions) => {
      if (asked.length > 0) throw new VirtualKubeletError("NotFound", "removed");
      return await open(options);
    },
  };
  assert.equal(await followed(gone, {}), "one\n");
  const changed = script([{ format: "plain" }, "one\n"], [{ format: "cri" }, ""]);
  changed.hasEnded = () => false;
  await assert.rejects(followed(changed, {}), /another format/);
});

test("a line of any length passes in pieces, and a chunk of any size is worked on in parts", async () => {
  const piece = Buffer.alloc(1024 * 1024, "x");
  const head = Buffer.from("2026-01-01T00:00:00Z stdout F ");
  for (const [format, pieces] of [
    ["cri", 256],
    ["plain", 4],
  ] as const) {
    const data = (async function* () {
      if (format === "cri") yield head;
      for (let i = 0; i < pieces; i++) yield format === "cri" ? piece : Buffer.alloc(piece.length, "\n");
    })();
    const clock = new FakeClock();
    const context = { clock, intervalMs: 1000, signal: new AbortController().signal, log: silentLogger };
    const backend = { open: async (): Promise<ContainerLogs> => ({ format, data }), hasEnded: () => true };
    let bytes = 0;
    let largest = 0;
    for await (const chunk of await openLog(backend, { ...whole, timestamps: true }, context)) {
      bytes += chunk.length;
      largest = Math.max(largest, chunk.length);
    }
    assert.equal(bytes, pieces * piece.length * (format === "cri" ? 1 : 32) + (format === "cri" ? 31 : 0));
    assert.ok(largest <= 64 * 1024 * 32, `${largest} bytes at once`);
  }
});
