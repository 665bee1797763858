// The runs of a container so far: how many there were before the present one, how the last of them ended, and where in the logs they
// are. ECS tells none of it; runs are told apart by the runtime's id of each, and what is known is kept in a tag of the task. Pure.
import type { Container } from "@aws-sdk/client-ecs";
import { parseRunLog, type RunLog, runLogText } from "./run-log.ts";

export interface RunEnd {
  readonly exitCode: number;
  readonly isOutOfMemory: boolean;
}

export interface ContainerRuns {
  /** Before the present one. */
  readonly count: number;
  /** Of the present run; undefined: it has not begun. */
  readonly runtimeId?: string | undefined;
  /** How the run before ended; undefined: not known. */
  readonly lastEnd?: RunEnd | undefined;
  /** No line of the present run is older, epoch milliseconds; undefined: none of the task's log is. */
  readonly since?: number | undefined;
  /** The log of the run before; undefined: there was none, or nobody saw when the present one began. */
  readonly before?: RunLog | undefined;
}

/** What earlier looks have shown of the present run, epoch milliseconds. */
export interface RunSeen {
  /** The last look that showed it. */
  readonly at: number;
  /** How it ended, and the first look that showed that. */
  readonly end?: { readonly how: RunEnd; readonly at: number } | undefined;
}

/** What ECS tells may be so old, milliseconds: a run may have begun so long before the last look that showed the one before. */
export const seenLagMs = 10_000;
/** Clocks may be so far apart. */
const skewMs = 1_000;

/** As a part of a tag: `3 0a1b-42 137/OOMKilled s1jxq0k2o b-/1jxq0f00/1jxq0k2o`. */
export function runsText(runs: ContainerRuns): string {
  const { since, before } = runs;
  return [
    countText(runs),
    ...(since === undefined ? [] : [`s${since.toString(36)}`]),
    ...(before === undefined ? [] : [`b${runLogText(before)}`]),
  ].join(" ");
}

/** Without where the logs are. */
export function countText({ count, runtimeId = "-", lastEnd }: ContainerRuns): string {
  return `${count} ${runtimeId} ${lastEnd === undefined ? "-" : runEndText(lastEnd)}`;
}

export function runEndText({ exitCode, isOutOfMemory }: RunEnd): string {
  return `${exitCode}${isOutOfMemory ? "/OOMKilled" : ""}`;
}

/** Undefined: not that of an end. */
export function parseRunEnd(text: string): RunEnd | undefined {
  const [, code, memory] = /^(\d{1,9})(\/OOMKilled)?$/.exec(text) ?? [];
  return code === undefined ? undefined : { exitCode: Number(code), isOutOfMemory: memory !== undefined };
}

/** Undefined: nothing, or nothing that makes sense, was kept. */
export function parseRuns(text: string): ContainerRuns | undefined {
  const [, count, runtimeId, end = "-", since, before] =
    /^(\d{1,9}) (\S+) (-|\d{1,9}(?:\/OOMKilled)?)(?: s([0-9a-z]{1,10}))?(?: b(\S+))?$/.exec(text) ?? [];
  if (count === undefined) return undefined;
  const lastEnd = parseRunEnd(end);
  const log = before === undefined ? undefined : parseRunLog(before);
  return {
    count: Number(count),
    ...(runtimeId === "-" ? {} : { runtimeId }),
    ...(lastEnd === undefined ? {} : { lastEnd }),
    ...(since === undefined ? {} : { since: Number.parseInt(since, 36) }),
    ...(log === undefined ? {} : { before: log }),
  };
}

/** What is known after a look. `seen`: of the run that was the present one before; undefined: by an earlier program, if by any. */
export function runsAfter(
  before: ContainerRuns | undefined,
  seen: RunSeen | undefined,
  { runtimeId }: Pick<Container, "runtimeId">,
  now: number,
): ContainerRuns {
  if (before === undefined) return { count: 0, runtimeId };
  if (runtimeId === undefined || runtimeId === before.runtimeId) return before;
  if (before.runtimeId === undefined) return { ...before, runtimeId };
  const { since } = before;
  const next = { count: before.count + 1, runtimeId, lastEnd: seen?.end?.how };
  // It began somewhere since the run before, and others may have come between.
  if (seen === undefined) return { ...next, since };
  const to = (seen.end?.at ?? now) + skewMs;
  return { ...next, since: Math.max(since ?? 0, seen.at - seenLagMs), before: { from: since, to } };
}

/** Undefined: it has not ended, or ECS does not tell how. */
export function runEnd({ exitCode, reason = "" }: Pick<Container, "exitCode" | "reason">): RunEnd | undefined {
  return exitCode === undefined ? undefined : { exitCode, isOutOfMemory: isOutOfMemory(reason) };
}

export function isOutOfMemory(reason: string): boolean {
  return reason.startsWith("OutOfMemory");
}
