// The order of what the API tells in whole seconds and what this process knows to the millisecond.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { ActivityLog } from "./activity-log.ts";
import { podTimeline } from "./pod-timeline.ts";

const at = Date.UTC(2026, 0, 15, 3, 0, 0);
const text = (seconds: number): string => new Date(at + seconds * 1000).toISOString();
const owner = { cluster: "c", node: "vk", namespace: "shop", name: "web", uid: "u" };

const pod: Stored<Pod> = {
  metadata: { name: "web", namespace: "shop", uid: "u", resourceVersion: "1", creationTimestamp: text(0) },
  spec: { nodeName: "vk", containers: [{ name: "app" }] },
  status: {
    conditions: [{ type: "PodScheduled", status: "True", lastTransitionTime: text(0) }],
    containerStatuses: [
      {
        ...{ name: "app", ready: false, restartCount: 0, image: "i", imageID: "" },
        state: { terminated: { exitCode: 3, startedAt: text(1), finishedAt: text(5) } },
      },
    ],
  },
};

test("bound, created, started, told: in this order within one second", async () => {
  const clock = new FakeClock(at + 1200);
  const log = new ActivityLog({ clock });
  log.providerCall("createPod", owner)();
  await clock.advance(400);
  log.apiCall("replace pods/status", { uid: "u" }, "phase Running")();
  const rows = podTimeline(pod, log.get("u"), at + 60_000);
  assert.deepEqual(
    rows.map(({ kind, what }) => `${kind}: ${what}`),
    [
      "pod: created",
      "pod: bound to node vk",
      "provider call: createPod",
      "container: app started",
      "API call: replace pods/status",
      "container: app ended with 3",
    ],
  );
  assert.deepEqual(
    rows.map(({ bad }) => bad),
    [false, false, false, false, false, true],
  );
});

test("what a call has said is not said again by its event and its retry", () => {
  const log = new ActivityLog({ clock: new FakeClock(at) });
  log.seen(owner);
  const fault = new VirtualKubeletError("Quota", "full");
  log.providerCall("createPod", owner)(fault);
  const target = { apiVersion: "v1", kind: "Pod", namespace: "shop", name: "web", uid: "u" };
  log.event(target, "vk", "Warning", "ProviderCreateFailed", "full");
  log.event(target, "vk", "Warning", "Other", "another");
  log.retry("pods", "u", fault, 1, at + 500);
  assert.deepEqual(
    podTimeline(undefined, log.get("u"), at).map(({ what, detail, outcome, nextAt }) => [
      what,
      detail,
      outcome,
      nextAt,
    ]),
    [
      ["createPod", "full", "Quota", undefined],
      ["ProviderCreateFailed", undefined, undefined, undefined],
      ["Other", "another", undefined, undefined],
      ["queue pods: failed once", undefined, "Quota", at + 500],
    ],
  );
});

test("a call that has not ended is under way for so long", () => {
  const log = new ActivityLog({ clock: new FakeClock(at) });
  log.providerCall("createPod", owner);
  const [row] = podTimeline(undefined, log.get("u"), at + 3000);
  assert.deepEqual([row?.outcome, row?.durationMs, row?.bad], ["under way", 3000, false]);
});
