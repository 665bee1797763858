// Which changes of the API's object are work at once, and which are only a reason to look when nothing waits out a back-off.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../clock.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
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
