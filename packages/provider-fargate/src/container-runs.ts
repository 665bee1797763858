// The runs of a container so far: how many there were before the present one, and how the last of them ended. ECS tells neither; they
// are told apart by the runtime's id of each run, and kept in a tag of the task. Pure.
import type { Container } from "@aws-sdk/client-ecs";

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
}

/** As a part of a tag: `3 0a1b-42 137/OOMKilled`. */
export function runsText({ count, runtimeId = "-", lastEnd }: ContainerRuns): string {
  const end = lastEnd === undefined ? "-" : `${lastEnd.exitCode}${lastEnd.isOutOfMemory ? "/OOMKilled" : ""}`;
  return `${count} ${runtimeId} ${end}`;
}

/** Undefined: nothing, or nothing that makes sense, was kept. */
export function parseRuns(text: string): ContainerRuns | undefined {
  const [, count, runtimeId, code, memory] = /^(\d{1,9}) (\S+) (?:-|(\d{1,9})(\/OOMKilled)?)$/.exec(text) ?? [];
  if (count === undefined) return undefined;
  return {
    count: Number(count),
    ...(runtimeId === "-" ? {} : { runtimeId }),
    ...(code === undefined ? {} : { lastEnd: { exitCode: Number(code), isOutOfMemory: memory !== undefined } }),
  };
}

/** What is known after a look. `presentEnd`: of the run that was the present one before, where an earlier look showed it. */
export function runsAfter(
  before: ContainerRuns | undefined,
  presentEnd: RunEnd | undefined,
  { runtimeId }: Pick<Container, "runtimeId">,
): ContainerRuns {
  if (before === undefined) return { count: 0, runtimeId };
  if (runtimeId === undefined || runtimeId === before.runtimeId) return before;
  if (before.runtimeId === undefined) return { ...before, runtimeId };
  return { count: before.count + 1, runtimeId, lastEnd: presentEnd };
}

/** Undefined: it has not ended, or ECS does not tell how. */
export function runEnd({ exitCode, reason = "" }: Pick<Container, "exitCode" | "reason">): RunEnd | undefined {
  return exitCode === undefined ? undefined : { exitCode, isOutOfMemory: isOutOfMemory(reason) };
}

export function isOutOfMemory(reason: string): boolean {
  return reason.startsWith("OutOfMemory");
}
