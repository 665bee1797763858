// The log of a run: the same however it is asked for, in order, and of the size that was asked for.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { bulkLines } from "./bulk-lines.ts";
import type { LogFormat, LogSettings } from "./log-settings.ts";
import { formatTime, parseTime, RunLog } from "./run-log.ts";
import type { ContainerRun } from "./runs.ts";

const subject = { uid: "u1", container: "app", image: "a:1" };
const startedAt = Date.UTC(2026, 0, 1) + 17;

function settings(given: Partial<LogSettings> = {}): LogSettings {
  const lines = Number.POSITIVE_INFINITY;
  return { interval: 1000, lines, text: undefined, bytes: 0, format: "cri", main: undefined, ...given };
}

const run = fc.record({
  attempt: fc.nat(5),
  startedAt: fc.constant(startedAt),
  ended: fc.option(fc.record({ at: fc.nat(20_000).map((ms) => startedAt + ms), exitCode: fc.constantFrom(0, 1) }), {
    nil: undefined,
  }),
});
const anySettings = fc
  .record({ interval: fc.integer({ min: 1, max: 5000 }), lines: fc.nat(50), bytes: fc.nat(5000) })
  .map(settings);

test("lines are in the order of their times, to the last, and none comes before its time", () => {
  fc.assert(
    fc.property(run, anySettings, fc.nat(30_000), (given: ContainerRun, asked, after) => {
      const log = new RunLog(asked, subject, given);
      const now = Math.max(startedAt + after, given.ended?.at ?? 0);
      const { first, end } = log.range(given, now);
      let before = "";
      for (let index = first; index < end; index++) {
        const line = log.line(given, index);
        const time = formatTime(line);
        assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
        assert.ok(time >= before, `${time} after ${before}`);
        assert.ok(line.ms <= now);
        before = time;
      }
    }),
  );
});

test("what was there stays as it was when more comes, and when the run ends", () => {
  fc.assert(
    fc.property(anySettings, fc.nat(10_000), fc.nat(10_000), (asked, early, more) => {
      const running: ContainerRun = { attempt: 0, startedAt };
      const log = new RunLog(asked, subject, running);
      const ended = { ...running, ended: { at: startedAt + early + more, exitCode: 0 } };
      const { end } = log.range(running, startedAt + early);
      for (let index = 0; index < end; index++) assert.deepEqual(log.line(running, index), log.line(ended, index));
      assert.ok(log.range(ended, ended.ended.at).end > end);
    }),
  );
});

test("the first line of a time or later is found, as by looking at all", () => {
  fc.assert(
    fc.property(run, anySettings, fc.integer({ min: -1000, max: 30_000 }), fc.nat(999_999), (given, asked, ms, ns) => {
      const log = new RunLog(asked, subject, given);
      const range = log.range(given, startedAt + 20_000);
      const time = { ms: startedAt + ms, ns };
      let expected = range.first;
      while (expected < range.end && formatTime(log.line(given, expected)) < formatTime(time)) expected += 1;
      assert.equal(log.firstSince(given, range, time), expected);
    }),
  );
});

test("the next line comes when it is said to", () => {
  const log = new RunLog(settings({ lines: 2 }), subject, { attempt: 0, startedAt });
  const running: ContainerRun = { attempt: 0, startedAt };
  const next = log.nextAt(startedAt + 300);
  assert.equal(next, startedAt + 1000);
  assert.equal(log.range(running, next - 1).end, 1);
  assert.equal(log.range(running, next).end, 2);
  assert.equal(log.nextAt(startedAt + 2000), Number.POSITIVE_INFINITY);
  assert.equal(log.range(running, startedAt + 1e6).end, 3);
});

test("a log that got long has lost its first lines", () => {
  const log = new RunLog(settings({ interval: 1 }), subject, { attempt: 0, startedAt });
  const { first, end } = log.range({ attempt: 0, startedAt }, startedAt + 1e9);
  assert.deepEqual([first, end], [1e9 + 1 - 100_000, 1e9 + 1]);
});

test("lines made fast are those made one by one, in each format", () => {
  const running: ContainerRun = { attempt: 0, startedAt };
  fc.assert(
    fc.property(
      fc.integer({ min: 300, max: 200_000 }),
      fc.nat(50),
      fc.constantFrom("plain", "timestamped", "cri"),
      (bytes, skip, format: LogFormat) => {
        const log = new RunLog(settings({ bytes }), subject, running);
        fc.pre(1 + skip < log.bulkEnd);
        const fast = Buffer.concat([...bulkLines(log, format, 1 + skip, log.bulkEnd)]).toString("utf8");
        let slow = "";
        for (let index = 1 + skip; index < log.bulkEnd; index++) {
          const line = log.line(running, index);
          const before = format === "plain" ? "" : `${formatTime(line)} ${format === "cri" ? "stdout F " : ""}`;
          slow += `${before}${line.text}\n`;
        }
        assert.equal(fast, slow);
      },
    ),
  );
});

test("times are read to the nanosecond", () => {
  for (const [text, ms, ns] of [
    ["2026-01-01T00:00:00Z", 0, 0],
    ["2026-01-01T01:00:00.5+01:00", 500, 0],
    ["2026-01-01T00:00:00.123456789Z", 123, 456_789],
  ] as const) {
    assert.deepEqual(parseTime(text), { ms: Date.UTC(2026, 0, 1) + ms, ns }, text);
  }
  assert.equal(parseTime("yesterday"), undefined);
});
