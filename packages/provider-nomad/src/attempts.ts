// A pod that Nomad could not start: Nomad gives it up, the kubelet would try again. Which of a job's allocations is the pod's, and when
// the next is due. Pure.
import { isStartFailure } from "./task-report.ts";
import type { NomadAllocation, NomadJobAnswer } from "./wire.ts";

type Shape = Pick<NomadJobAnswer, "TaskGroups">;

export interface Attempts {
  /** The pod's own: none before it came to run anything. Undefined: Nomad has placed none. */
  readonly allocation: NomadAllocation | undefined;
  /** Nomad made another one after it. */
  readonly isReplaced: boolean;
  /** Its own could not be started: another is due then, epoch milliseconds. Absent: it could, or it is not known yet. */
  readonly nextAt?: number | undefined;
  /** How many there were, its own included. */
  readonly count: number;
  /** When Nomad accepted the first of them, nanoseconds since the epoch. */
  readonly createdAt?: number | undefined;
}

const firstDelayMs = 10_000;
const longestDelayMs = 300_000;

/** `shape` is needed where an allocation has failed. */
export function attemptsOf(allocations: readonly NomadAllocation[], shape: Shape | undefined): Attempts {
  const all = [...allocations].sort((one, other) => one.CreateIndex - other.CreateIndex);
  const failed = all.findIndex((each) => !hasFailedToStart(each, shape));
  const place = failed < 0 ? all.length - 1 : failed;
  const allocation = all[place];
  const [first] = all;
  return {
    ...{ allocation, isReplaced: place < all.length - 1, count: place + 1 },
    ...(first !== undefined && { createdAt: first.CreateTime }),
    ...(failed < 0 && allocation !== undefined && { nextAt: endOf(allocation) + delayMs(place) }),
  };
}

type Ended = Pick<NomadAllocation, "ClientStatus" | "ClientDescription" | "TaskStates">;

/** By its client, before it came to tasks: these tell nothing then. */
const notTaken = /^Unable to add allocation/;

export function isNotTaken({ ClientStatus, ClientDescription = "" }: Ended): boolean {
  return ClientStatus === "failed" && notTaken.test(ClientDescription);
}

/** Something of it failed before it ran, and no container of the pod but those before its own ever did. */
export function hasFailedToStart(
  { ClientStatus, ClientDescription = "", TaskStates }: Ended,
  shape: Shape | undefined,
): boolean {
  if (ClientStatus !== "failed") return false;
  const init = new Set(
    (shape?.TaskGroups ?? []).flatMap(({ Tasks }) =>
      Tasks.flatMap(({ Name, Lifecycle }) => (Lifecycle?.Sidecar === false ? [Name] : [])),
    ),
  );
  const states = Object.entries(TaskStates ?? {});
  const isUntouched = ([name, { StartedAt, Failed }]: (typeof states)[number]): boolean =>
    (StartedAt ?? undefined) === undefined || (init.has(name) && !Failed);
  const isCause = ([, { StartedAt, Events }]: (typeof states)[number]): boolean =>
    (StartedAt ?? undefined) === undefined && (Events ?? []).some(isStartFailure);
  return states.every(isUntouched) && (states.some(isCause) || notTaken.test(ClientDescription));
}

/** The kubelet's: twice as late each time. */
export function delayMs(attemptsBefore: number): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(attemptsBefore, 10));
}

function endOf({ ModifyTime, CreateTime }: NomadAllocation): number {
  return Math.floor((ModifyTime ?? CreateTime) / 1_000_000);
}
