import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogRequest, parseLogQuery } from "./log-options.ts";

const now = Date.UTC(2026, 0, 1, 12);
const seconds = now / 1000;
const plain: LogRequest = {
  follow: false,
  previous: false,
  timestamps: false,
  since: undefined,
  tailLines: undefined,
  limitBytes: undefined,
  stream: undefined,
};

const good: readonly (readonly [query: string, expected: Partial<LogRequest>])[] = [
  ["", {}],
  ["container=main&insecureSkipTLSVerifyBackend=true&unknown=1", {}],
  ["follow=true&previous=true&timestamps=true", { follow: true, previous: true, timestamps: true }],
  ["follow=false&previous=FALSE&timestamps=0", {}],
  ["follow=&previous=no&timestamps=1", { follow: true, previous: true, timestamps: true }],
  ["follow=false&follow=true", {}],
  ["tailLines=0", { tailLines: 0 }],
  ["tailLines=%2B7", { tailLines: 7 }],
  ["tail=5", { tailLines: 5 }],
  ["tail=5&tailLines=x", { tailLines: 5 }],
  ["tail=all", {}],
  ["tail=all&tailLines=3", {}],
  ["tail=&tailLines=3", { tailLines: 3 }],
  ["tailLines=9223372036854775807", { tailLines: 2 ** 63 }],
  ["limitBytes=1", { limitBytes: 1 }],
  ["sinceSeconds=90", { since: { seconds: seconds - 90, nanos: 0 } }],
  ["sinceSeconds=9223372036854775807", { since: { seconds: Date.UTC(1, 0, 1) / 1000, nanos: 0 } }],
  ["sinceTime=2026-01-01T11:00:00Z", { since: { seconds: seconds - 3600, nanos: 0 } }],
  ["sinceTime=2026-01-01T13:00:00.000000007%2B02:00", { since: { seconds: seconds - 3600, nanos: 7 } }],
  ["sinceTime=", {}],
  ["sinceTime=null", {}],
  ["stream=All", {}],
  ["stream=All&tailLines=1", { tailLines: 1 }],
  ["stream=Stdout", { stream: "Stdout" }],
  ["stream=Stderr", { stream: "Stderr" }],
];

const undecodable: readonly string[] = [
  "tailLines=",
  "tailLines=x",
  "tailLines=1.5",
  "tailLines=1e3",
  "tailLines=%201",
  "tailLines=9223372036854775808",
  "tailLines=-9223372036854775809",
  "tail=every",
  "limitBytes=0x10",
  "limitBytes=",
  "sinceSeconds=1s",
  "sinceTime=yesterday",
  "sinceTime=2026-02-29T00:00:00Z",
  "sinceTime=2026-01-01T00:00:00",
  "sinceTime=2026-01-01T00:00:00Zz",
  "sinceTime=2026-01-01T24:00:00Z",
  "sinceTime=x&limitBytes=0",
];

const invalid: readonly string[] = [
  "tailLines=-1",
  "tail=-1",
  "limitBytes=0",
  "limitBytes=-5",
  "sinceSeconds=0",
  "sinceSeconds=-1",
  "sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z",
  "sinceSeconds=5&sinceTime=",
  "stream=stdout",
  "stream=",
  "stream=Stdout&tailLines=1",
];

test("the query is understood as a kubelet does", () => {
  for (const [query, expected] of good) {
    assert.deepEqual(parseLogQuery(new URLSearchParams(query), now).request, { ...plain, ...expected }, query);
  }
});

test("what cannot be decoded is refused by 400, what cannot be meant by 422", () => {
  for (const query of undecodable) {
    const refusal = { status: 400, text: '{"message": "Unable to decode query."}' };
    assert.deepEqual(parseLogQuery(new URLSearchParams(query), now), { refusal }, query);
  }
  for (const query of invalid) {
    const refusal = { status: 422, text: '{"message": "Invalid request."}' };
    assert.deepEqual(parseLogQuery(new URLSearchParams(query), now), { refusal }, query);
  }
});
