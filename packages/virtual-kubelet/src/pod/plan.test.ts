// Tables over plan: what is done about a pod in each state of the API and the backend.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Stored } from "../kube/resource.ts";
import type { Pod, PodStatus } from "../kube/types.gen.ts";
import type { ContainerReport, PodReport } from "../provider/pods.ts";
import { type Desired, type Observed, type PodAction, plan, type Rules } from "./plan.ts";
import { revisionOf } from "./pod-entry.ts";

const now = Date.parse("2026-01-01T12:00:00Z");
const rules: Rules = {
  canUpdate: true,
  canUpdateVolumes: false,
  canFollow: false,
  consistencyDelayMs: 0,
  lostAfterMs: 30_000,
  orphanGraceMs: 60_000,
  deleteAgainMs: 10_000,
};

function pod(metadata: Partial<Stored<Pod>["metadata"]> = {}, status: PodStatus = {}, spec: object = {}): Stored<Pod> {
  return {
    metadata: { name: "web", namespace: "default", uid: "u1", resourceVersion: "1", generation: 1, ...metadata },
    spec: { nodeName: "vk", restartPolicy: "Always", containers: [{ name: "main", image: "i" }], ...spec },
    status,
  };
}

const owner = { cluster: "c", node: "vk", namespace: "default", name: "web", uid: "u1" };
const running: ContainerReport = { name: "main", state: { running: { startedAt: "2026-01-01T11:00:00Z" } } };
const ended: ContainerReport = {
  name: "main",
  state: { terminated: { exitCode: 0, startedAt: "2026-01-01T11:00:00Z", finishedAt: "2026-01-01T11:30:00Z" } },
};
const waiting: ContainerReport = { name: "main", state: { waiting: {} } };
const failure = { reason: "Terminated", message: "the node goes down" };
const stopped = { gracePeriodSeconds: 30, at: now, keeps: true } as const;
const report = (...containers: readonly ContainerReport[]): PodReport => ({ owner, containers });
const present = (...containers: readonly ContainerReport[]) =>
  ({ type: "present", report: report(...containers) }) as const;
const absent = (firstAt = now, lastAt = now) => ({ type: "absent", firstAt, lastAt }) as const;

const fresh: Observed = {
  backend: absent(),
  create: "never",
  createdAt: 0,
  createNotBefore: 0,
  applied: undefined,
  deletion: undefined,
  refusal: undefined,
  lost: false,
  nodeEnd: undefined,
  evicted: false,
  volumesDue: false,
  completionDue: false,
  volumesRevision: undefined,
  orphanSince: undefined,
};
const inApi = (object: Stored<Pod>): Desired => ({ pod: object, inApi: true, wasInApi: true });
const gone = (object: Stored<Pod> | undefined, wasInApi = true): Desired => ({ pod: object, inApi: false, wasInApi });
const created: Partial<Observed> = { create: "accepted", createdAt: now - 600_000, applied: revisionOf(pod()) };
const deleting = { deletionTimestamp: "2026-01-01T12:00:30Z", deletionGracePeriodSeconds: 30, generation: 2 };

const table: readonly {
  readonly name: string;
  readonly desired: Desired;
  readonly observed: Partial<Observed>;
  readonly rules?: Partial<Rules>;
  readonly expected: PodAction;
}[] = [
  { name: "new pod, backend has none", desired: inApi(pod()), observed: {}, expected: { type: "create" } },
  {
    name: "nothing is known of the backend",
    desired: inApi(pod()),
    observed: { backend: { type: "unknown" } },
    expected: { type: "observe" },
  },
  {
    name: "the outcome of a create is open: it is sent again",
    desired: inApi(pod()),
    observed: { create: "unknown", createdAt: now },
    expected: { type: "create" },
  },
  {
    name: "the backend throttles: no create before its time",
    desired: inApi(pod()),
    observed: { createdAt: now - 1000, createNotBefore: now + 2000 },
    expected: { type: "wait", until: now + 2000 },
  },
  {
    name: "the backend throttled: its time has come",
    desired: inApi(pod()),
    observed: { createdAt: now - 3000, createNotBefore: now },
    expected: { type: "create" },
  },
  {
    name: "running, nothing to do",
    desired: inApi(pod()),
    observed: { ...created, backend: present(running) },
    expected: { type: "none" },
  },
  {
    name: "labels changed",
    desired: inApi(pod({ labels: { a: "b" } })),
    observed: { ...created, backend: present(running) },
    expected: { type: "update" },
  },
  {
    name: "spec changed and the provider has no updatePod",
    desired: inApi(pod({ generation: 2 })),
    observed: { ...created, backend: present(running) },
    rules: { canUpdate: false },
    expected: { type: "reportUnapplied" },
  },
  {
    name: "what its containers are given may have changed",
    desired: inApi(pod()),
    observed: { ...created, backend: present(running), completionDue: true },
    rules: { canFollow: true },
    expected: { type: "update" },
  },
  {
    name: "what its containers are given may have changed, and nobody wants to know",
    desired: inApi(pod()),
    observed: { ...created, backend: present(running), completionDue: true },
    expected: { type: "none" },
  },
  {
    name: "adopted, spec changed while we were down",
    desired: inApi(pod({ generation: 3 }, { observedGeneration: 2 })),
    observed: { create: "accepted", backend: present(running) },
    expected: { type: "update" },
  },
  {
    name: "adopted, labels changed while we were down, and the backend kept the revision",
    desired: inApi(pod({ labels: { a: "b" } }, { observedGeneration: 1 })),
    observed: {
      create: "accepted",
      backend: { type: "present", report: { ...report(running), revision: revisionOf(pod()) } },
    },
    expected: { type: "update" },
  },
  {
    name: "adopted as it is",
    desired: inApi(pod({}, { observedGeneration: 1 })),
    observed: { create: "accepted", backend: present(running) },
    expected: { type: "none" },
  },
  {
    name: "finished by itself",
    desired: inApi(pod({}, {}, { restartPolicy: "Never" })),
    observed: { ...created, backend: present(ended) },
    expected: { type: "finish" },
  },
  {
    name: "created, not found: the second answer is awaited",
    desired: inApi(pod()),
    observed: { ...created, backend: absent(now - 10_000, now) },
    expected: { type: "wait", until: now + 20_000 },
  },
  {
    name: "created, not found once 30 s ago: ask",
    desired: inApi(pod()),
    observed: { ...created, backend: absent(now - 30_000, now - 30_000) },
    expected: { type: "observe" },
  },
  {
    name: "created, not found twice 30 s apart",
    desired: inApi(pod()),
    observed: { ...created, backend: absent(now - 30_000, now) },
    expected: { type: "lose" },
  },
  {
    name: "an answer from within the consistency delay does not count",
    desired: inApi(pod()),
    observed: { ...created, createdAt: now - 40_000, backend: absent(now - 35_000, now - 1000) },
    rules: { consistencyDelayMs: 60_000 },
    expected: { type: "wait", until: now + 20_000 },
  },
  {
    name: "ran once by the API's status, not found: never created again",
    desired: inApi(
      pod(
        {},
        {
          containerStatuses: [
            { name: "main", image: "i", imageID: "", ready: true, restartCount: 0, state: { running: {} } },
          ],
        },
      ),
    ),
    observed: { backend: absent(now, now) },
    expected: { type: "wait", until: now + 30_000 },
  },
  {
    name: "created just now: the report is awaited",
    desired: inApi(pod()),
    observed: { ...created, createdAt: now, backend: { type: "awaited", since: now } },
    expected: { type: "wait", until: now + 30_000 },
  },
  {
    name: "deleted while it runs",
    desired: inApi(pod(deleting)),
    observed: { ...created, backend: present(running) },
    expected: { type: "delete", gracePeriodSeconds: 30, why: "deleted" },
  },
  {
    name: "deleted before its first report",
    desired: inApi(pod(deleting)),
    observed: { ...created, backend: { type: "awaited", since: now } },
    expected: { type: "delete", gracePeriodSeconds: 30, why: "deleted" },
  },
  {
    name: "deletion under way",
    desired: inApi(pod(deleting)),
    observed: { ...created, backend: present(running), deletion: { gracePeriodSeconds: 30, at: now } },
    expected: { type: "wait", until: now + 40_000 },
  },
  {
    name: "deletion with a shorter grace",
    desired: inApi(pod({ ...deleting, deletionGracePeriodSeconds: 5 })),
    observed: { ...created, backend: present(running), deletion: { gracePeriodSeconds: 30, at: now } },
    expected: { type: "delete", gracePeriodSeconds: 5, why: "deleted" },
  },
  {
    name: "deletion without effect long after its grace",
    desired: inApi(pod(deleting)),
    observed: { ...created, backend: present(running), deletion: { gracePeriodSeconds: 30, at: now - 41_000 } },
    expected: { type: "delete", gracePeriodSeconds: 0, why: "deleted" },
  },
  {
    name: "deletion, containers stopped",
    desired: inApi(pod(deleting)),
    observed: { ...created, backend: present(ended), deletion: { gracePeriodSeconds: 30, at: now } },
    expected: { type: "finish" },
  },
  {
    name: "deleted after its containers stopped: the backend is told all the same",
    desired: inApi(pod(deleting)),
    observed: { ...created, backend: present(ended) },
    expected: { type: "delete", gracePeriodSeconds: 30, why: "deleted" },
  },
  {
    name: "deleted and gone",
    desired: inApi(pod(deleting)),
    observed: { ...created, backend: absent() },
    expected: { type: "finish" },
  },
  { name: "deleted, never created", desired: inApi(pod(deleting)), observed: {}, expected: { type: "finish" } },
  {
    name: "deleted, the create may still show up",
    desired: inApi(pod(deleting)),
    observed: { create: "unknown", createdAt: now - 1000, backend: absent(now, now) },
    rules: { consistencyDelayMs: 5000 },
    expected: { type: "wait", until: now + 4000 },
  },
  {
    name: "deleted while refused",
    desired: inApi(pod(deleting)),
    observed: { refusal: { reason: "OutOfcpu", message: "", failAt: now + 1000, final: false } },
    expected: { type: "finish" },
  },
  {
    name: "refusal held back",
    desired: inApi(pod()),
    observed: { refusal: { reason: "OutOfcpu", message: "", failAt: now + 1000, final: false } },
    expected: { type: "wait", until: now + 1000 },
  },
  {
    name: "refusal due",
    desired: inApi(pod()),
    observed: { refusal: { reason: "OutOfcpu", message: "", failAt: now, final: false } },
    expected: { type: "refuse" },
  },
  {
    name: "refused",
    desired: inApi(pod()),
    observed: { refusal: { reason: "OutOfcpu", message: "", failAt: now, final: true } },
    expected: { type: "finish" },
  },
  {
    name: "Failed in the API but running on the backend",
    desired: inApi(pod({}, { phase: "Failed" })),
    observed: { ...created, backend: present(running) },
    expected: { type: "stop", gracePeriodSeconds: 30, failure: { reason: "Failed", message: "" } },
  },
  {
    name: "Failed in the API, stopped on the backend, which keeps what is left",
    desired: inApi(pod({}, { phase: "Failed" })),
    observed: { ...created, backend: present(waiting), deletion: { ...stopped, at: now - 1000 } },
    expected: { type: "none" },
  },
  {
    name: "this node ends it",
    desired: inApi(pod()),
    observed: { ...created, backend: present(running), nodeEnd: { failure } },
    expected: { type: "stop", gracePeriodSeconds: 30, failure },
  },
  {
    name: "this node ends it sooner than its own grace",
    desired: inApi(pod()),
    observed: { ...created, backend: present(running), nodeEnd: { failure, gracePeriodSeconds: 5 } },
    expected: { type: "stop", gracePeriodSeconds: 5, failure },
  },
  {
    name: "this node ends it, under way",
    desired: inApi(pod()),
    observed: { ...created, backend: present(running), nodeEnd: { failure }, deletion: stopped },
    expected: { type: "wait", until: now + 40_000 },
  },
  {
    name: "this node has ended it; one container never began",
    desired: inApi(pod()),
    observed: {
      ...created,
      backend: { type: "present", report: { ...report(ended, { ...waiting, name: "late" }), failure } },
      ...{ nodeEnd: { failure }, deletion: stopped },
    },
    expected: { type: "finish" },
  },
  {
    name: "deleted while this node ends it: what was to be kept goes",
    desired: inApi(pod(deleting)),
    observed: { ...created, backend: present(running), nodeEnd: { failure }, deletion: stopped },
    expected: { type: "delete", gracePeriodSeconds: 30, why: "deleted" },
  },
  {
    name: "gone from the API after this node ended it",
    desired: gone(pod()),
    observed: { ...created, backend: present(ended), deletion: { ...stopped, gracePeriodSeconds: 5 } },
    expected: { type: "delete", gracePeriodSeconds: 5, why: "deleted" },
  },
  {
    name: "this node ends it before it was created",
    desired: inApi(pod()),
    observed: { nodeEnd: { failure } },
    expected: { type: "finish" },
  },
  {
    name: "Succeeded, the backend keeps its record",
    desired: inApi(pod({}, { phase: "Succeeded" }, { restartPolicy: "Never" })),
    observed: { ...created, backend: present(ended) },
    expected: { type: "none" },
  },
  {
    name: "active deadline passed",
    desired: inApi(pod({}, { startTime: "2026-01-01T11:59:00Z" }, { activeDeadlineSeconds: 60 })),
    observed: { ...created, backend: present(running) },
    expected: { type: "exceedDeadline" },
  },
  {
    name: "active deadline to come",
    desired: inApi(pod({}, { startTime: "2026-01-01T11:59:30Z" }, { activeDeadlineSeconds: 60 })),
    observed: { ...created, backend: present(running) },
    expected: { type: "wait", until: now + 30_000 },
  },
  {
    name: "the backend wants it gone",
    desired: inApi(pod()),
    observed: {
      ...created,
      backend: { type: "present", report: { ...report(running), evict: { gracePeriodSeconds: 3 } } },
    },
    expected: { type: "evict", gracePeriodSeconds: 3 },
  },
  {
    name: "force-deleted while it runs",
    desired: gone(pod()),
    observed: { ...created, backend: present(running) },
    expected: { type: "delete", gracePeriodSeconds: 30, why: "deleted" },
  },
  {
    name: "orphan within its grace",
    desired: gone(undefined, false),
    observed: { create: "accepted", backend: present(running), orphanSince: now - 10_000 },
    expected: { type: "wait", until: now + 50_000 },
  },
  {
    name: "orphan that may be another cluster's",
    desired: gone(undefined, false),
    observed: {
      create: "accepted",
      backend: { type: "present", report: { ...report(running), clusterUnknown: true } },
      orphanSince: now - 60_000,
    },
    expected: { type: "none" },
  },
  {
    name: "orphan past its grace",
    desired: gone(undefined, false),
    observed: { create: "accepted", backend: present(running), orphanSince: now - 60_000 },
    expected: { type: "delete", gracePeriodSeconds: 30, why: "orphan" },
  },
  { name: "gone on both sides", desired: gone(pod()), observed: { ...created }, expected: { type: "forget" } },
  {
    name: "gone from the API, backend not asked",
    desired: gone(pod()),
    observed: { ...created, backend: { type: "unknown" } },
    expected: { type: "observe" },
  },
];

describe("plan", () => {
  for (const row of table)
    it(row.name, () => {
      const action = plan(row.desired, { ...fresh, ...row.observed }, now, { ...rules, ...row.rules });
      assert.deepEqual(action, row.expected);
    });

  const backends = fc.oneof(
    fc.constant({ type: "unknown" } as const),
    fc.constant({ type: "awaited", since: now - 5000 } as const),
    fc.constantFrom(present(running), present(ended), present()),
    fc.record({
      type: fc.constant("absent" as const),
      firstAt: fc.constantFrom(now - 60_000, now - 30_000, now - 1),
      lastAt: fc.constant(now),
    }),
  );
  const anyObserved = fc.record({
    backend: backends,
    create: fc.constantFrom("never", "unknown", "accepted"),
    createdAt: fc.constantFrom(0, now - 120_000, now - 1000),
    createNotBefore: fc.constantFrom(0, now - 1000, now + 1000),
    applied: fc.constantFrom(undefined, revisionOf(pod())),
    deletion: fc.constantFrom(undefined, { gracePeriodSeconds: 30, at: now - 1000 }),
    refusal: fc.constantFrom(undefined, { reason: "R", message: "m", failAt: now, final: true }),
    lost: fc.boolean(),
    nodeEnd: fc.constantFrom(undefined, { failure: { reason: "R", message: "m" } }),
    evicted: fc.boolean(),
    volumesDue: fc.boolean(),
    completionDue: fc.boolean(),
    volumesRevision: fc.constantFrom(undefined, revisionOf(pod())),
    orphanSince: fc.constantFrom(undefined, now - 100_000),
  });
  const anyPod = fc
    .record({
      deleted: fc.boolean(),
      phase: fc.constantFrom(undefined, "Pending", "Running", "Failed", "Succeeded"),
      ran: fc.boolean(),
    })
    .map(({ deleted, phase, ran }) =>
      pod(deleted ? deleting : {}, {
        ...(phase === undefined ? {} : { phase }),
        ...(ran ? { podIP: "10.0.0.1" } : {}),
      }),
    );

  it("creates only what was never accepted, never ran, is wanted and is not there", () => {
    fc.assert(
      fc.property(anyPod, fc.boolean(), anyObserved, (object, isIn, observed) => {
        const action = plan({ pod: object, inApi: isIn, wasInApi: true }, observed, now, rules);
        if (action.type !== "create") return;
        assert.equal(isIn, true);
        assert.notEqual(observed.create, "accepted");
        assert.equal(object.metadata.deletionTimestamp, undefined);
        assert.ok(object.status?.podIP === undefined);
        assert.ok(!["Failed", "Succeeded"].includes(object.status?.phase ?? ""));
        assert.equal(observed.backend.type, "absent");
      }),
    );
  });

  it("finishes a deletion only when nothing can run on the backend", () => {
    fc.assert(
      fc.property(anyPod, anyObserved, (object, observed) => {
        if (object.metadata.deletionTimestamp === undefined) return;
        const action = plan(inApi(object), observed, now, rules);
        if (action.type !== "finish") return;
        const { backend } = observed;
        if (backend.type === "present")
          assert.ok(backend.report.containers.every((container) => container.state.terminated !== undefined));
        else assert.equal(backend.type, "absent");
      }),
    );
  });

  it("loses only what was created or ran, after answers 30 s apart", () => {
    fc.assert(
      fc.property(anyPod, anyObserved, (object, observed) => {
        const action = plan(inApi(object), observed, now, rules);
        if (action.type !== "lose") return;
        assert.ok(observed.create === "accepted" || object.status?.podIP !== undefined);
        assert.ok(observed.backend.type === "absent" && observed.backend.lastAt - observed.backend.firstAt >= 30_000);
      }),
    );
  });
});
