// activeDeadlineSeconds counts from a status.startTime that only our own write brings: its echo is work, other echoes are not.
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../clock.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import { PodRecords } from "./pod-records.ts";

const podOf = (activeDeadlineSeconds: number | undefined, status: Pod["status"] = {}): Stored<Pod> => ({
  metadata: { name: "a", namespace: "default", uid: "u", resourceVersion: "1", generation: 1 },
  spec: {
    nodeName: "n",
    containers: [{ name: "main", image: "i" }],
    ...(activeDeadlineSeconds === undefined ? {} : { activeDeadlineSeconds }),
  },
  status,
});

test("the echo of a status is work when the deadline begins with it", () => {
  const startTime = "2026-01-01T00:00:00Z";
  for (const [seconds, expected] of [
    [60, ["work"]],
    [undefined, []],
  ] satisfies [number | undefined, string[]][]) {
    const told: string[] = [];
    const tell = (): void => void told.push("work");
    const options = { cluster: "c", clock: systemClock, onWork: tell, onLook: tell, onStatus: () => {} };
    const records = new PodRecords(options);
    records.seen(podOf(seconds), false);
    told.length = 0;
    records.seen(podOf(seconds, { startTime }), true);
    assert.deepEqual(told, expected, `with ${seconds} s`);
    records.seen(podOf(seconds, { startTime, podIP: "10.0.0.1" }), true);
    assert.deepEqual(told, expected, "a later echo");
  }
});
