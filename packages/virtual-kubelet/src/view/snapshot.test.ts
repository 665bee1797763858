// Which pods are listed, in which order, and that lists stay short however many there are.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createMetrics } from "../metrics.ts";
import { newEntry } from "../pod/pod-entry.ts";
import type { Inspected } from "../pod/pod-inspection.ts";
import { ActivityLog } from "./activity-log.ts";
import { type SnapshotSource, snapshot, type ViewQuery } from "./snapshot.ts";
import type { ViewState } from "./view-state.ts";

const slots = { taken: 0, limit: 10, waiting: 0 };

function pod(uid: string, node: string, more: { readonly failure?: string; readonly phase?: string } = {}): Inspected {
  const owner = { cluster: "c", node, namespace: "shop", name: uid, uid };
  return {
    entry: { ...newEntry(owner, 1000), failure: more.failure },
    pod: {
      metadata: { name: uid, namespace: "shop", uid, resourceVersion: "1" },
      spec: { containers: [] },
      status: { phase: more.phase ?? "Running" },
    },
    retries: [],
  };
}

function look(
  all: readonly Inspected[],
  query: Partial<ViewQuery> = {},
  activity = new ActivityLog(),
): Promise<ViewState> {
  const source: SnapshotSource = {
    inside: {
      nodes: ["a", "b"],
      node: () => undefined,
      pods: {
        *inspect() {
          yield* all;
        },
        inspectPod: (uid) => all.find(({ entry }) => entry.owner.uid === uid),
        inspectNode: () => ({ pods: 0, calls: slots, deletions: slots, trouble: undefined }),
        hasSynced: () => true,
      },
    },
    activity,
    ...{ metrics: createMetrics(), version: "1", startedAt: 0, now: () => 10_000 },
  };
  return snapshot(source, { filter: "", phase: "", node: "", pod: "", ...query }, (node) => node === "a");
}

const names = ({ pods }: ViewState): readonly string[] => pods.rows.map(({ name }) => name);

test("pods in trouble come first, then those on the way; pods of nodes that are not to be seen never", async () => {
  const all = [pod("well", "a"), pod("waits", "a", { phase: "Pending" }), pod("foreign", "b")];
  const state = await look([...all, pod("bad", "a", { failure: "no", phase: "Pending" })]);
  assert.deepEqual(names(state), ["bad", "waits", "well"]);
  assert.deepEqual(state.phases, { Running: 1, Pending: 2 });
  assert.deepEqual([state.pods.total, state.pods.inTrouble, state.nodes.total], [3, 1, 1]);
  assert.equal((await look(all, { pod: "foreign" })).pod, "unknown");
});

test("a filter is a part of the name, the node or what holds it up; a phase is one of them", async () => {
  const all = [pod("web-1", "a"), pod("cart-1", "a", { failure: "no", phase: "Pending" })];
  assert.deepEqual(names(await look(all, { filter: "WEB" })), ["web-1"]);
  assert.deepEqual(names(await look(all, { filter: "providerf" })), ["cart-1"]);
  assert.deepEqual(names(await look(all, { phase: "Running" })), ["web-1"]);
  assert.deepEqual(names(await look(all, { node: "b" })), []);
});

test("of thousands of pods the first two hundred are told, and how many there are", async () => {
  const { pods } = await look(Array.from({ length: 3000 }, (_, index) => pod(`p-${index}`, "a")));
  assert.deepEqual([pods.total, pods.matching, pods.rows.length], [3000, 3000, 200]);
});

test("a pod that is gone is told of by what was done about it, where that is asked for", async () => {
  const activity = new ActivityLog();
  activity.providerCall("deletePod", { cluster: "c", node: "a", namespace: "shop", name: "old", uid: "old" })();
  const [all, gone] = [await look([], {}, activity), await look([], { phase: "Gone", pod: "old" }, activity)];
  assert.deepEqual([names(all), all.phases, all.pods.total], [[], { Gone: 1 }, 0]);
  assert.deepEqual(names(gone), ["old"]);
  assert.ok(typeof gone.pod === "object");
  assert.deepEqual(
    gone.pod.timeline.map(({ what, outcome }) => [what, outcome]),
    [["deletePod", "ok"]],
  );
});
