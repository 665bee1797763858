import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerReport, PodReport } from "../provider/pods.ts";
import { reportFaults } from "./report-faults.ts";

const owner = { cluster: "c", node: "n", namespace: "d", name: "web", uid: "u" };
const running: ContainerReport = { name: "app", state: { running: { startedAt: "2026-01-01T00:00:00Z" } } };
const good: PodReport = { owner, containers: [running], podIPs: ["10.0.0.1", "fd00::1"] };

const cases: readonly (readonly [title: string, report: PodReport, fault: RegExp | undefined])[] = [
  ["a good report", good, undefined],
  ["no containers yet", { owner, containers: [] }, undefined],
  ["an owner without UID", { ...good, owner: { ...owner, uid: "" } }, /owner\.uid is missing/],
  ["a container twice", { ...good, containers: [running, running] }, /twice/],
  ["a container of another pod", { ...good, containers: [{ ...running, name: "x" }] }, /x is not of the pod/],
  ["no state", { ...good, containers: [{ name: "app", state: {} }] }, /state has none/],
  [
    "two states",
    { ...good, containers: [{ name: "app", state: { waiting: {}, running: {} } }] },
    /waiting and running/,
  ],
  ["ready, not started", { ...good, containers: [{ ...running, ready: true, started: false }] }, /not started/],
  [
    "started, not running",
    { ...good, containers: [{ name: "app", state: { waiting: {} }, started: true }] },
    /not running/,
  ],
  ["a bad time", { ...good, containers: [{ name: "app", state: { running: { startedAt: "today" } } }] }, /RFC 3339/],
  ["two IPs of a family", { ...good, podIPs: ["10.0.0.1", "10.0.0.2"] }, /more than one/],
  ["no IP", { ...good, podIPs: ["web"] }, /not an IP/],
  ["fewer restarts", { ...good, containers: [{ ...running, restartCount: 1 }] }, /fell from 2 to 1/],
  ["a bad containerID", { ...good, containers: [{ ...running, restartCount: 2, containerID: "abc" }] }, /type:\/\/id/],
  [
    "an end before the start",
    {
      ...good,
      containers: [
        {
          name: "app",
          restartCount: 2,
          state: {
            terminated: { exitCode: 0, startedAt: "2026-01-01T00:00:02Z", finishedAt: "2026-01-01T00:00:01Z" },
          },
        },
      ],
    },
    /before it started/,
  ],
];

for (const [title, report, fault] of cases) {
  test(`${title}: ${fault === undefined ? "no fault" : "one fault"}`, () => {
    const pod = { spec: { containers: [{ name: "app" }] } };
    const isOfRestarts = title === "fewer restarts";
    const previous = isOfRestarts ? { ...good, containers: [{ ...running, restartCount: 2 }] } : undefined;
    const faults = reportFaults(report, pod, previous);
    assert.equal(faults.length, fault === undefined ? 0 : 1, faults.join("; "));
    if (fault !== undefined) assert.match(faults[0] ?? "", fault);
  });
}
