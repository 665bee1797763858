// What Nomad says of a task as facts of a container. Pure.
import type { ContainerReport, ContainerState } from "@virtual-kubelet/virtual-kubelet";
import type { NomadTaskEvent, NomadTaskState } from "./wire.ts";

export interface TaskFacts {
  readonly name: string;
  readonly allocation: string;
  /** Undefined: the client has not taken it yet. */
  readonly task: NomadTaskState | undefined;
  /** Its restart is put off for good: it has ended. */
  readonly endsOnce: boolean;
  /** It waits for others. */
  readonly isInitializing: boolean;
}

export function taskReport(facts: TaskFacts): ContainerReport {
  const { name, allocation, task } = facts;
  if (task === undefined) return { name, state: { waiting: waiting(facts, []) } };
  const events = task.Events ?? [];
  const restartCount = restartsOf(facts);
  const containerID = `nomad://${allocation}/${name}/${restartCount}`;
  const ends = events.filter(({ Type }) => Type === "Terminated");
  const isBetweenRuns = task.State === "pending" && task.Restarts > 0;
  const end = ends.at(-1);
  if (task.State === "running") {
    const before =
      end === undefined || restartCount === 0 ? undefined : { terminated: endOf(facts, end, restartCount - 1) };
    return {
      ...{ name, restartCount, containerID, state: { running: { ...at("startedAt", task.StartedAt) } } },
      ...(before !== undefined && { lastState: before }),
    };
  }
  const hasEnded = end !== undefined && (task.State === "dead" || (facts.endsOnce && isBetweenRuns));
  if (hasEnded) {
    const previous = ends.at(-2);
    return {
      ...{ name, restartCount, containerID, state: { terminated: endOf(facts, end, restartCount) } },
      ...(previous !== undefined && restartCount > 0
        ? { lastState: { terminated: endOf(facts, previous, restartCount - 1) } }
        : {}),
    };
  }
  const startedAt = timeOf(task.StartedAt);
  // Of its end only the time is left: the ten events that Nomad keeps are all younger.
  if (task.State === "dead" && startedAt !== undefined)
    return {
      ...{ name, restartCount, containerID },
      state: {
        terminated: {
          exitCode: task.Failed ? 137 : 0,
          reason: task.Failed ? "ContainerStatusUnknown" : "Completed",
          ...{ startedAt, ...at("finishedAt", task.FinishedAt), containerID },
        },
      },
    };
  return {
    ...{ name, restartCount, state: { waiting: waiting(facts, events) } },
    ...(end !== undefined && { containerID, lastState: { terminated: endOf(facts, end, restartCount) } }),
  };
}

/** Nomad counts a restart when it decides on it; Kubernetes when it happens. */
function restartsOf({ task }: TaskFacts): number {
  const { Restarts = 0, State, Events, StartedAt } = task ?? {};
  // Starts that failed count for Nomad.
  if (timeOf(StartedAt) === undefined) return 0;
  const waits = State === "pending" && (Events ?? []).some(({ Type }) => Type === "Restarting");
  // One that was put off and then killed never happened either.
  const last = (Events ?? []).findLast(({ Type }) => Type === "Restarting" || Type === "Started");
  return Math.max(0, Restarts - (waits || (State === "dead" && last?.Type === "Restarting") ? 1 : 0));
}

type Terminated = NonNullable<ContainerState["terminated"]>;

function endOf({ name, allocation, task }: TaskFacts, end: NomadTaskEvent, run: number): Terminated {
  const events = task?.Events ?? [];
  const place = events.indexOf(end);
  const started = events.slice(0, place).findLast(({ Type }) => Type === "Started");
  const told = exitCodeOf(end);
  // Nomad's own executor was lost, and the code with it.
  const isKnown = told >= 0;
  const exitCode = isKnown ? told : 137;
  const isOutOfMemory = end.Details?.["oom_killed"] === "true";
  const next = events.slice(place).findIndex(({ Type }) => Type === "Started");
  const around = next < 0 ? events : events.slice(0, place + next);
  const sibling = around.findLast(({ Type, Time }) => Type === "Sibling Task Failed" && Time >= (started?.Time ?? 0));
  const message = sibling !== undefined ? messageOf(sibling) : isKnown ? "" : messageOf(end);
  return {
    exitCode,
    reason: !isKnown ? "ContainerStatusUnknown" : isOutOfMemory ? "OOMKilled" : exitCode === 0 ? "Completed" : "Error",
    ...(message !== "" && { message }),
    ...(started === undefined ? at("startedAt", task?.StartedAt) : { startedAt: timeText(started.Time) }),
    finishedAt: timeText(end.Time),
    containerID: `nomad://${allocation}/${name}/${run}`,
  };
}

export function exitCodeOf({ Details, ExitCode, Signal }: NomadTaskEvent): number {
  const code = Number(Details?.["exit_code"] ?? ExitCode ?? 0);
  const signal = Number(Details?.["signal"] ?? Signal ?? 0);
  return code === 0 && signal > 0 ? 128 + signal : code;
}

export function messageOf({ DisplayMessage = "", Message = "", Details, Type }: NomadTaskEvent): string {
  return DisplayMessage || Details?.["driver_error"] || Details?.["message"] || Message || Type;
}

const failures: ReadonlySet<string> = new Set([
  "Driver Failure",
  "Setup Failure",
  "Failed Artifact Download",
  "Failed Validation",
]);

export function isStartFailure({ Type }: Pick<NomadTaskEvent, "Type">): boolean {
  return failures.has(Type);
}

export function isPullFailure(event: NomadTaskEvent): boolean {
  return isStartFailure(event) && /pull|manifest|repository|registry|image/i.test(messageOf(event));
}

/** The kubelet's reasons. */
function waiting(
  { isInitializing, task }: TaskFacts,
  events: readonly NomadTaskEvent[],
): NonNullable<ContainerState["waiting"]> {
  const last = events.findLast(
    (event) =>
      isStartFailure(event) || event.Type === "Restarting" || event.Type === "Started" || event.Type === "Terminated",
  );
  const failure = events.findLast(isStartFailure);
  const ended = events.findLast(({ Type }) => Type === "Terminated");
  const isLater = failure !== undefined && failure.Time > (ended?.Time ?? 0);
  if (isLater && last !== undefined && last.Type !== "Started") {
    const backsOff = last.Type === "Restarting" || task?.State === "dead";
    const reason = isPullFailure(failure) ? (backsOff ? "ImagePullBackOff" : "ErrImagePull") : "CreateContainerError";
    return { reason, message: messageOf(failure) };
  }
  if (last?.Type === "Restarting" && task?.State === "pending")
    return { reason: "CrashLoopBackOff", message: messageOf(last) };
  return { reason: isInitializing ? "PodInitializing" : "ContainerCreating" };
}

/** Of nanoseconds since the epoch. */
export function timeText(nanoseconds: number): string {
  return new Date(Math.floor(nanoseconds / 1_000_000)).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Times of the year 1 mean that there is none yet. */
function timeOf(text: string | null | undefined): string | undefined {
  const time = Date.parse(text ?? "");
  return Number.isFinite(time) && time > 0 ? new Date(time).toISOString().replace(/\.\d+Z$/, "Z") : undefined;
}

function at<K extends string>(key: K, text: string | null | undefined): Partial<Record<K, string>> {
  const out: Partial<Record<K, string>> = {};
  const time = timeOf(text);
  if (time !== undefined) out[key] = time;
  return out;
}
