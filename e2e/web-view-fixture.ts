// A state of the web view that never changes, for pictures and rules: one node well, one not, pods in each way of trouble.
import type { PodRow, TimelineRow, ViewState } from "../packages/virtual-kubelet/src/view/view-state.ts";

export const fixedNow: number = Date.UTC(2026, 0, 15, 3, 12, 40);

const ago = (seconds: number): number => fixedNow - seconds * 1000;

function row(name: string, phase: string, seconds: number, more: Partial<PodRow> = {}): PodRow {
  const ready = phase === "Running" ? "1/1" : "0/1";
  const common = { uid: name, namespace: "shop", name, node: "edge-1", restarts: 0, deleting: false };
  return { ...common, phase, ready, since: ago(seconds), ...more };
}

const stuck = row("cart-7c9d5b8f6-x2k4p", "Pending", 95, { reason: "ProviderFailed", retryAt: fixedNow + 23_000 });

const line = (
  seconds: number,
  kind: TimelineRow["kind"],
  what: string,
  more: Partial<TimelineRow> = {},
): TimelineRow => ({
  ...{ at: ago(95) + seconds * 1000, kind, what, bad: false },
  ...more,
});

const timeline: readonly TimelineRow[] = [
  line(0, "pod", "created by ReplicaSet cart-7c9d5b8f6"),
  line(0, "pod", "bound to node edge-1"),
  line(0.12, "provider call", "createPod", {
    outcome: "Quota",
    durationMs: 812,
    detail: "the limit of 20 instances in region north is reached",
    bad: true,
  }),
  line(0.94, "API call", "replace pods/status", { outcome: "ok", durationMs: 14, detail: "phase Pending" }),
  line(0.95, "event", "ProviderCreateFailed", { bad: true }),
  line(0.951, "retry", "queue pods: failed once", { outcome: "Quota", bad: true, nextAt: ago(95) + 31_000 }),
  line(31, "provider call", "createPod", {
    ...{ outcome: "Unavailable", durationMs: 30_000, detail: "no answer within 30 s", bad: true },
  }),
  line(61.2, "retry", "queue pods: failed 2 times in a row", {
    outcome: "Unavailable",
    bad: true,
    nextAt: fixedNow + 23_000,
  }),
];

export const fixedState: ViewState = {
  now: fixedNow,
  startedAt: ago(86_400),
  version: "1.2.3",
  nodes: {
    total: 2,
    ready: 1,
    rows: [
      {
        name: "edge-2",
        ready: "False",
        readySince: ago(200),
        reason: "ProviderNotReady",
        message: "connect ECONNREFUSED 192.0.2.7:8443",
        unschedulable: false,
        runtime: "containers://5.4.1",
        taints: ["virtual-kubelet.io/provider=containers:NoSchedule", "node.kubernetes.io/not-ready:NoExecute"],
        resources: [{ name: "cpu", capacity: "4", allocatable: "4", requested: 0.95 }],
        leaseRenewedAt: ago(4),
        leaseSeconds: 40,
        pods: 1,
        calls: { taken: 10, limit: 10, waiting: 3 },
        deletions: { taken: 0, limit: 10, waiting: 0 },
        trouble: "no answer within 120 s",
      },
      {
        name: "edge-1",
        ready: "True",
        readySince: ago(86_000),
        reason: "KubeletReady",
        message: "kubelet is posting ready status",
        unschedulable: true,
        runtime: "containers://5.4.1",
        taints: ["virtual-kubelet.io/provider=containers:NoSchedule"],
        resources: [
          { name: "cpu", capacity: "8", allocatable: "8", requested: 0.42 },
          { name: "memory", capacity: "32Gi", allocatable: "31Gi", requested: 0.71 },
          { name: "pods", capacity: "110", allocatable: "110", requested: 0.05 },
        ],
        leaseRenewedAt: ago(7),
        leaseSeconds: 40,
        pods: 5,
        calls: { taken: 1, limit: 10, waiting: 0 },
        deletions: { taken: 0, limit: 10, waiting: 0 },
      },
    ],
  },
  phases: { Running: 3, Pending: 1, Failed: 1, Succeeded: 1, Gone: 2 },
  pods: {
    total: 6,
    inTrouble: 3,
    matching: 6,
    rows: [
      stuck,
      row("report-28411-abcde", "Failed", 400, { reason: "container report ended with 3" }),
      row("search-0", "Running", 3600, { reason: "CrashLoopBackOff", restarts: 7, ready: "1/2", node: "edge-2" }),
      row("web-6f7d9c5b4-9lq2z", "Running", 200_000, { deleting: true }),
      row("web-6f7d9c5b4-tt8vn", "Running", 90_000),
      row("migrate-1", "Succeeded", 7200, { ready: "0/1" }),
    ],
  },
  queues: [
    { name: "events", waiting: 0, active: 0, delayed: 1, oldestSeconds: 0 },
    { name: "pod-status", waiting: 12, active: 128, delayed: 0, oldestSeconds: 3 },
    { name: "pods", waiting: 0, active: 11, delayed: 2, oldestSeconds: 0 },
    { name: "node-lease", waiting: 0, active: 0, delayed: 2, oldestSeconds: 0 },
  ],
  events: [
    {
      ...{ at: ago(34), warning: true, object: `pod shop/${stuck.name}`, pod: stuck.uid, node: "edge-1" },
      ...{ reason: "ProviderCreateFailed", message: "no answer within 30 s" },
    },
    {
      ...{ at: ago(200), warning: false, object: "node edge-2", node: "edge-2" },
      ...{ reason: "NodeNotReady", message: "Node edge-2 status is now: NodeNotReady" },
    },
  ],
  pod: {
    row: stuck,
    message: "no answer within 30 s",
    retries: [{ queue: "pods", failures: 2, nextAt: fixedNow + 23_000 }],
    containers: [{ name: "cart", state: "waiting: ContainerCreating", restarts: 0 }],
    timeline,
    omitted: 0,
  },
};
