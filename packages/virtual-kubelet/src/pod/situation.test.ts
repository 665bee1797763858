// Which of the things known of a pod decides its status.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodReport } from "../provider/pods.ts";
import type { PodAction } from "./plan.ts";
import { newEntry, type PodEntry } from "./pod-entry.ts";
import { acceptedAfterMs, situationOf } from "./situation.ts";

const owner = { cluster: "c", node: "n", namespace: "default", name: "a", uid: "u" };
const pod: Stored<Pod> = {
  metadata: { name: "a", namespace: "default", uid: "u", resourceVersion: "1", generation: 1 },
  spec: { containers: [{ name: "main", image: "i" }] },
};
const deleted: Stored<Pod> = { ...pod, metadata: { ...pod.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
const report: PodReport = { owner, containers: [] };
const present: PodEntry["backend"] = { type: "present", report };
const absent: PodEntry["backend"] = { type: "absent", firstAt: 0, lastAt: 0 };
const deletion = { gracePeriodSeconds: 30, at: 0 };
const refusal = { reason: "R", message: "m", failAt: 0, final: true };
const finish: PodAction = { type: "finish" };
const none: PodAction = { type: "none" };

const table: readonly {
  readonly name: string;
  readonly entry: Partial<PodEntry>;
  readonly next?: PodAction;
  readonly expected: string | undefined;
}[] = [
  { name: "nothing known yet", entry: {}, expected: undefined },
  { name: "not in the API", entry: { inApi: false, report, backend: present }, expected: undefined },
  { name: "terminal in the API", entry: { pod: { ...pod, status: { phase: "Failed" } }, report }, expected: undefined },
  { name: "a create just begun", entry: { createStartedAt: 5000 - acceptedAfterMs + 1 }, expected: undefined },
  { name: "a create of a while ago", entry: { createStartedAt: 5000 - acceptedAfterMs }, expected: "accepted" },
  { name: "a failure", entry: { failure: "no", createStartedAt: 0 }, expected: "providerFailed" },
  { name: "a report after a failure", entry: { failure: "no", report, backend: present }, expected: "reported" },
  { name: "a report, the backend uncertain", entry: { report, backend: { type: "unknown" } }, expected: "reported" },
  { name: "a final refusal", entry: { refusal, failure: "no" }, expected: "refused" },
  { name: "a held refusal", entry: { refusal: { ...refusal, final: false } }, expected: "held" },
  { name: "lost", entry: { lost: true, report, backend: absent }, next: finish, expected: "lost" },
  { name: "being stopped", entry: { pod: deleted, deletion, report, backend: present }, expected: "reported" },
  { name: "stopped", entry: { pod: deleted, deletion, report, backend: absent }, next: finish, expected: "ended" },
  { name: "deleted, never created", entry: { pod: deleted, backend: absent }, next: finish, expected: "ended" },
  { name: "deleted while held", entry: { pod: deleted, backend: absent, refusal }, next: finish, expected: "ended" },
  { name: "ended by itself", entry: { report, backend: present }, next: finish, expected: "reported" },
];

describe("situationOf", () => {
  for (const { name, entry, next = none, expected } of table)
    it(`${name}: ${expected}`, () => {
      const whole: PodEntry = { ...newEntry(owner, 0), pod, inApi: true, wasInApi: true, ...entry };
      assert.equal(situationOf(whole, next, 5000)?.type, expected);
    });
});
