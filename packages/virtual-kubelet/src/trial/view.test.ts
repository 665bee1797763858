import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "../kube/types.gen.ts";
import { changeLines } from "./change-lines.ts";
import { deploymentRow, jobRow, nodeRow, nothing, type PodRow, podRow, type Snapshot } from "./rows.ts";
import { age, type Paint, viewLines } from "./view.ts";

const start = Date.parse("2026-01-01T00:00:00Z");
const plain: Paint = (_style, text) => text;

const row = (index: number, more: Partial<PodRow> = {}): PodRow => ({
  name: `web-${index}`,
  status: "Running",
  ready: "1/1",
  restarts: 0,
  node: "vk-1",
  createdAt: start + index,
  ip: `10.0.0.${index}`,
  startMs: 10 * index,
  ...more,
});

const snapshot: Snapshot = {
  nodes: [
    nodeRow({
      metadata: { name: "vk-1", creationTimestamp: "2026-01-01T00:00:00Z" },
      spec: { unschedulable: true },
      status: {
        conditions: [{ type: "Ready", status: "True" }],
        capacity: { cpu: "64", memory: "256Gi", pods: "1k" },
      },
    }),
  ],
  workloads: [
    deploymentRow({ metadata: { name: "web" }, status: { availableReplicas: 1, updatedReplicas: 1 } }),
    jobRow({ metadata: { name: "work" }, status: { succeeded: 1 } }),
  ],
  pods: [1, 2, 3, 4].map((index) => row(index)),
  events: [1, 2].map((index) => ({
    at: start,
    warning: index === 2,
    about: `pod/web-${index}`,
    reason: "Started",
    message: "a rather long message about what happened to this pod",
  })),
};

test("what pods and events say does not steer the terminal", () => {
  const evil = "\u001b]0;title\u0007\u001b[2J";
  const event = { at: start, warning: true, about: "pod/web-1", reason: "Failed", message: evil };
  const told = { ...nothing, pods: [row(1, { status: evil })], events: [event] };
  for (const lines of [viewLines(told, { now: start, paint: plain }), changeLines(nothing, told)]) {
    assert.doesNotMatch(lines.join(""), /\p{Cc}/u);
    assert.match(lines.join(""), /\\u001b\[2J/);
  }
});

test("everything is in the view, in columns", () => {
  const lines = viewLines(snapshot, { now: start + 61_000, paint: plain });
  assert.match(lines[0] ?? "", /^node\/vk-1 {2}Ready,SchedulingDisabled {2}61s .*64 CPUs, 256Gi, 1k pods$/);
  assert.deepEqual(lines.slice(1, 4), [
    "deployment/web  1/1 available",
    "job/work  1/1 succeeded",
    "from bound to Running: median 20 ms, longest 40 ms (4 pods)",
  ]);
  assert.equal(lines[5], "POD    STATUS   READY  RESTARTS  AGE  TO RUNNING  IP");
  assert.equal(lines[6], "web-1  Running  1/1    0         60s  10 ms       10.0.0.1");
  assert.match(lines.at(-1) ?? "", /pod\/web-2 {2}Started: a rather long message/);
});

test("a small terminal is never overrun, and the newest pods stay in sight", () => {
  const many = { ...snapshot, pods: Array.from({ length: 200 }, (_, index) => row(index)) };
  for (const height of [3, 10, 15, 24, 60]) {
    const lines = viewLines(many, { now: start, paint: plain, height, width: 40 });
    assert.ok(lines.length <= height, `${lines.length} lines of ${height}`);
    for (const line of lines) assert.ok(line.length <= 40, line);
    if (height < 10) continue;
    assert.ok(
      lines.some((line) => line.startsWith("web-199 ")),
      lines.join("\n"),
    );
    assert.ok(lines.some((line) => /^\d+ older: \d+ Running$/.test(line)));
  }
});

test("before anything is there the view says so", () => {
  const lines = viewLines(nothing, { now: start, paint: plain });
  assert.equal(lines[0], "node is not registered yet");
  assert.equal(lines.at(-1), "none yet");
});

const pods: readonly (readonly [string, Pod, Partial<PodRow>])[] = [
  ["new", { metadata: { name: "a", namespace: "default" } }, { name: "a", status: "Unknown", ready: "0/0" }],
  ["elsewhere", { metadata: { name: "a", namespace: "kube-system" } }, { name: "kube-system/a" }],
  ["evicted", { status: { phase: "Failed", reason: "Evicted" } }, { status: "Evicted" }],
  [
    "waiting to be restarted",
    {
      spec: { containers: [{ name: "c" }] },
      status: {
        phase: "Running",
        containerStatuses: [
          {
            name: "c",
            image: "",
            imageID: "",
            ready: false,
            restartCount: 3,
            state: { waiting: { reason: "CrashLoopBackOff" } },
          },
        ],
      },
    },
    { status: "CrashLoopBackOff", restarts: 3, ready: "0/1" },
  ],
  [
    "being deleted",
    { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" }, status: { phase: "Running" } },
    { status: "Terminating" },
  ],
];
for (const [what, pod, expected] of pods) {
  test(`a pod that is ${what}`, () => {
    const found: PodRow = podRow(pod, undefined);
    assert.deepEqual({ ...found, ...expected }, found);
  });
}

test("a workload is done only when its controller says so", () => {
  const generation = { name: "web", generation: 2 };
  const status = { observedGeneration: 1, availableReplicas: 3, updatedReplicas: 3 };
  const spec = { replicas: 3, selector: {}, template: {} };
  assert.equal(deploymentRow({ metadata: generation, spec, status }).done, false);
  assert.equal(deploymentRow({ metadata: generation, spec, status: { ...status, observedGeneration: 2 } }).done, true);
  assert.equal(jobRow({ status: { succeeded: 1 } }).done, false);
  const complete = jobRow({
    status: {
      succeeded: 1,
      startTime: "2026-01-01T00:00:00Z",
      completionTime: "2026-01-01T00:00:07Z",
      conditions: [{ type: "Complete", status: "True" }],
    },
  });
  assert.equal(complete.done, true);
  assert.equal(complete.progress, "1/1 succeeded after 7 s");
});

test("changes are told once, a line each", () => {
  const lines = changeLines(nothing, snapshot);
  assert.equal(lines.length, 1 + 4 + 2 + 1);
  assert.equal(lines[1], "pod/web-1 Running, 1/1 ready, 10.0.0.1 (10 ms after it was bound)");
  assert.equal(lines.filter((line) => line.startsWith("warning: pod/web-2 Started")).length, 1);
  assert.deepEqual(changeLines(snapshot, snapshot), []);
  const later = { ...snapshot, nodes: [], pods: [row(1, { restarts: 1 }), ...snapshot.pods.slice(1, 3)] };
  assert.deepEqual(changeLines(snapshot, later), [
    "node/vk-1 deleted",
    "pod/web-1 Running, 1/1 ready, 1 restart, 10.0.0.1",
    "pod/web-4 deleted",
  ]);
});

test("ages", () => {
  assert.deepEqual([-5, 119_000, 130_000, 3_700_000, 7_500_000].map(age), ["0s", "119s", "2m10s", "61m40s", "2h5m"]);
});
