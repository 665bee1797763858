// Which changes of the API's object are work at once, and which are only a reason to look when nothing waits out a back-off;
// and who of listings, pushes and answers has the last word.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../clock.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodReport } from "../provider/pods.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { PodRecords } from "./pod-records.ts";

const first: Stored<Pod> = {
  metadata: {
    name: "web",
    namespace: "default",
    uid: "u1",
    resourceVersion: "1",
    generation: 1,
    labels: { app: "web" },
  },
  spec: { nodeName: "vk", containers: [{ name: "main", image: "i" }] },
  status: { phase: "Pending" },
};

const changed = (metadata: Partial<Stored<Pod>["metadata"]>, status: Pod["status"] = first.status): Stored<Pod> => ({
  ...first,
  metadata: { ...first.metadata, resourceVersion: "2", ...metadata },
  ...(status === undefined ? {} : { status }),
});

const table: readonly { readonly name: string; readonly next: Stored<Pod>; readonly told: "work" | "look" }[] = [
  { name: "a reason in the status", next: changed({}, { phase: "Pending", reason: "ProviderFailed" }), told: "look" },
  { name: "a phase", next: changed({}, { phase: "Failed" }), told: "work" },
  { name: "the spec", next: changed({ generation: 2 }), told: "work" },
  { name: "a label", next: changed({ labels: { app: "shop" } }), told: "work" },
  { name: "an annotation", next: changed({ annotations: { a: "b" } }), told: "work" },
  {
    name: "a deletion",
    next: changed({ deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 30 }),
    told: "work",
  },
];

describe("PodRecords.seen", () => {
  for (const { name, next, told } of table) {
    it(`${name}: ${told}`, () => {
      const calls: string[] = [];
      const records = new PodRecords({
        cluster: "c",
        clock: systemClock,
        onWork: () => calls.push("work"),
        onLook: () => calls.push("look"),
        onStatus: () => calls.push("status"),
      });
      records.seen(first, false);
      assert.deepEqual(calls.splice(0), ["work", "status"]);
      records.seen(next, false);
      assert.deepEqual(calls, [told, "status"]);
    });
  }

  it("a shorter grace of a deletion is work, its repetition is not", () => {
    const calls: string[] = [];
    const onStatus = (): void => {};
    const onWork = (): void => void calls.push("work");
    const onLook = (): void => void calls.push("look");
    const records = new PodRecords({ cluster: "c", clock: systemClock, onWork, onLook, onStatus });
    const deletionTimestamp = "2026-01-01T00:00:00Z";
    for (const deletionGracePeriodSeconds of [30, 30, 5])
      records.seen(changed({ deletionTimestamp, deletionGracePeriodSeconds }), false);
    assert.deepEqual(calls, ["work", "look", "work"]);
  });
});

describe("PodRecords: who has the last word", () => {
  const owner = { cluster: "c", node: "vk", namespace: "default", name: "web", uid: "u1" };
  const running: PodReport = { owner, containers: [{ name: "main", state: { running: {} } }] };
  const ended: PodReport = { owner, containers: [{ name: "main", state: { terminated: { exitCode: 0 } } }] };
  const make = (clock: FakeClock = new FakeClock(1_000_000)) => {
    const none = (): void => {};
    const records = new PodRecords({ cluster: "c", clock, onWork: none, onLook: none, onStatus: none });
    records.seen(first, false);
    const entry = records.get("u1");
    assert.ok(entry !== undefined);
    return { records, entry, clock, now: clock.now() };
  };

  it("a push, over a listing that was asked for before it", () => {
    const { records, entry, now } = make();
    records.reported("vk", ended, now - 10);
    records.listed("vk", [running], now - 20);
    assert.equal(entry.report, ended);
    records.listed("vk", [], now - 20);
    assert.equal(entry.backend.type, "present");
  });

  it("the end of a deletion, over a report that was asked for before it", () => {
    const { records, entry, now } = make();
    records.reported("vk", running, now - 100);
    entry.deletion = { gracePeriodSeconds: 30, at: now - 50 };
    records.gone(owner, now - 10);
    assert.equal(entry.backend.type, "absent");
    records.listed("vk", [running], now - 20);
    assert.equal(entry.backend.type, "absent");
  });

  it("nobody, when 'not found' was asked for before a report came: the backend is asked again", () => {
    const { records, entry, now } = make();
    records.reported("vk", running, now - 10);
    records.absent("u1", now - 20, 0);
    assert.equal(entry.backend.type, "unknown");
  });

  it("'gone' without a deletion is not believed, with one it is", () => {
    const { records, entry, now } = make();
    records.reported("vk", running, now - 20);
    records.gone(owner, now - 10);
    assert.equal(entry.backend.type, "unknown");
    entry.deletion = { gracePeriodSeconds: 30, at: now - 9 };
    records.gone(owner, now - 10);
    assert.equal(entry.backend.type, "unknown", "said before the deletion");
    records.gone(owner, now);
    assert.equal(entry.backend.type, "absent");
  });

  it("after the clock was set back, what comes in now", () => {
    const { records, entry, now } = make();
    records.reported("vk", running, now + 3_600_000);
    records.reported("vk", ended, now);
    assert.equal(entry.report, ended);
  });

  it("a listing says nothing of a pod that was created after it was asked for, or is being created", () => {
    const { records, entry, now } = make();
    entry.create = "accepted";
    entry.createdAt = now - 10;
    entry.backend = { type: "awaited", since: now - 10 };
    records.listed("vk", [], now - 20);
    assert.equal(entry.backend.type, "awaited");
    entry.call = new AbortController();
    records.listed("vk", [], now);
    assert.equal(entry.backend.type, "awaited");
  });

  it("foreign clusters and nodes have none", () => {
    const { records, entry, now } = make();
    records.reported("other", running, now);
    records.reported("vk", { ...running, owner: { ...owner, cluster: "other" } }, now);
    records.reported("vk", { ...running, owner: { ...owner, node: "other", uid: "u2" } }, now);
    assert.equal(entry.backend.type, "unknown");
    assert.equal(records.size, 1);
  });

  it("two answers of 'not found' add up, those within the consistency delay do not", () => {
    const { records, entry, now } = make();
    entry.create = "accepted";
    entry.createdAt = now - 60_000;
    records.absent("u1", now - 50_000, 20_000);
    records.absent("u1", now - 30_000, 20_000);
    assert.deepEqual(entry.backend, { type: "absent", firstAt: now - 30_000, lastAt: now - 30_000 });
    records.absent("u1", now, 20_000);
    assert.deepEqual(entry.backend, { type: "absent", firstAt: now - 30_000, lastAt: now });
  });
});
