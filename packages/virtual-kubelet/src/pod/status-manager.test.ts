// The status manager's queue: what is due later is written even when the look at it was asked for while another was waiting.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Stored } from "../kube/resource.ts";
import type { Pod, PodStatus } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { scriptedClient } from "../testing/scripted-client.ts";
import { newEntry, type PodEntry } from "./pod-entry.ts";
import { acceptedAfterMs, acknowledgeAfterMs, situationOf, statusDueAt } from "./situation.ts";
import { StatusManager } from "./status-manager.ts";

const owner = { cluster: "c", node: "n", namespace: "default", name: "a", uid: "u" };
const pod: Stored<Pod> = {
  metadata: { name: "a", namespace: "default", uid: "u", resourceVersion: "1", generation: 1 },
  spec: { containers: [{ name: "main", image: "i" }] },
};

function entryOf(change: Partial<PodEntry>): PodEntry {
  return { ...newEntry(owner, 0), pod, inApi: true, ...change };
}

test("the time at which a status changes by itself", () => {
  const deletion = { gracePeriodSeconds: 30, at: 5000 };
  const deleted = { ...pod, metadata: { ...pod.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
  const report = { owner, containers: [] };
  const cases: [string, Partial<PodEntry>, number, number | undefined][] = [
    ["not created", {}, 0, undefined],
    ["being created", { createStartedAt: 0 }, 10, acceptedAfterMs],
    ["created long ago", { createStartedAt: 0 }, acceptedAfterMs, undefined],
    ["created and reported", { createStartedAt: 0, report }, 10, undefined],
    ["being deleted", { pod: deleted, deletion, report }, 5000, 5000 + acknowledgeAfterMs],
    ["stopped, but not deleted", { deletion, report }, 5000, undefined],
    ["deleted long ago", { pod: deleted, deletion, report }, 6000, undefined],
  ];
  for (const [what, change, now, expected] of cases) assert.equal(statusDueAt(entryOf(change), now), expected, what);
});

test("a status that is due later is written although a look was already waiting", async () => {
  const clock = new FakeClock();
  const entry = entryOf({ createStartedAt: clock.now() });
  const written: PodStatus[] = [];
  const manager = new StatusManager({
    client: scriptedClient({
      patchMeta: async () => ({ uid: "u", resourceVersion: "2" }),
    }),
    source: {
      pod: () => pod,
      outlook: () => {
        const situation = situationOf(entry, { type: "none" }, clock.now());
        const dueAt = statusDueAt(entry, clock.now());
        return { input: situation === undefined ? undefined : { situation, nodeIPs: [] }, removable: false, dueAt };
      },
      written: (_uid, status) => void written.push(status),
    },
    workers: 1,
    form: "patch",
    clock,
    random: () => 0.5,
    log: silentLogger,
    metrics: createMetrics(),
  });
  // As the pod controller does: the pod was seen (a look at once), and its creation began before that look was taken.
  manager.add("u");
  manager.addAfter("u", acceptedAfterMs);
  const end = new AbortController();
  const running = manager.run(end.signal);
  await clock.advance(acceptedAfterMs - 1);
  assert.equal(written.length, 0);
  await clock.advance(1);
  assert.equal(written[0]?.containerStatuses?.[0]?.state?.waiting?.reason, "ContainerCreating");
  end.abort();
  await running;
});
