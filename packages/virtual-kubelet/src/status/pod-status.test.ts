import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Stored } from "../kube/resource.ts";
import type { Container, ContainerState, ContainerStatus, Pod, PodSpec, PodStatus } from "../kube/types.gen.ts";
import type { ContainerReport, PodReport } from "../provider/pods.ts";
import type { PodSituation } from "./pod-situation.ts";
import { allTerminated, isTerminal, podStatus, type StatusInput } from "./pod-status.ts";
import { statusPatch } from "./status-patch.ts";

const now = Date.parse("2026-11-22T17:00:10.500Z");
const nowText = "2026-11-22T17:00:10Z";
const before = "2026-11-22T16:00:00Z";

const owner = { cluster: "c", node: "n", namespace: "ns", name: "p", uid: "u" };

function podOf(
  spec: Partial<PodSpec>,
  status: PodStatus = { phase: "Pending", qosClass: "Burstable" },
  meta: object = {},
): Stored<Pod> {
  const metadata = { name: "p", namespace: "ns", uid: "u", resourceVersion: "1", generation: 2, ...meta };
  return { metadata, spec: { containers: [{ name: "a", image: "img" }], ...spec }, status };
}

function reportOf(
  containers: Readonly<Record<string, ContainerState | ContainerReport>>,
  more: Partial<PodReport> = {},
): PodReport {
  const list = Object.entries(containers).map(
    ([name, one]): ContainerReport => ("state" in one ? { ...one, name } : { name, state: one }),
  );
  return { owner, containers: list, ...more };
}

function statusOf(pod: Stored<Pod>, situation: PodSituation, more: Partial<StatusInput> = {}): PodStatus {
  return podStatus({ pod, situation, now, nodeIPs: ["10.0.0.1"], ...more });
}

const reported = (report: PodReport): PodSituation => ({ type: "reported", report });
const exited = (exitCode: number): ContainerState => ({ terminated: { exitCode } });
const running: ContainerState = { running: { startedAt: before } };
const waiting: ContainerState = { waiting: { reason: "ContainerCreating" } };
const crashing = (exitCode: number): ContainerReport => ({
  name: "",
  state: { waiting: { reason: "CrashLoopBackOff" } },
  lastState: { terminated: { exitCode } },
});

const condition = (status: PodStatus, type: string) => status.conditions?.find((one) => one.type === type);
const verdict = (status: PodStatus, type: string): string => {
  const { status: value, reason = "", message = "" } = condition(status, type) ?? { status: "-" };
  return [value, reason, message].join("|");
};
const container = (status: PodStatus, name: string): ContainerStatus | undefined =>
  [status.initContainerStatuses, status.containerStatuses, status.ephemeralContainerStatuses]
    .flatMap((list) => list ?? [])
    .find((one) => one.name === name);

const ab: readonly Container[] = [
  { name: "b", image: "img" },
  { name: "a", image: "img" },
];
const withInit: Partial<PodSpec> = { initContainers: [{ name: "i" }], restartPolicy: "Never" };
const sidecar: Container = { name: "s", restartPolicy: "Always" };

describe("phase", () => {
  type Row = readonly [string, Partial<PodSpec>, Parameters<typeof reportOf>[0], string];
  const rows: readonly Row[] = [
    ["nothing shown", {}, {}, "Pending"],
    ["main waiting", {}, { a: waiting }, "Pending"],
    ["one of two waiting", { containers: ab }, { a: running, b: waiting }, "Pending"],
    ["running", {}, { a: running }, "Running"],
    ["Always: exited 0", { restartPolicy: "Always" }, { a: exited(0) }, "Running"],
    ["Always: crash loop", { restartPolicy: "Always" }, { a: crashing(1) }, "Running"],
    ["OnFailure: failed", { restartPolicy: "OnFailure" }, { a: exited(1) }, "Running"],
    ["OnFailure: done", { restartPolicy: "OnFailure" }, { a: exited(0) }, "Succeeded"],
    ["Never: done", { restartPolicy: "Never" }, { a: exited(0) }, "Succeeded"],
    ["Never: failed", { restartPolicy: "Never" }, { a: exited(3) }, "Failed"],
    ["Never: one failed", { restartPolicy: "Never", containers: ab }, { a: exited(0), b: exited(1) }, "Failed"],
    ["Never: one still runs", { restartPolicy: "Never", containers: ab }, { a: exited(1), b: running }, "Running"],
    ["init runs", withInit, { i: running }, "Pending"],
    ["init failed, Never", withInit, { i: exited(1) }, "Failed"],
    ["init failed, OnFailure", { ...withInit, restartPolicy: "OnFailure" }, { i: exited(1), a: waiting }, "Pending"],
    ["init back-off", { ...withInit, restartPolicy: "Always" }, { i: crashing(1), a: waiting }, "Pending"],
    ["init done, main waits", withInit, { i: exited(0), a: waiting }, "Pending"],
    [
      "sidecar not started",
      { initContainers: [sidecar] },
      { s: { name: "", state: running, started: false } },
      "Pending",
    ],
    [
      "sidecar started again",
      { initContainers: [sidecar] },
      { s: { name: "", state: running, started: false }, a: running },
      "Running",
    ],
    [
      "sidecar runs after Never main",
      { initContainers: [sidecar], restartPolicy: "Never" },
      { s: running, a: exited(0) },
      "Running",
    ],
    [
      "sidecar exit does not count",
      { initContainers: [sidecar], restartPolicy: "Never" },
      { s: exited(137), a: exited(0) },
      "Succeeded",
    ],
    [
      "Never, but container Always",
      { restartPolicy: "Never", containers: [{ name: "a", restartPolicy: "Always" }] },
      { a: exited(0) },
      "Running",
    ],
    [
      "Always, but container Never",
      { restartPolicy: "Always", containers: [{ name: "a", restartPolicy: "Never" }] },
      { a: exited(1) },
      "Failed",
    ],
    [
      "Always, but container OnFailure",
      { containers: [{ name: "a", restartPolicy: "OnFailure" }] },
      { a: exited(0) },
      "Succeeded",
    ],
  ];
  const rule = (operator: string, action = "Restart"): Partial<PodSpec> => ({
    restartPolicy: "Never",
    containers: [
      { name: "a", restartPolicy: "Never", restartPolicyRules: [{ action, exitCodes: { operator, values: [42] } }] },
    ],
  });
  const ruleRows: readonly Row[] = [
    ["rule In matches", rule("In"), { a: exited(42) }, "Running"],
    ["rule In does not match", rule("In"), { a: exited(1) }, "Failed"],
    ["rule NotIn matches", rule("NotIn"), { a: exited(1) }, "Running"],
    ["rule restarts all", rule("In", "RestartAllContainers"), { a: exited(42) }, "Running"],
  ];
  for (const [name, spec, containers, phase] of [...rows, ...ruleRows]) {
    it(`${name}: ${phase}`, () => {
      const pod = podOf(spec);
      const report = reportOf(containers);
      const status = statusOf(pod, reported(report));
      assert.equal(status.phase, phase);
      assert.equal(allTerminated(pod, report), isTerminal(status));
    });
  }

  it("is not terminal while a container may still run", () => {
    const spec: Partial<PodSpec> = { initContainers: [sidecar, { name: "i" }], restartPolicy: "Never" };
    const report = reportOf({ s: running, i: exited(1), a: waiting });
    assert.equal(statusOf(podOf(spec), reported(report)).phase, "Pending");
    assert.equal(allTerminated(podOf(spec), report), false);
    const debugged = podOf({ restartPolicy: "Never", ephemeralContainers: [{ name: "d" }] });
    assert.equal(statusOf(debugged, reported(reportOf({ a: exited(0), d: running }))).phase, "Running");
    const evicted = reportOf({ a: running }, { failure: { reason: "Spot", message: "m" } });
    assert.equal(statusOf(podOf({}), reported(evicted)).phase, "Running");
  });

  it("never leaves Succeeded or Failed, nor loses their reason", () => {
    for (const phase of ["Succeeded", "Failed"]) {
      const pod = podOf({}, { phase, reason: "R", message: "M" });
      const lost: PodSituation = { type: "lost", report: undefined };
      for (const situation of [{ type: "accepted" } as const, reported(reportOf({ a: running })), lost]) {
        const { reason, message, phase: next } = statusOf(pod, situation);
        assert.deepEqual({ phase: next, reason, message }, { phase, reason: "R", message: "M" });
      }
    }
  });

  it("says why the backend ended the pod", () => {
    const report = reportOf({ a: exited(137) }, { failure: { reason: "Evicted", message: "spot reclaimed" } });
    const { phase, reason, message } = statusOf(podOf({}), reported(report));
    assert.deepEqual([phase, reason, message], ["Failed", "Evicted", "spot reclaimed"]);
    const never = { reason: "Evicted", message: "m", disruption: "TerminationByKubelet" };
    const unbegun = statusOf(
      podOf({ containers: ab }),
      reported(reportOf({ a: exited(1), b: waiting }, { failure: never })),
    );
    const late = container(unbegun, "b")?.state?.terminated;
    assert.deepEqual([late?.exitCode, late?.reason], [137, "ContainerStatusUnknown"]);
    const waited = reportOf({ a: crashing(1) }, { failure: { reason: "Evicted", message: "m" } });
    assert.equal(statusOf(podOf({}), reported(waited)).containerStatuses?.[0]?.state?.terminated?.exitCode, 1);
  });

  it("shows a sidecar that is gone when the pod ends as ended, nobody knows how", () => {
    const spec: Partial<PodSpec> = { restartPolicy: "Never", initContainers: [{ name: "s", restartPolicy: "Always" }] };
    const up = statusOf(podOf(spec), reported(reportOf({ s: running, a: running })));
    const over = statusOf(podOf(spec, up), reported(reportOf({ s: waiting, a: exited(0) })));
    assert.equal(over.phase, "Succeeded");
    const end = container(over, "s")?.state?.terminated;
    assert.deepEqual([end?.exitCode, end?.reason], [137, "ContainerStatusUnknown"]);
    // One that will run again is waiting, and its last end is not known.
    const alive = statusOf(podOf(spec, up), reported(reportOf({ s: waiting, a: running })));
    assert.ok(container(alive, "s")?.state?.waiting);
    assert.equal(container(alive, "s")?.lastState?.terminated?.exitCode, 137);
  });

  it("says of pods that may start over whether they do", () => {
    const rule = { action: "RestartAllContainers", exitCodes: { operator: "In", values: [42] } };
    const containers = [{ name: "a", restartPolicy: "Never", restartPolicyRules: [rule] }];
    const told = (report: PodReport) =>
      verdict(statusOf(podOf({ containers }), reported(report)), "AllContainersRestarting");
    assert.equal(told(reportOf({ a: running })), "False||");
    const text = "True|RestartAllContainersStarted|container exited with restart policy rule";
    assert.equal(told(reportOf({ a: running }, { restartingAll: true })), text);
    assert.equal(told(reportOf({ a: exited(1) })), "False|PodFailed|");
    assert.equal(verdict(statusOf(podOf({}), reported(reportOf({ a: running }))), "AllContainersRestarting"), "-||");
  });

  it("tells at once that this node ends the pod for its own sake", () => {
    const failure = { reason: "Terminated", message: "m", disruption: "TerminationByKubelet" };
    const status = statusOf(podOf({}), reported(reportOf({ a: running })), { failure });
    assert.equal(status.phase, "Running");
    assert.equal(verdict(status, "DisruptionTarget"), "True|TerminationByKubelet|m");
  });

  it("is DeadlineExceeded once the containers have stopped", () => {
    const spec = { activeDeadlineSeconds: 5 };
    const late = (situation: PodSituation) =>
      statusOf(podOf(spec), situation, { failure: { reason: "DeadlineExceeded", message: "too long" } });
    assert.equal(late(reported(reportOf({ a: running }))).phase, "Running");
    assert.equal(late(reported(reportOf({ a: running }))).reason, undefined);
    for (const situation of [reported(reportOf({ a: exited(0) })), { type: "ended", report: undefined } as const]) {
      const { phase, reason, message } = late(situation);
      assert.deepEqual([phase, reason, message], ["Failed", "DeadlineExceeded", "too long"]);
    }
  });
});

describe("deletion", () => {
  const deleted = { deletionTimestamp: nowText, deletionGracePeriodSeconds: 30, generation: 3 };
  const pod = (spec: Partial<PodSpec> = {}, status?: PodStatus): Stored<Pod> => podOf(spec, status, deleted);

  it("ends a pod that would restart, by exit codes", () => {
    assert.equal(statusOf(pod(), reported(reportOf({ a: exited(0) }))).phase, "Succeeded");
    assert.equal(statusOf(pod(), reported(reportOf({ a: exited(143) }))).phase, "Failed");
    assert.equal(statusOf(pod(), reported(reportOf({ a: running }))).phase, "Running");
    assert.equal(allTerminated(pod(), reportOf({ a: exited(143) })), true);
  });

  it("does not take a container in back-off for stopped: the backend may start it until it was told", () => {
    assert.equal(statusOf(pod(), reported(reportOf({ a: crashing(1) }))).phase, "Running");
    assert.equal(allTerminated(pod(), reportOf({ a: crashing(1) })), false);
  });

  it("follows the generation that the deletion raised", () => {
    assert.equal(statusOf(pod(), reported(reportOf({ a: running }))).observedGeneration, 3);
  });

  it("ends with everything terminated once the backend says gone", () => {
    const status = statusOf(pod({ containers: ab }), { type: "ended", report: reportOf({ a: running, b: exited(0) }) });
    assert.equal(status.phase, "Failed");
    const end = container(status, "a")?.state?.terminated;
    assert.deepEqual([end?.exitCode, end?.reason, end?.startedAt], [137, "ContainerStatusUnknown", before]);
    assert.equal(container(status, "b")?.state?.terminated?.exitCode, 0);
    const good = statusOf(pod({ containers: ab }), { type: "ended", report: reportOf({ a: exited(0), b: exited(0) }) });
    assert.equal(good.phase, "Succeeded");
  });

  it("fails a pod that never started", () => {
    const status = statusOf(pod(withInit), { type: "ended", report: undefined });
    assert.equal(status.phase, "Failed");
    assert.ok(container(status, "a")?.state?.waiting, "a container that cannot have begun is not said to have ended");
    assert.equal(statusOf(pod(), { type: "ended", report: undefined }).phase, "Failed");
  });
});

describe("lost pod", () => {
  it("fails, with what had run ended by 137", () => {
    const spec: Partial<PodSpec> = { containers: ab, initContainers: [{ name: "i" }] };
    const status = statusOf(podOf(spec), { type: "lost", report: reportOf({ i: exited(0), a: running, b: waiting }) });
    assert.deepEqual([status.phase, status.reason], ["Failed", "ProviderLostPod"]);
    assert.equal(container(status, "i")?.state?.terminated?.exitCode, 0);
    assert.equal(container(status, "a")?.state?.terminated?.exitCode, 137);
    assert.equal(container(status, "a")?.state?.terminated?.reason, "ContainerStatusUnknown");
    assert.ok(container(status, "b")?.state?.waiting);
    assert.equal(verdict(status, "Ready"), "False|PodFailed|");
  });

  it("takes the API's word for what ran, without a report", () => {
    const running = statusOf(podOf({}), reported(reportOf({ a: { running: { startedAt: before } } })));
    const status = statusOf(podOf({}, running), { type: "lost", report: undefined });
    assert.equal(container(status, "a")?.state?.terminated?.exitCode, 137);
  });

  it("that had finished before keeps its result", () => {
    const report = reportOf({ a: exited(0) });
    assert.equal(statusOf(podOf({ restartPolicy: "Never" }), { type: "lost", report }).phase, "Succeeded");
  });
});

describe("before the backend", () => {
  it("shows waiting containers", () => {
    const status = statusOf(podOf({ containers: ab }), { type: "accepted" });
    assert.equal(status.phase, "Pending");
    assert.deepEqual(status.containerStatuses?.[0], {
      name: "a",
      image: "img",
      imageID: "",
      state: { waiting: { reason: "ContainerCreating" } },
      lastState: {},
      ready: false,
      started: false,
      restartCount: 0,
      resources: {},
    });
    const status2 = statusOf(podOf(withInit), { type: "accepted" });
    for (const name of ["i", "a"]) assert.equal(container(status2, name)?.state?.waiting?.reason, "PodInitializing");
    assert.equal(
      verdict(status2, "Initialized"),
      "False|ContainersNotInitialized|containers with incomplete status: [i]",
    );
    assert.equal(verdict(status2, "PodReadyToStartContainers"), "False||");
  });

  it("leaves a running pod as it is until the first report of this process", () => {
    const report = reportOf({ a: { name: "a", state: running, containerID: "t://1" } }, { podIPs: ["10.1.0.1"] });
    const first = statusOf(podOf({}), reported(report));
    for (const situation of [{ type: "accepted" } as const, { type: "providerFailed", message: "m" } as const]) {
      const next = statusOf(podOf({}, first), situation);
      assert.equal(next.phase, "Running");
      assert.deepEqual(next.containerStatuses, first.containerStatuses);
      assert.deepEqual(next.conditions, first.conditions);
      assert.deepEqual(next.podIPs, first.podIPs);
    }
  });

  it("shows of a pod that waits for what it refers to which container lacks what", () => {
    const fault = (name: string, of?: string) => ({
      ...{ field: "spec.x", reason: "R", message: `${name} not found` },
      ...(of === undefined ? {} : { container: of }),
    });
    const spec = { containers: ab, initContainers: [{ name: "i" }] };
    const lacking = statusOf(podOf(spec), { type: "unresolved", faults: [fault("one", "a"), fault("two", "a")] });
    assert.deepEqual([lacking.phase, lacking.reason, lacking.startTime], ["Pending", undefined, nowText]);
    const states = (status: PodStatus) => ["i", "a", "b"].map((name) => container(status, name)?.state?.waiting);
    const initializing = { reason: "PodInitializing" };
    assert.deepEqual(states(lacking), [
      initializing,
      { reason: "CreateContainerConfigError", message: "one not found" },
      initializing,
    ]);
    assert.equal(verdict(lacking, "PodReadyToStartContainers"), "False||");
    assert.equal(verdict(lacking, "Ready"), "False|ContainersNotReady|containers with unready status: [b a]");
    // Without its volumes no container of it is made.
    const mounting = statusOf(podOf(spec, lacking), { type: "unresolved", faults: [fault("one", "a"), fault("v")] });
    assert.deepEqual(states(mounting), [initializing, initializing, initializing]);
    const accepted = statusOf(podOf(spec, lacking), { type: "accepted" });
    assert.deepEqual(states(accepted), [initializing, initializing, initializing]);
  });

  it("tells a provider's failure and forgets it afterwards", () => {
    const failed = statusOf(podOf({}), { type: "providerFailed", message: "quota" });
    assert.deepEqual([failed.phase, failed.reason, failed.message], ["Pending", "ProviderFailed", "quota"]);
    const later = statusOf(podOf({}, failed), reported(reportOf({ a: running })));
    assert.deepEqual([later.phase, later.reason, later.message], ["Running", undefined, undefined]);
  });

  it("says of the container in the way what a kubelet would, where the provider has a word for it", () => {
    const two = podOf({ containers: ["a", "b"].map((name) => ({ name, image: "i" })) });
    const waiting = { reason: "ErrImagePull", container: "b" };
    const failed = statusOf(two, { type: "providerFailed", message: "no such image", waiting });
    assert.deepEqual(
      failed.containerStatuses?.map(({ state }) => state?.waiting),
      [{ reason: "ContainerCreating" }, { reason: "ErrImagePull", message: "no such image" }],
    );
    assert.equal(failed.reason, "ProviderFailed");
  });

  it("refuses with reason and message, and nothing of containers", () => {
    const refused = statusOf(podOf({}), { type: "refused", reason: "OutOfcpu", message: "Pod was rejected: x" });
    assert.deepEqual([refused.phase, refused.reason, refused.message], ["Failed", "OutOfcpu", "Pod was rejected: x"]);
    assert.equal(refused.containerStatuses, undefined);
    assert.equal(refused.qosClass, "Burstable");
    assert.equal(verdict(refused, "Ready"), "False|PodFailed|");
    assert.equal(condition(refused, "Initialized"), undefined);
    const held = statusOf(podOf({}), { type: "held", reason: "OutOfcpu", message: "m" });
    assert.deepEqual([held.phase, held.reason, held.message], ["Pending", "OutOfcpu", "m"]);
  });
});

describe("fields", () => {
  it("keep the first start time, the API's QoS class and whole seconds", () => {
    const startTime = "2026-11-22T16:59:59.999Z";
    assert.equal(statusOf(podOf({}), { type: "accepted" }).startTime, nowText);
    assert.equal(statusOf(podOf({}), { type: "accepted" }, { startTime }).startTime, "2026-11-22T16:59:59Z");
    const report = reportOf({ a: { running: { startedAt: "2026-11-22T18:00:00.123+01:00" } } }, { startTime });
    const status = statusOf(podOf({}), reported(report));
    assert.equal(status.startTime, "2026-11-22T16:59:59Z");
    assert.equal(container(status, "a")?.state?.running?.startedAt, "2026-11-22T17:00:00Z");
    const kept = statusOf(podOf({}, { startTime: before, qosClass: "Guaranteed" }), reported(report), { startTime });
    assert.deepEqual([kept.startTime, kept.qosClass], [before, "Guaranteed"]);
  });

  it("give addresses: node's, pod's, one of each family", () => {
    const report = reportOf({ a: running }, { podIPs: ["10.1.0.1", "10.1.0.2", "fd00::1", "nonsense"] });
    const status = statusOf(podOf({}), reported(report), { nodeIPs: ["10.0.0.1", "fd00::9"] });
    assert.deepEqual(status.podIPs, [{ ip: "10.1.0.1" }, { ip: "fd00::1" }]);
    assert.equal(status.podIP, "10.1.0.1");
    assert.deepEqual(status.hostIPs, [{ ip: "10.0.0.1" }, { ip: "fd00::9" }]);
    assert.equal(status.hostIP, "10.0.0.1");
    const host = statusOf(podOf({ hostNetwork: true }), reported(reportOf({ a: running })));
    assert.deepEqual([host.podIP, host.podIPs], ["10.0.0.1", [{ ip: "10.0.0.1" }]]);
    const elsewhere = statusOf(podOf({}), reported(reportOf({ a: running }, { hostIPs: ["10.9.9.9"] })));
    assert.equal(elsewhere.hostIP, "10.9.9.9");
    const gone = statusOf(podOf({ restartPolicy: "Never" }, status), reported(reportOf({ a: exited(0) })));
    assert.equal(gone.podIP, "10.1.0.1");
  });

  it("observe the generation, on each condition too, and never go back", () => {
    const status = statusOf(podOf({}), reported(reportOf({ a: running })));
    assert.equal(status.observedGeneration, 2);
    assert.ok(status.conditions?.every((one) => one.observedGeneration === 2));
    assert.equal(statusOf(podOf({}, { observedGeneration: 7 }), { type: "accepted" }).observedGeneration, 7);
  });

  it("tell of the resources that the pod has as a whole, as they are in force", () => {
    const of = (cpu: string) => ({ containers: ab, resources: { requests: { cpu }, limits: { cpu: "4" } } });
    const shown = ({ resources, allocatedResources }: PodStatus) => [resources?.requests?.["cpu"], allocatedResources];
    const first = statusOf(podOf(of("1")), reported(reportOf({ a: running, b: running })));
    assert.deepEqual(shown(first), ["1", { cpu: "1" }]);
    assert.equal(first.resources?.limits?.["cpu"], "4");
    const waits = reportOf({ a: running, b: running }, { resize: { state: "deferred" } });
    const second = statusOf(podOf(of("2"), first), reported(waits));
    assert.deepEqual(shown(second), ["1", { cpu: "1" }]);
    assert.deepEqual(shown(statusOf(podOf(of("2"), second), reported(reportOf({ a: running, b: running })))), [
      "2",
      { cpu: "2" },
    ]);
    assert.deepEqual(shown(statusOf(podOf({}), reported(reportOf({ a: running })))), [undefined, undefined]);
  });

  it("sort containers by name and init containers by the spec", () => {
    const initContainers = [{ name: "z" }, { name: "y" }];
    const ephemeralContainers = [{ name: "x" }, { name: "w" }];
    const status = statusOf(podOf({ containers: ab, initContainers, ephemeralContainers }), { type: "accepted" });
    const names = (list: readonly ContainerStatus[] | undefined) => list?.map((one) => one.name);
    assert.deepEqual(names(status.containerStatuses), ["a", "b"]);
    assert.deepEqual(names(status.initContainerStatuses), ["z", "y"]);
    assert.deepEqual(names(status.ephemeralContainerStatuses), ["w", "x"]);
  });
});

describe("container status", () => {
  it("tells of users, of signals that were asked for, and of mounts that are read-only all the way down", () => {
    const mount = (name: string, recursiveReadOnly?: string) => ({
      ...{ name, mountPath: `/${name}`, readOnly: true },
      ...(recursiveReadOnly === undefined ? {} : { recursiveReadOnly }),
    });
    const volumeMounts = [mount("m"), mount("n", "IfPossible"), mount("o", "Enabled")];
    const one = { name: "a", image: "i", volumeMounts, lifecycle: { stopSignal: "SIGUSR1" } };
    const user = { linux: { uid: 1, gid: 2, supplementalGroups: [3] } };
    const report = reportOf({ a: { name: "a", state: running, containerID: "t://1", user } });
    const shown = (recursiveReadOnly?: boolean) => {
      const input = recursiveReadOnly === undefined ? {} : { recursiveReadOnly };
      return statusOf(podOf({ containers: [one] }), reported(report), input).containerStatuses?.[0];
    };
    assert.deepEqual([shown()?.user, shown()?.stopSignal], [user, "SIGUSR1"]);
    const recursive = (can?: boolean) => shown(can)?.volumeMounts?.map((each) => each.recursiveReadOnly);
    assert.deepEqual(recursive(), ["Disabled", "Disabled", "Enabled"]);
    assert.deepEqual(recursive(true), ["Disabled", "Enabled", "Enabled"]);
  });

  const spec: Partial<PodSpec> = {
    containers: [
      {
        name: "a",
        image: "img",
        resources: { requests: { cpu: "100m" }, limits: { cpu: "1" } },
        volumeMounts: [
          { name: "v", mountPath: "/v", readOnly: true, subPath: "x" },
          { name: "w", mountPath: "/w" },
        ],
      },
    ],
  };

  it("has all that is known", () => {
    const one: ContainerReport = {
      name: "a",
      state: running,
      image: "registry.example/img:1",
      imageID: "img@sha256:1",
      containerID: "t://1",
      restartCount: 2,
      lastState: { terminated: { exitCode: 1, finishedAt: before } },
    };
    assert.deepEqual(statusOf(podOf(spec), reported(reportOf({ a: one }))).containerStatuses, [
      {
        name: "a",
        image: "registry.example/img:1",
        imageID: "img@sha256:1",
        containerID: "t://1",
        state: running,
        lastState: { terminated: { exitCode: 1, reason: "Error", finishedAt: before } },
        ready: true,
        started: true,
        restartCount: 2,
        allocatedResources: { cpu: "100m" },
        resources: { requests: { cpu: "100m" }, limits: { cpu: "1" } },
        volumeMounts: [
          { name: "v", mountPath: "/v", readOnly: true, recursiveReadOnly: "Disabled" },
          { name: "w", mountPath: "/w" },
        ],
      },
    ]);
  });

  it("is ready when running, started, and not said to be unready", () => {
    const rows: readonly (readonly [Partial<ContainerReport>, boolean, boolean])[] = [
      [{}, true, true],
      [{ started: false }, false, false],
      [{ started: false, ready: true }, false, false],
      [{ ready: false }, true, false],
      [{ state: exited(0), ready: true, started: true }, false, false],
      [{ state: waiting, ready: true, started: true }, false, false],
    ];
    for (const [one, started, ready] of rows) {
      const status = statusOf(podOf({}), reported(reportOf({ a: { name: "a", state: running, ...one } })));
      assert.deepEqual([container(status, "a")?.started, container(status, "a")?.ready], [started, ready]);
    }
  });

  it("of a plain init container is ready after exit 0; of an ephemeral one never, nor started", () => {
    const pod = podOf({ initContainers: [{ name: "i" }], ephemeralContainers: [{ name: "e" }] });
    assert.equal(container(statusOf(pod, reported(reportOf({ i: running }))), "i")?.ready, false);
    const status = statusOf(pod, reported(reportOf({ i: exited(0), a: running, e: running })));
    assert.equal(container(status, "i")?.ready, true);
    assert.equal(container(status, "e")?.ready, false);
    assert.equal(container(status, "e")?.started, undefined);
  });

  it("names the end: reason, capped message, the container's id, times", () => {
    const end = { exitCode: 2, message: `${"é".repeat(3000)}` };
    const report = reportOf({ a: { name: "a", state: { terminated: end }, containerID: "t://1" } });
    const terminated = container(statusOf(podOf({}), reported(report)), "a")?.state?.terminated;
    assert.deepEqual(
      { ...terminated, message: "" },
      { exitCode: 2, reason: "Error", message: "", containerID: "t://1", finishedAt: nowText },
    );
    assert.equal(terminated?.message, "é".repeat(2048));
    const fine = statusOf(podOf({}), reported(reportOf({ a: exited(0) })));
    assert.equal(container(fine, "a")?.state?.terminated?.reason, "Completed");
  });

  it("keeps what is final in the API", () => {
    const rows: readonly (readonly [Partial<PodSpec>, number, boolean])[] = [
      [{ restartPolicy: "Never" }, 0, true],
      [{ restartPolicy: "Never" }, 1, true],
      [{ restartPolicy: "OnFailure" }, 0, true],
      [{ restartPolicy: "OnFailure" }, 1, false],
      [{ restartPolicy: "Always" }, 0, false],
      [{ restartPolicy: "Never", containers: [{ name: "a", restartPolicy: "OnFailure" }] }, 1, false],
    ];
    for (const [more, exitCode, final] of rows) {
      const spec = { containers: [...(more.containers ?? [{ name: "a" }]), { name: "b" }], ...more };
      const pod = podOf({ ...spec, containers: [...(more.containers ?? [{ name: "a" }]), { name: "b" }] });
      const ended = statusOf(pod, reported(reportOf({ a: exited(exitCode), b: running })));
      for (const state of [running, waiting]) {
        const status = statusOf({ ...pod, status: ended }, reported(reportOf({ a: state, b: running })));
        const after = container(status, "a")?.state;
        if (final) assert.deepEqual(after, container(ended, "a")?.state);
        else assert.equal(after?.terminated, undefined);
        // The end of the run before is not forgotten.
        if (!final) assert.equal(container(status, "a")?.lastState?.terminated?.exitCode, exitCode);
      }
    }
    const debug = podOf({ ephemeralContainers: [{ name: "e" }] });
    const ended = statusOf(debug, reported(reportOf({ a: running, e: exited(0) })));
    const status = statusOf({ ...debug, status: ended }, reported(reportOf({ a: running, e: running })));
    assert.equal(container(status, "e")?.state?.terminated?.exitCode, 0);
  });

  it("that had run and is no longer shown ended in an unknown way", () => {
    const pod = podOf({ containers: ab });
    const first = statusOf(pod, reported(reportOf({ a: running, b: running })));
    const status = statusOf({ ...pod, status: first }, reported(reportOf({ b: running })));
    assert.equal(container(status, "a")?.state?.terminated?.exitCode, 137);
  });

  it("of an init container that the backend has cleaned up is a success once a main container has run", () => {
    const status = statusOf(podOf(withInit), reported(reportOf({ a: running })));
    assert.deepEqual([status.phase, container(status, "i")?.state?.terminated?.exitCode], ["Running", 0]);
    assert.equal(verdict(status, "Initialized"), "True||");
  });

  it("counts restarts where the backend does not, and tells the runs apart", () => {
    const pod = podOf({ restartPolicy: "Always" });
    const first = statusOf(pod, reported(reportOf({ a: { name: "a", state: running, containerID: "t://1" } })));
    const ended = statusOf({ ...pod, status: first }, reported(reportOf({ a: exited(1) })));
    assert.equal(container(ended, "a")?.state?.terminated?.containerID, "t://1");
    assert.equal(container(ended, "a")?.state?.terminated?.startedAt, before);
    const second = statusOf({ ...pod, status: ended }, reported(reportOf({ a: { running: {} } })));
    assert.deepEqual([container(second, "a")?.restartCount, container(second, "a")?.containerID], [1, undefined]);
    assert.equal(container(second, "a")?.state?.running?.startedAt, nowText);
    const third = statusOf({ ...pod, status: second }, reported(reportOf({ a: { running: {} } })), { now: now + 9000 });
    assert.deepEqual(
      [container(third, "a")?.restartCount, container(third, "a")?.state],
      [1, container(second, "a")?.state],
    );
  });

  it("never counts restarts backwards", () => {
    const first = statusOf(podOf({}), reported(reportOf({ a: { name: "a", state: running, restartCount: 3 } })));
    const status = statusOf(
      podOf({}, first),
      reported(reportOf({ a: { name: "a", state: running, restartCount: 0 } })),
    );
    assert.equal(container(status, "a")?.restartCount, 3);
  });
});

describe("conditions", () => {
  it("of a running pod are all true", () => {
    const status = statusOf(podOf({}), reported(reportOf({ a: running }, { podIPs: ["10.1.0.1"] })));
    for (const type of ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]) {
      assert.equal(verdict(status, type), "True||", type);
    }
  });

  it("name the containers that hold it back, sidecars too", () => {
    const spec = { containers: ab, initContainers: [sidecar, { name: "i" }] };
    const unready: ContainerReport = { name: "", state: running, ready: false };
    const status = statusOf(podOf(spec), reported(reportOf({ s: unready, i: exited(0), a: unready, b: running })));
    assert.equal(verdict(status, "ContainersReady"), "False|ContainersNotReady|containers with unready status: [s a]");
    assert.equal(verdict(status, "Ready"), verdict(status, "ContainersReady"));
  });

  it("end with the pod", () => {
    const never = podOf({ restartPolicy: "Never" });
    const done = statusOf(never, reported(reportOf({ a: exited(0) })));
    assert.equal(verdict(done, "Initialized"), "True|PodCompleted|");
    assert.equal(verdict(done, "Ready"), "False|PodCompleted|");
    assert.equal(verdict(done, "ContainersReady"), "False|PodCompleted|");
    const failed = statusOf(never, reported(reportOf({ a: exited(1) })));
    assert.equal(verdict(failed, "Ready"), "False|PodFailed|");
    assert.equal(verdict(failed, "ContainersReady"), "False|PodFailed|");
  });

  it("Initialized never goes back", () => {
    const initialized = { conditions: [{ type: "Initialized", status: "True", lastTransitionTime: before }] };
    const status = statusOf(
      podOf({ ...withInit, restartPolicy: "Always" }, initialized),
      reported(reportOf({ i: running })),
    );
    assert.deepEqual(
      [condition(status, "Initialized")?.status, condition(status, "Initialized")?.lastTransitionTime],
      ["True", before],
    );
  });

  it("Initialized stands once a main container has run, whatever a sidecar does", () => {
    const pod = podOf({ initContainers: [sidecar] });
    const starting: ContainerReport = { name: "", state: running, started: false };
    assert.equal(verdict(statusOf(pod, reported(reportOf({ s: starting, a: running }))), "Initialized"), "True||");
    assert.equal(
      verdict(statusOf(pod, reported(reportOf({ s: starting }))), "Initialized"),
      "False|ContainersNotInitialized|containers with incomplete status: [s]",
    );
  });

  it("move lastTransitionTime only with the status", () => {
    const old = { type: "Ready", lastTransitionTime: before };
    const report = reported(reportOf({ a: running }));
    const time = (status: string) =>
      condition(statusOf(podOf({}, { conditions: [{ ...old, status }] }), report), "Ready")?.lastTransitionTime;
    assert.equal(time("True"), before);
    assert.equal(time("False"), nowText);
    assert.equal(time("Unknown"), nowText);
  });

  it("wait for readiness gates and for the backend", () => {
    const spec = { readinessGates: [{ conditionType: "x.io/a" }, { conditionType: "x.io/b" }] };
    const gates = (...states: string[]): PodStatus => ({
      conditions: states.map((status, index) => ({ type: index === 0 ? "x.io/a" : "x.io/b", status })),
    });
    const report = reportOf({ a: running });
    const ready = (status: PodStatus) => verdict(statusOf(podOf(spec, status), reported(report)), "Ready");
    assert.equal(ready(gates("True", "True")), "True||");
    assert.equal(
      ready(gates("False")),
      'False|ReadinessGatesNotReady|the status of pod readiness gate "x.io/a" is not "True", but False, ' +
        'corresponding condition of pod readiness gate "x.io/b" does not exist.',
    );
    const held = statusOf(podOf({}), reported({ ...report, ready: false }));
    assert.equal(verdict(held, "ContainersReady"), "True||");
    assert.match(verdict(held, "Ready"), /^False\|ProviderNotReady\|/);
  });

  it("of others are not in it", () => {
    const conditions = [
      { type: "x.io/a", status: "True" },
      { type: "DisruptionTarget", status: "True" },
    ];
    const status = statusOf(podOf({}, { conditions }), reported(reportOf({ a: running })));
    assert.ok(!status.conditions?.some(({ type }) => type === "x.io/a" || type === "DisruptionTarget"));
  });

  it("PodReadyToStartContainers follows the sandbox", () => {
    const of = (report: PodReport) => verdict(statusOf(podOf({}), reported(report)), "PodReadyToStartContainers");
    assert.equal(of(reportOf({ a: waiting })), "False||");
    assert.equal(of(reportOf({ a: waiting }, { podIPs: ["10.1.0.1"] })), "True||");
    assert.equal(of(reportOf({ a: waiting }, { sandboxReady: true })), "True||");
    assert.equal(of(reportOf({ a: running }, { sandboxReady: false })), "False||");
  });
});

describe("any history", () => {
  const state = fc.constantFrom(running, waiting, exited(0), exited(1));
  const one = (name: string): fc.Arbitrary<ContainerReport | undefined> =>
    fc.option(
      fc.record(
        { name: fc.constant(name), state, restartCount: fc.nat(2), containerID: fc.constantFrom("t://1", "t://2") },
        { requiredKeys: ["name", "state"], noNullPrototype: true },
      ),
      { nil: undefined },
    );
  const report: fc.Arbitrary<PodReport> = fc
    .tuple(one("a"), one("b"), one("i"), one("s"))
    .map((list) => ({ owner, containers: list.filter((entry) => entry !== undefined) }));
  const situation: fc.Arbitrary<PodSituation> = fc.oneof(
    fc.constant<PodSituation>({ type: "accepted" }),
    fc.constant<PodSituation>({ type: "providerFailed", message: "m" }),
    fc.constant<PodSituation>({
      type: "unresolved",
      faults: [{ field: "f", reason: "R", message: "m", container: "a" }],
    }),
    report.map(reported),
    report.map((last): PodSituation => ({ type: "lost", report: last })),
    report.map((last): PodSituation => ({ type: "ended", report: last })),
  );
  const policy = fc.constantFrom("Always", "OnFailure", "Never");

  it("is written once, never leaves an end, and is accepted by the API server's rules", () => {
    fc.assert(
      fc.property(policy, fc.array(situation, { minLength: 1, maxLength: 6 }), (restartPolicy, situations) => {
        const spec: Partial<PodSpec> = { restartPolicy, containers: ab, initContainers: [{ name: "i" }, sidecar] };
        let status: PodStatus = { phase: "Pending", qosClass: "BestEffort" };
        for (const [index, next] of situations.entries()) {
          const at = now + index * 1000;
          const after = statusOf(podOf(spec, status), next, { now: at });
          assert.deepEqual(
            statusPatch(after, statusOf(podOf(spec, after), next, { now: at + 5000 }), "u"),
            undefined,
            "the same facts again are no news",
          );
          if (isTerminal(status)) assert.equal(after.phase, status.phase);
          assert.equal(after.startTime, status.startTime ?? after.startTime);
          for (const old of status.containerStatuses ?? []) {
            const exitCode = old.state?.terminated?.exitCode;
            if (exitCode === undefined || restartPolicy === "Always") continue;
            if (restartPolicy === "OnFailure" && exitCode !== 0) continue;
            assert.ok(container(after, old.name)?.state?.terminated, "left a final state");
          }
          if (isTerminal(after) && !isTerminal(status) && next.type === "reported") {
            assert.ok(!next.report.containers.some((entry) => entry.state.running), "terminal while one runs");
          }
          status = after;
        }
      }),
      { numRuns: 500 },
    );
  });
});
