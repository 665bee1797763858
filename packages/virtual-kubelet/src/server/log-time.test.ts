import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { compareInstants, formatInstant, instantOf, parseInstant, TimeReader, writeTime } from "./log-time.ts";

function canonical(text: string): string | undefined {
  const bytes = Buffer.from(text);
  const reader = new TimeReader();
  if (!reader.read(bytes, 0, bytes.length)) return undefined;
  const out = Buffer.alloc(64);
  return out.toString("latin1", 0, writeTime(bytes, 0, reader.end, out, 0)) + text.slice(reader.end);
}

const written: readonly (readonly [text: string, canonical: string | undefined])[] = [
  ["2016-10-06T00:17:09.669794202Z", "2016-10-06T00:17:09.669794202Z"],
  ["2016-10-06T00:17:09Z", "2016-10-06T00:17:09.000000000Z"],
  ["2016-10-06T00:17:09.5Z rest", "2016-10-06T00:17:09.500000000Z rest"],
  ["2016-10-06T00:17:09.12345678987Z", "2016-10-06T00:17:09.123456789Z"],
  ["2016-10-06T00:17:09.669794202+00:00", "2016-10-06T00:17:09.669794202Z"],
  ["2016-10-06T00:17:09-00:00", "2016-10-06T00:17:09.000000000Z"],
  ["2016-10-06T00:17:09.1+02:00", "2016-10-06T00:17:09.100000000+02:00"],
  ["2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000000000Z"],
  ["2023-02-29T23:59:59Z", undefined],
  ["2023-00-10T00:00:00Z", undefined],
  ["2023-13-10T00:00:00Z", undefined],
  ["2023-01-00T00:00:00Z", undefined],
  ["2023-01-01T24:00:00Z", undefined],
  ["2023-01-01T00:60:00Z", undefined],
  ["2023-01-01T00:00:60Z", undefined],
  ["2023-01-01T00:00:00", undefined],
  ["2023-01-01T00:00:00.Z", undefined],
  ["2023-01-01T00:00:00.1", undefined],
  ["2023-01-01T00:00:00+0200", undefined],
  ["2023-01-01T00:00:00+24:00", undefined],
  ["2023-01-01 00:00:00Z", undefined],
  ["2023-01-0xT00:00:00Z", undefined],
  ["", undefined],
];

test("a time is written with nine digits of a second, in its own zone", () => {
  for (const [text, expected] of written) assert.equal(canonical(text), expected, text);
});

test("any time is read to the nanosecond, whatever was read before it", () => {
  const reader = new TimeReader();
  fc.assert(
    fc.property(
      fc.date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9998-12-31T00:00:00Z"), noInvalidDate: true }),
      fc.integer({ min: 0, max: 999_999_999 }),
      fc.integer({ min: -23 * 60, max: 23 * 60 }),
      (date, nanos, offset) => {
        const seconds = Math.floor(date.getTime() / 1000);
        const local = new Date((seconds + offset * 60) * 1000).toISOString().slice(0, 19);
        fc.pre(local.startsWith("0") || /^[1-9]\d{3}-/.test(local));
        const pad = (value: number): string => String(value).padStart(2, "0");
        const size = Math.abs(offset);
        const zone = `${offset < 0 ? "-" : "+"}${pad(Math.floor(size / 60))}:${pad(size % 60)}`;
        const text = `${local}.${String(nanos).padStart(9, "0")}${zone}`;
        assert.deepEqual(parseInstant(text), { seconds, nanos }, text);
        const bytes = Buffer.from(`xx${text} rest`);
        assert.ok(reader.read(bytes, 2, bytes.length));
        assert.deepEqual([reader.seconds, reader.nanos, reader.end], [seconds, nanos, 2 + text.length]);
        assert.deepEqual(parseInstant(formatInstant({ seconds, nanos })), { seconds, nanos });
      },
    ),
  );
});

test("times are compared to the nanosecond", () => {
  const a = { seconds: 5, nanos: 999_999_999 };
  assert.equal(compareInstants(a, { seconds: 6, nanos: 0 }), -1);
  assert.equal(compareInstants(a, { seconds: 5, nanos: 999_999_998 }), 1);
  assert.equal(compareInstants(a, { ...a }), 0);
  assert.deepEqual(instantOf(1500), { seconds: 1, nanos: 500_000_000 });
});
