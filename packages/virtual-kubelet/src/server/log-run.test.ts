import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerStateTerminated, ContainerStatus, Pod } from "../kube/types.gen.ts";
import { type ContainerRun, findRun, hasEnded, missing, notKept, runsSince } from "./log-run.ts";

const base: ContainerStatus = { name: "main", image: "", imageID: "", ready: false, restartCount: 0 };
const exit = (containerID?: string): ContainerStateTerminated => ({
  exitCode: 1,
  ...(containerID === undefined ? {} : { containerID }),
});

function podWith(status: Partial<ContainerStatus> | undefined, list = "containerStatuses"): Pod {
  return {
    metadata: { name: "web", uid: "u1" },
    spec: {
      containers: [{ name: "main", image: "" }],
      initContainers: [{ name: "init", image: "" }],
      ephemeralContainers: [{ name: "debug", image: "" }],
    },
    status: status === undefined ? {} : { [list]: [{ ...base, ...status }] },
  };
}

test("a pod or container that is not there is told of by 404", () => {
  const pod = podWith(undefined);
  assert.deepEqual(missing(undefined, "web", "main"), { status: 404, text: 'pod "web" does not exist' });
  assert.deepEqual(missing(pod, "web", "x"), { status: 404, text: 'container "x" not found in pod "web"' });
  for (const name of ["main", "init", "debug"]) assert.equal(missing(pod, "web", name), undefined);
});

const where = 'container "main" in pod "web"';
const refusals: readonly (readonly [status: Partial<ContainerStatus> | undefined, previous: boolean, text: string])[] =
  [
    [undefined, false, `${where} is not available`],
    [undefined, true, `${where} is not available`],
    [{}, false, `${where} is waiting to start - no logs yet`],
    [{ state: { waiting: {} } }, false, `${where} is waiting to start: `],
    [{ state: { waiting: { reason: "ContainerCreating" } } }, false, `${where} is waiting to start: ContainerCreating`],
    [{ state: { waiting: { reason: "PodInitializing" } } }, false, `${where} is waiting to start: PodInitializing`],
    [{ state: { waiting: { reason: "ErrImagePull" } } }, false, `${where} is waiting to start: image can't be pulled`],
    [
      { state: { waiting: { reason: "ImagePullBackOff" } } },
      false,
      `${where} is waiting to start: trying and failing to pull image`,
    ],
    [{ state: { running: {} } }, true, `previous terminated ${where} not found`],
    [{ state: { terminated: exit() } }, true, `previous terminated ${where} not found`],
    [{ state: { waiting: { reason: "ContainerCreating" } } }, true, `previous terminated ${where} not found`],
  ];

test("a container that has not run, or not before, is told of by 400", () => {
  for (const [status, previous, text] of refusals) {
    assert.deepEqual(findRun(podWith(status), "main", previous), { refusal: { status: 400, text } }, text);
  }
});

const runs: readonly (readonly [status: Partial<ContainerStatus>, previous: boolean, run: Partial<ContainerRun>])[] = [
  [{ state: { running: {} }, containerID: "t://1" }, false, { running: true, containerID: "t://1" }],
  [{ state: { running: {} } }, false, { running: true }],
  [{ state: { terminated: exit("t://1") } }, false, { containerID: "t://1" }],
  [{ state: { terminated: exit() }, lastState: { terminated: exit("t://0") } }, false, { containerID: "t://0" }],
  [
    { state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: exit("t://1") }, restartCount: 2 },
    false,
    { waiting: true, containerID: "t://1", restartCount: 2 },
  ],
  [
    { state: { running: {} }, lastState: { terminated: exit("t://1") }, restartCount: 2, containerID: "t://2" },
    true,
    { containerID: "t://1", restartCount: 1 },
  ],
  [
    { state: { waiting: { reason: "CrashLoopBackOff" } }, lastState: { terminated: exit("t://1") }, restartCount: 1 },
    true,
    { containerID: "t://1", restartCount: 1 },
  ],
];

test("the run that is meant is the present one, the one before, or the last that ended", () => {
  for (const [status, previous, run] of runs) {
    const expected = { uid: "u1", running: false, waiting: false, containerID: "", restartCount: 0, ...run };
    assert.deepEqual(findRun(podWith(status), "main", previous).run, expected, JSON.stringify(status));
  }
  for (const list of ["initContainerStatuses", "ephemeralContainerStatuses"]) {
    assert.equal(findRun(podWith({ state: { running: {} } }, list), "main", false).run?.running, true);
  }
});

test("a run ends with its container, the next run, its pod, or another pod of the name", () => {
  const running = { state: { running: {} }, containerID: "t://1", restartCount: 1 };
  const pod = podWith(running);
  const { run } = findRun(pod, "main", false);
  assert.ok(run !== undefined);
  assert.equal(hasEnded(run, pod, "main"), false);
  assert.equal(hasEnded(run, podWith({ ...running, containerID: "" }), "main"), false);
  const ends: readonly (Pod | undefined)[] = [
    undefined,
    podWith(undefined),
    { ...pod, metadata: { name: "web", uid: "u2" } },
    podWith({ ...running, state: { terminated: exit() } }),
    podWith({ ...running, state: { waiting: { reason: "CrashLoopBackOff" } } }),
    podWith({ ...running, restartCount: 2 }),
    { ...pod, status: { ...pod.status, phase: "Failed" } },
    podWith({ ...running, containerID: "t://2" }),
  ];
  for (const end of ends) assert.equal(hasEnded(run, end, "main"), true, JSON.stringify(end));
});

test("runs that have begun since are counted by the restarts, while the pod is there", () => {
  const status = { state: { running: {} }, restartCount: 1, lastState: { terminated: exit("t://1") } };
  const pod = podWith(status);
  const [{ run }, { run: before }] = [findRun(pod, "main", false), findRun(pod, "main", true)];
  assert.ok(run !== undefined && before !== undefined);
  assert.deepEqual([runsSince(run, pod, "main"), runsSince(before, pod, "main")], [0, 1]);
  assert.equal(runsSince(run, podWith({ ...status, restartCount: 3 }), "main"), 2);
  const counted = podWith({ state: { waiting: {} }, restartCount: 2, lastState: { terminated: exit("t://2") } });
  assert.equal(runsSince({ ...run, containerID: "t://2" }, counted, "main"), 0, "the next one has not begun");
  assert.equal(runsSince({ ...run, containerID: "t://1" }, counted, "main"), 1);
  assert.equal(runsSince(run, podWith(undefined), "main"), 0);
  assert.equal(runsSince(run, undefined, "main"), undefined);
  assert.equal(runsSince(run, { ...pod, metadata: { name: "web", uid: "u2" } }, "main"), undefined);
});

test("a log that is not kept is told of by 400, with what is known of the run", () => {
  const pod = podWith({ state: { running: {} } });
  const run: ContainerRun = { uid: "u1", running: true, waiting: false, containerID: "", restartCount: 0 };
  const text = (previous: boolean, changed: Partial<ContainerRun> = {}): string =>
    notKept(pod, "main", previous, { ...run, ...changed }).text;
  assert.equal(text(true), `previous terminated ${where} not found`);
  assert.equal(text(false, { containerID: "t://1" }), "unable to retrieve container logs for t://1");
  assert.equal(text(false), `${where} is not available`);
  assert.equal(text(false, { running: false }), `${where} is terminated`);
});
