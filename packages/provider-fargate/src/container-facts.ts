// A container of a task in Kubernetes' terms. ECS tells no times of single containers: those of the task stand for them. Pure.
import type { Container, Task } from "@aws-sdk/client-ecs";
import { type ContainerReport, type ContainerState, parseImageName } from "@virtual-kubelet/virtual-kubelet";
import { type ContainerRuns, countText, isOutOfMemory, parseRuns, type RunEnd, runsText } from "./container-runs.ts";
import { type FinishedRun, finishedState, finishedText, parseFinished } from "./finished-run.ts";
import { containerTag } from "./names.ts";

/** What a task's tags say of a container of the pod. */
export interface ContainerFacts {
  readonly kind: string;
  /** Always, OnFailure or Never; "": not known, the Go provider made it. */
  readonly policy: string;
  /** The probe that ECS carries out. */
  readonly check: string;
  /** Those that were kept; undefined: none were. */
  readonly runs?: ContainerRuns | undefined;
  /** It ended for good in a task before, and is not in this one. */
  readonly finished?: FinishedRun | undefined;
}

/** Of a tag's value. */
export const mostCharacters = 256;

export function factsOf(container: string, tags: Readonly<Record<string, string>>): ContainerFacts {
  const [kind = "main", policy = "", check = "-", ...rest] = (tags[containerTag(container)] ?? "main").split(" ");
  const last = rest.at(-1) ?? "";
  const finished = last.startsWith("e") ? parseFinished(last.slice(1)) : undefined;
  const runs = parseRuns((finished === undefined ? rest : rest.slice(0, -1)).join(" "));
  return { kind, policy, check, runs, ...(finished === undefined ? {} : { finished }) };
}

/** What factsOf reads. Where there is no room for all, it is not told where the logs are. */
export function factsText({ kind, policy, check, runs, finished }: ContainerFacts): string {
  const text = (ofRuns: string | undefined): string =>
    [
      ...[kind, policy, check],
      ...(ofRuns === undefined ? [] : [ofRuns]),
      ...(finished === undefined ? [] : [`e${finishedText(finished)}`]),
    ].join(" ");
  if (runs === undefined) return text(undefined);
  const whole = text(runsText(runs));
  return whole.length <= mostCharacters ? whole : text(countText(runs));
}

export interface ContainerView {
  readonly container: Container;
  readonly facts: ContainerFacts;
  readonly report: ContainerReport;
}

export interface ContainerInput {
  readonly task: Task;
  readonly container: Container;
  readonly facts: ContainerFacts;
  readonly runs: ContainerRuns;
  /** Init containers before it are not through. */
  readonly waitsForInit: boolean;
}

export function containerView({ task, container, facts, runs, waitsForInit }: ContainerInput): ContainerView {
  const { name = "", image, imageDigest, runtimeId, healthStatus } = container;
  const state = stateOf(task, container, facts, waitsForInit);
  const isRunning = state.running !== undefined;
  const isHealthy = healthStatus === "HEALTHY";
  return {
    ...{ container, facts },
    report: {
      ...{ name, state, restartCount: runs.count },
      ...(runs.count === 0 ? {} : { lastState: lastStateOf(runs) }),
      ...(image === undefined ? {} : { image }),
      ...(image === undefined || imageDigest === undefined
        ? {}
        : { imageID: `${parseImageName(image).repository}@${imageDigest}` }),
      ...(runtimeId === undefined ? {} : { containerID: `fargate://${runtimeId}` }),
      ...(isRunning && facts.check === "readiness" ? { ready: isHealthy } : {}),
      ...(isRunning && facts.check === "startup" ? { started: isHealthy } : {}),
    },
  };
}

/** A container that is not in the task any more. */
export function finishedReport(
  name: string,
  finished: FinishedRun,
  runs: ContainerRuns = { count: 0 },
): ContainerReport {
  const containerID = runs.runtimeId === undefined ? undefined : `fargate://${runs.runtimeId}`;
  return {
    ...{ name, state: finishedState(finished, endReason(finished.end), containerID), restartCount: runs.count },
    ...(runs.count === 0 ? {} : { lastState: lastStateOf(runs) }),
    ...(containerID === undefined ? {} : { containerID }),
  };
}

/** As kubelets tell of a run of which they saw no end: ECS does not tell how it ended. */
const unknownEnd: ContainerState = {
  terminated: {
    ...{ exitCode: 137, reason: "ContainerStatusUnknown" },
    message: "ECS started the container again, and does not tell how the run before ended",
  },
};

function lastStateOf({ lastEnd }: ContainerRuns): ContainerState {
  return lastEnd === undefined
    ? unknownEnd
    : { terminated: { exitCode: lastEnd.exitCode, reason: endReason(lastEnd) } };
}

function endReason({ exitCode, isOutOfMemory }: RunEnd): string {
  if (isOutOfMemory) return "OOMKilled";
  return exitCode === 0 ? "Completed" : "Error";
}

function stateOf(task: Task, container: Container, { kind }: ContainerFacts, waitsForInit: boolean): ContainerState {
  const { lastStatus, exitCode, reason = "", runtimeId } = container;
  const isInit = kind === "init";
  const startedAt = timeText((isInit ? undefined : task.startedAt) ?? task.pullStoppedAt ?? task.createdAt);
  if (lastStatus === "RUNNING") return { running: { ...(startedAt === undefined ? {} : { startedAt }) } };
  if (lastStatus === "STOPPED" && exitCode !== undefined) {
    const finished =
      (isInit ? task.startedAt : undefined) ?? task.executionStoppedAt ?? task.stoppingAt ?? task.stoppedAt;
    const finishedAt = timeText(finished);
    return {
      terminated: {
        exitCode,
        reason: endReason({ exitCode, isOutOfMemory: isOutOfMemory(reason) }),
        ...(reason === "" ? {} : { message: reason }),
        ...(startedAt === undefined ? {} : { startedAt }),
        ...(finishedAt === undefined ? {} : { finishedAt }),
        ...(runtimeId === undefined ? {} : { containerID: `fargate://${runtimeId}` }),
      },
    };
  }
  if (isPullFault(reason)) return { waiting: { reason: "ErrImagePull", message: reason } };
  if (/^(CannotCreate|CannotStart)\w*Error/.test(reason))
    return { waiting: { reason: "CreateContainerError", message: reason } };
  return { waiting: { reason: waitsForInit ? "PodInitializing" : "ContainerCreating" } };
}

export function isPullFault(reason: string): boolean {
  return /^(CannotPull\w*|CannotInspectContainer)Error|^CannotPullImage/.test(reason);
}

export function timeText(time: Date | undefined): string | undefined {
  return time === undefined ? undefined : time.toISOString().replace(/\.\d+Z$/, "Z");
}
