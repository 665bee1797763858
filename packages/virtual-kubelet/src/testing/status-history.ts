// The history of a pod's status as short lines, compared with what the contract says it is to be; and what holds of every
// history. Pure.
import assert from "node:assert/strict";
import type { Stored } from "../kube/resource.ts";
import type { ContainerState, ContainerStatus, Pod, PodCondition } from "../kube/types.gen.ts";

/**
 * One status in a line: phase and reason, the conditions that are True, the containers in the order of their lists:
 * `Running sandbox init | side:running+ready main:waiting(CrashLoopBackOff)#1<exited(3,Error)`. "#1": restarts; "<": lastState;
 * "+ready" holds "+started". Ready and ContainersReady are one word, "ready", as long as they agree.
 */
export function statusLine({ status = {} }: Pod): string {
  const { phase = "", reason, conditions = [] } = status;
  const terminal = phase === "Succeeded" || phase === "Failed";
  const words = [reason === undefined ? phase : `${phase}/${reason}`];
  const holds = (type: string): boolean => conditions.some((one) => one.type === type && one.status === "True");
  // When a sandbox goes is nobody's business once the pod is over.
  if (holds("PodReadyToStartContainers") && !terminal) words.push("sandbox");
  if (holds("Initialized")) words.push("init");
  if (holds("Ready")) words.push("ready");
  if (holds("Ready") !== holds("ContainersReady")) words.push(`ContainersReady=${holds("ContainersReady")}`);
  for (const one of conditions) if (one.status === "True" && !ordinary.has(one.type)) words.push(passing(one));
  const containers = [
    ...(status.initContainerStatuses ?? []),
    ...(status.containerStatuses ?? []),
    ...(status.ephemeralContainerStatuses ?? []),
  ];
  return `${words.join(" ")} | ${containers.map(containerWord).join(" ")}`;
}

const ordinary: ReadonlySet<string> = new Set([
  ...["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"],
]);

const passing = ({ type, reason }: PodCondition): string => (reason === undefined ? type : `${type}(${reason})`);

function containerWord({ name, state, lastState, ready, started, restartCount }: ContainerStatus): string {
  const up = ready ? "+ready" : started === true ? "+started" : "";
  const count = restartCount === 0 ? "" : `#${restartCount}`;
  const last = lastState?.terminated === undefined ? "" : `<${stateWord(lastState)}`;
  return `${name}:${stateWord(state)}${up}${count}${last}`;
}

function stateWord({ waiting, running, terminated }: ContainerState = {}): string {
  if (running !== undefined) return "running";
  if (terminated !== undefined) return `exited(${terminated.exitCode},${terminated.reason ?? ""})`;
  return `waiting(${waiting?.reason ?? ""})`;
}

/**
 * Undefined when the lines are the golden ones, else where they leave them. A golden line with "? " before it is a step that a
 * kubelet may or may not show.
 */
export function departure(lines: readonly string[], golden: string): string | undefined {
  const steps = golden
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) =>
      line.startsWith("? ") ? { text: line.slice(2).trim(), optional: true } : { text: line, optional: false },
    );
  // Places in the golden sequence that the lines so far may have led to.
  let places = new Set([0]);
  for (const [index, line] of lines.entries()) {
    const next = new Set<number>();
    for (const place of places)
      for (const [at, step] of steps.entries()) {
        if (at < place) continue;
        if (step.text === line) next.add(at + 1);
        if (!step.optional) break;
      }
    if (next.size === 0) return told(`line ${index + 1} is not to come there`, lines, index, golden);
    places = next;
  }
  const done = [...places].some((place) => steps.slice(place).every(({ optional }) => optional));
  return done ? undefined : told("it ends too soon", lines, lines.length, golden);
}

function told(why: string, lines: readonly string[], at: number, golden: string): string {
  const shown = lines.map((line, index) => `${index === at ? ">" : " "} ${line}`).join("\n");
  return `${why}:\n${shown}\n--- golden:\n${golden}`;
}

/** What holds of all that a pod ever shows, whatever happens to it. */
export function assertLawful(history: readonly Stored<Pod>[]): void {
  let before: Stored<Pod> | undefined;
  for (const pod of history) {
    assertLawfulAlone(pod);
    if (before !== undefined) assertLawfulAfter(before, pod);
    before = pod;
  }
}

function assertLawfulAlone({ metadata, spec, status = {} }: Stored<Pod>): void {
  const { phase, conditions = [], containerStatuses = [], initContainerStatuses = [] } = status;
  const about = JSON.stringify(status);
  const names = containerStatuses.map(({ name }) => name);
  assert.deepEqual(names, [...names].sort(), "containers by name");
  const inits = (spec?.initContainers ?? []).map(({ name }) => name);
  assert.deepEqual(
    initContainerStatuses.map(({ name }) => name),
    inits,
    "init containers as in the spec",
  );
  assert.ok((status.observedGeneration ?? 0) <= (metadata.generation ?? 0), about);
  for (const one of [...containerStatuses, ...initContainerStatuses]) {
    const init = spec?.initContainers?.find(({ name }) => name === one.name);
    const plainInit = init !== undefined && init.restartPolicy !== "Always";
    if (one.started === true) assert.ok(one.state?.running, about);
    if (one.ready) assert.ok(plainInit ? one.state?.terminated?.exitCode === 0 : one.started, about);
    // Of a container that its pod was ended before, nobody knows whether it ever was.
    const unseen = one.state?.terminated?.reason === "ContainerStatusUnknown" && one.containerID === undefined;
    if (!unseen && (one.state?.running ?? one.state?.terminated))
      assert.match(one.containerID ?? "", /^[a-z]+:\/\/./, about);
  }
  const unready = [
    ...(spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always"),
    ...(spec?.containers ?? []),
  ].filter(({ name }) =>
    [...containerStatuses, ...initContainerStatuses].some((one) => one.name === name && !one.ready),
  );
  for (const type of ["Ready", "ContainersReady"]) {
    const one = conditions.find((each) => each.type === type);
    if (one?.status !== "False") continue;
    const [reason, message] =
      phase === "Succeeded"
        ? ["PodCompleted", undefined]
        : phase === "Failed"
          ? ["PodFailed", undefined]
          : ["ContainersNotReady", `containers with unready status: [${unready.map(({ name }) => name).join(" ")}]`];
    assert.deepEqual([one.reason, one.message], [reason, message], about);
  }
  const initialized = conditions.find((each) => each.type === "Initialized");
  if (initialized?.status === "False") {
    assert.equal(initialized.reason, "ContainersNotInitialized", about);
    assert.match(initialized.message ?? "", /^containers with incomplete status: \[[^\]]+\]$/, about);
  }
  if (phase === "Succeeded") assert.equal(initialized?.reason, "PodCompleted", about);
}

function assertLawfulAfter(before: Stored<Pod>, after: Stored<Pod>): void {
  const [from, to] = [before.status ?? {}, after.status ?? {}];
  const about = `${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
  assert.equal(to.startTime, from.startTime, about);
  assert.equal(to.qosClass, from.qosClass, about);
  assert.ok((to.observedGeneration ?? 0) >= (from.observedGeneration ?? 0), about);
  if (from.phase === "Succeeded" || from.phase === "Failed") assert.equal(to.phase, from.phase, about);
  // An init container that runs again, because all start over, is the only way back.
  const initRuns = to.initContainerStatuses?.some(({ state, restartCount }) => state?.running && restartCount > 0);
  if (from.phase === "Running" && initRuns !== true) assert.notEqual(to.phase, "Pending", about);
  for (const one of to.conditions ?? []) {
    const earlier = from.conditions?.find(({ type }) => type === one.type);
    if (earlier?.status === one.status) assert.equal(one.lastTransitionTime, earlier.lastTransitionTime, about);
    if (one.type === "Initialized" && earlier?.status === "True") assert.equal(one.status, "True", about);
  }
  const all = ({ containerStatuses = [], initContainerStatuses = [] }: typeof to): readonly ContainerStatus[] => [
    ...containerStatuses,
    ...initContainerStatuses,
  ];
  for (const one of all(to)) {
    const earlier = all(from).find(({ name }) => name === one.name);
    assert.ok(one.restartCount >= (earlier?.restartCount ?? 0), about);
    const same = one.restartCount === earlier?.restartCount && one.containerID === earlier.containerID;
    if (same && one.state?.running && earlier.state?.running)
      assert.equal(one.state.running.startedAt, earlier.state.running.startedAt, about);
  }
}
