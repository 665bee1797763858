// A container that ended for good in a task of its pod before: it is not in those that were run since, and is told as it was there. Pure.
import type { ContainerReport, ContainerState } from "@virtual-kubelet/virtual-kubelet";
import { parseRunEnd, type RunEnd, runEndText } from "./container-runs.ts";

export interface FinishedRun {
  readonly end: RunEnd;
  /** Id of the task. */
  readonly task: string;
  /** Epoch seconds; undefined: not known. */
  readonly startedAt?: number | undefined;
  readonly finishedAt?: number | undefined;
}

/** As a part of a tag: `0:t4s1q0:t4s1u8:0123456789abcdef`. */
export function finishedText({ end, task, startedAt, finishedAt }: FinishedRun): string {
  return [runEndText(end), startedAt?.toString(36) ?? "-", finishedAt?.toString(36) ?? "-", task].join(":");
}

/** Undefined: nothing that makes sense. */
export function parseFinished(text: string): FinishedRun | undefined {
  const [, code = "", started = "-", finished = "-", task] =
    /^([^:]+):([0-9a-z]{1,10}|-):([0-9a-z]{1,10}|-):([\w-]+)$/.exec(text) ?? [];
  const end = parseRunEnd(code);
  if (end === undefined || task === undefined) return undefined;
  return {
    ...{ end, task },
    ...(started === "-" ? {} : { startedAt: Number.parseInt(started, 36) }),
    ...(finished === "-" ? {} : { finishedAt: Number.parseInt(finished, 36) }),
  };
}

/** `report`: of the container in the task that it ended in. Undefined: it has not ended. */
export function finishedOf(
  { terminated }: ContainerReport["state"],
  end: RunEnd | undefined,
  task: string,
): FinishedRun | undefined {
  if (terminated === undefined || end === undefined) return undefined;
  return { end, task, startedAt: seconds(terminated.startedAt), finishedAt: seconds(terminated.finishedAt) };
}

/** What was its state there. */
export function finishedState(
  { end: { exitCode }, startedAt, finishedAt }: FinishedRun,
  reason: string,
  containerID: string | undefined,
): ContainerState {
  return {
    terminated: {
      ...{ exitCode, reason },
      ...(startedAt === undefined ? {} : { startedAt: timeOf(startedAt) }),
      ...(finishedAt === undefined ? {} : { finishedAt: timeOf(finishedAt) }),
      ...(containerID === undefined ? {} : { containerID }),
    },
  };
}

function seconds(time: string | null | undefined): number | undefined {
  const at = Date.parse(time ?? "");
  return Number.isFinite(at) ? Math.floor(at / 1000) : undefined;
}

function timeOf(epochSeconds: number): string {
  return new Date(epochSeconds * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}
