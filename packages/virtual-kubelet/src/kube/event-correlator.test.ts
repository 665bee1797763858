import assert from "node:assert/strict";
import { test } from "node:test";
import { EventCorrelator, type Occurrence } from "./event-correlator.ts";

const base: Occurrence = {
  target: {
    apiVersion: "v1",
    kind: "Pod",
    name: "web-0",
    namespace: "default",
    uid: "u1",
    fieldPath: "spec.containers{web}",
  },
  component: "kubelet",
  host: "vk",
  type: "Warning",
  reason: "BackOff",
  message: "Back-off restarting failed container",
};

const differences: readonly { readonly name: string; readonly other: Partial<Occurrence>; readonly same: boolean }[] = [
  { name: "nothing", other: {}, same: true },
  { name: "resource version", other: { target: { ...base.target, resourceVersion: "7" } }, same: true },
  { name: "message", other: { message: "other" }, same: false },
  { name: "reason", other: { reason: "Failed" }, same: false },
  { name: "type", other: { type: "Normal" }, same: false },
  { name: "UID", other: { target: { ...base.target, uid: "u2" } }, same: false },
  { name: "container", other: { target: { ...base.target, fieldPath: "spec.containers{db}" } }, same: false },
  { name: "host", other: { host: "vk-2" }, same: false },
];
for (const { name, other, same } of differences) {
  test(`occurrences that differ in ${name} ${same ? "share an Event" : "get one each"}`, () => {
    const correlator = new EventCorrelator();
    const first = correlator.observe(base, 1000).series;
    const second = correlator.observe({ ...base, ...other }, 2000).series;
    assert.equal(first === second, same);
    assert.equal(second.count, same ? 2 : 1);
    assert.equal(second.firstAt, same ? 1000 : 2000);
    assert.equal(second.lastAt, 2000);
    if (!same) assert.notEqual(first.name, second.name);
  });
}

test("more than ten messages of one kind share one Event, until ten quiet minutes have passed", () => {
  const correlator = new EventCorrelator();
  const seen = Array.from({ length: 13 }, (_, n) => correlator.observe({ ...base, message: `try ${n}` }, n).series);
  assert.equal(new Set(seen.slice(0, 10)).size, 10);
  assert.equal(new Set(seen.slice(10)).size, 1);
  assert.equal(seen[12]?.message, "(combined from similar events): try 12");
  assert.equal(seen[12]?.count, 3);
  assert.equal(correlator.observe({ ...base, message: "try 3" }, 20).series, seen[3]);
  const later = correlator.observe({ ...base, message: "after a rest" }, 600_021).series;
  assert.equal(later.message, "after a rest");
});

test("25 at once about an object, then one per five minutes; others are not touched", () => {
  const correlator = new EventCorrelator();
  const minute = 60_000;
  const allowed = (at: number, other: Partial<Occurrence> = {}): boolean =>
    correlator.observe({ ...base, ...other }, at).allowed;
  assert.equal(Array.from({ length: 30 }, () => allowed(0)).filter(Boolean).length, 25);
  assert.equal(allowed(4 * minute), false);
  assert.equal(allowed(5 * minute), true);
  assert.equal(allowed(5 * minute), false);
  assert.equal(allowed(5 * minute, { target: { ...base.target, uid: "u2" } }), true);
  assert.equal(correlator.observe(base, 5 * minute).series.count, 34, "what is not sent is counted");
});

test("what was used least recently is forgotten first", () => {
  const correlator = new EventCorrelator({ remembered: 2, burst: 1 });
  const of = (uid: string) => correlator.observe({ ...base, target: { ...base.target, uid } }, 0);
  for (const uid of ["a", "b", "a", "c"]) of(uid);
  assert.equal(of("a").allowed, false);
  assert.equal(of("b").allowed, true);
});

test("names are those of the object and a stamp, valid for long names too", () => {
  const correlator = new EventCorrelator();
  const name = (object: string) =>
    correlator.observe({ ...base, target: { ...base.target, name: object } }, Date.UTC(2026, 0, 1)).series.name;
  assert.match(name("web-0"), /^web-0\.[0-9a-f]{16}$/);
  assert.match(name(`${"a.".repeat(126)}a`), /^(a\.)+a\.[0-9a-f]{16}$/);
  assert.ok(name(`${"a.".repeat(126)}a`).length <= 253);
});

test("messages are cut at 1024 characters", () => {
  const { series } = new EventCorrelator().observe({ ...base, message: "x".repeat(5000) }, 0);
  assert.equal(series.message.length, 1024);
});
