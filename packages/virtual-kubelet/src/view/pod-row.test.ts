// What a pod's line says of where it stands.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Pod, PodStatus } from "../kube/types.gen.ts";
import { newEntry, type PodEntry } from "../pod/pod-entry.ts";
import type { Inspected } from "../pod/pod-inspection.ts";
import { podRow, trouble } from "./pod-row.ts";

const owner = { cluster: "c", node: "vk", namespace: "shop", name: "web", uid: "u" };

function inspected(status: PodStatus | undefined, entry: Partial<PodEntry> = {}): Inspected {
  const pod: Stored<Pod> = {
    metadata: { name: "web", namespace: "shop", uid: "u", resourceVersion: "1" },
    spec: { containers: [{ name: "app" }, { name: "side" }] },
    ...(status === undefined ? {} : { status }),
  };
  return { entry: { ...newEntry(owner, 5000), ...entry }, pod, retries: [] };
}

const container = (more: Partial<ContainerStatus>): ContainerStatus => ({
  ...{ name: "app", ready: false, restartCount: 2, image: "", imageID: "" },
  ...more,
});

const refusal = { reason: "OutOfcpu", message: "Pod was rejected: no room", failAt: 0, final: false };

const cases: readonly (readonly [string, Inspected, string | undefined])[] = [
  ["runs", inspected({ phase: "Running", containerStatuses: [container({ ready: true })] }), undefined],
  ["was refused", inspected({ phase: "Pending" }, { refusal }), "OutOfcpu"],
  ["cannot be created", inspected({ phase: "Pending" }, { failure: "no quota" }), "ProviderFailed"],
  ["was lost", inspected({ phase: "Running" }, { lost: true }), "ProviderLostPod"],
  ["was evicted", inspected({ phase: "Failed", reason: "Evicted" }), "Evicted"],
  [
    "ended badly",
    inspected({ phase: "Failed", containerStatuses: [container({ state: { terminated: { exitCode: 3 } } })] }),
    "container app ended with 3",
  ],
  [
    "is restarted over and over",
    inspected({
      phase: "Running",
      containerStatuses: [container({ state: { waiting: { reason: "CrashLoopBackOff" } } })],
    }),
    "CrashLoopBackOff",
  ],
  [
    "starts",
    inspected({
      phase: "Pending",
      containerStatuses: [container({ state: { waiting: { reason: "ContainerCreating" } } })],
    }),
    undefined,
  ],
  ["is on the back end alone", { ...inspected(undefined), pod: undefined }, "left on the back end"],
];
for (const [what, one, reason] of cases) {
  test(`a pod that ${what}: ${reason}`, () => assert.equal(podRow(one).reason, reason));
}

test("ready containers, restarts, and the earliest of its next attempts are told", () => {
  const statuses = [container({ ready: true }), container({ name: "side" })];
  const retries = [
    { queue: "pods", failures: 1, nextAt: 9000 },
    { queue: "pod-status", failures: 2, nextAt: 8000 },
  ];
  const { ready, restarts, retryAt, since, phase } = podRow({
    ...inspected({ phase: "Running", containerStatuses: statuses }),
    retries,
  });
  assert.deepEqual([ready, restarts, retryAt, since, phase], ["1/2", 4, 8000, 5000, "Running"]);
});

test("what a back end says is told without the passwords in it", () => {
  const { message } =
    trouble(inspected({ phase: "Pending" }, { failure: "dial https://me:hunter2@example.com" })) ?? {};
  assert.equal(message, "dial https://me:[redacted]@example.com");
});
