// What the cloud says of one container in the terms of the API: state, times, codes, reasons. Pure.
import type { ContainerReport, ContainerState } from "@virtual-kubelet/virtual-kubelet";
import type { ContainerProbe } from "./wire-containers.ts";
import type { ContainerState as CloudState, ContainerInstanceView, InstanceEvent } from "./wire-views.ts";

export interface ContainerFacts {
  readonly name: string;
  /** Name of its group, for its ID. */
  readonly group: string;
  readonly view: ContainerInstanceView | undefined;
  /** Of the group: pulls are told there as well. */
  readonly groupEvents: readonly InstanceEvent[];
  /** What its count of restarts is at least. */
  readonly leastRestarts: number;
  /** It waits for init containers. */
  readonly isInitializing: boolean;
  /** The one that the cloud carries out. */
  readonly readinessProbe?: ContainerProbe | undefined;
  /** Epoch milliseconds of the answer. */
  readonly now: number;
}

export function containerReport(facts: ContainerFacts): ContainerReport {
  const { name, group, view } = facts;
  const { currentState, previousState } = view ?? {};
  const restartCount = restartsOf(facts);
  const state = stateOf(currentState, facts);
  // While it waits for its next run that one is not counted yet.
  const lastRun = state.waiting === undefined ? restartCount - 1 : restartCount;
  const lastState =
    previousState === undefined || !hasEnded(previousState)
      ? undefined
      : { terminated: endOf(previousState, facts, Math.max(0, lastRun)) };
  const ready = state.running === undefined ? undefined : readiness(state.running.startedAt, facts);
  const hasRun = state.running !== undefined || state.terminated?.startedAt !== undefined || lastState !== undefined;
  return {
    name,
    state,
    restartCount,
    ...(lastState !== undefined && { lastState }),
    ...(ready !== undefined && { ready }),
    ...(hasRun && { containerID: `aci://${group}/${name}/${restartCount}` }),
  };
}

function restartsOf({ view, leastRestarts }: ContainerFacts): number {
  return Math.max(view?.restartCount ?? 0, leastRestarts);
}

const ended: ReadonlySet<string> = new Set(["Terminated", "Succeeded", "Failed", "Canceled", "Stopped"]);

export function hasEnded({ state = "", exitCode, finishTime }: CloudState): boolean {
  return ended.has(state) || (state !== "Running" && state !== "Waiting" && (exitCode ?? finishTime) !== undefined);
}

function stateOf(current: CloudState | undefined, facts: ContainerFacts): ContainerState {
  if (current === undefined) return { waiting: waitingFor("", facts) };
  if (current.state === "Running") return { running: { ...time("startedAt", current.startTime) } };
  if (hasEnded(current)) return { terminated: endOf(current, facts, restartsOf(facts)) };
  return { waiting: waitingFor(current.detailStatus ?? "", facts) };
}

type Terminated = NonNullable<ContainerState["terminated"]>;

function endOf(state: CloudState, facts: ContainerFacts, run: number): Terminated {
  const { exitCode, detailStatus = "" } = state;
  // Without a code it is not known to have succeeded, but where the cloud says so.
  const code = exitCode ?? (state.state === "Succeeded" ? 0 : 137);
  const isOutOfMemory = /oom|out of memory/i.test(detailStatus) || (code === 137 && wasOutOfMemory(state, facts));
  const word = /^[A-Z][A-Za-z]+$/.test(detailStatus) ? detailStatus : undefined;
  const reason = isOutOfMemory
    ? "OOMKilled"
    : exitCode === undefined && state.state !== "Succeeded"
      ? "ContainerStatusUnknown"
      : (word ?? (code === 0 ? "Completed" : "Error"));
  return {
    exitCode: code,
    reason,
    ...(detailStatus !== "" && detailStatus !== reason && { message: detailStatus }),
    ...time("startedAt", state.startTime),
    ...time("finishedAt", state.finishTime),
    containerID: `aci://${facts.group}/${facts.name}/${run}`,
  };
}

function wasOutOfMemory({ startTime }: CloudState, { view }: ContainerFacts): boolean {
  return (view?.events ?? []).some(
    ({ name = "", message = "", lastTimestamp }) =>
      /oom|out of memory/i.test(`${name} ${message}`) && isAfter(lastTimestamp, startTime),
  );
}

/** The kubelet's reasons: by what the cloud says of the container, else by what happened last. */
function waitingFor(
  detail: string,
  { view, groupEvents, isInitializing, name }: ContainerFacts,
): NonNullable<ContainerState["waiting"]> {
  const [, word, text] = /^([A-Z][A-Za-z]+)(?::\s*(.*))?$/s.exec(detail) ?? [];
  if (word !== undefined) return { reason: word, ...(text !== undefined && text !== "" && { message: text }) };
  const last = latest([...(view?.events ?? []), ...groupEvents.filter((event) => isAbout(event, name))]);
  const message = last?.message ?? "";
  if (last?.name === "BackOff" && /restarting failed/i.test(message)) return { reason: "CrashLoopBackOff", message };
  if (last?.name === "BackOff") return { reason: "ImagePullBackOff", message };
  if (last?.type === "Warning" && /pull/i.test(message)) return { reason: "ErrImagePull", message };
  if (last?.type === "Warning" && last.name === "Failed") return { reason: "CreateContainerError", message };
  return {
    reason: isInitializing ? "PodInitializing" : "ContainerCreating",
    ...(detail !== "" && { message: detail }),
  };
}

/** Of the group's events those that name it, or that are of all. */
function isAbout({ message = "" }: InstanceEvent, container: string): boolean {
  return !message.includes("container") || message.includes(container);
}

export function latest(events: readonly InstanceEvent[]): InstanceEvent | undefined {
  return events.reduce<InstanceEvent | undefined>(
    (last, event) => (last === undefined || isAfter(event.lastTimestamp, last.lastTimestamp) ? event : last),
    undefined,
  );
}

/**
 * The cloud tells a failed readiness probe by an event alone. Ready is what had the time for a first success, and has no failure
 * within the last two periods and the time of a probe. Undefined where the cloud does not probe.
 */
function readiness(startedAt: string | undefined, { view, readinessProbe, now }: ContainerFacts): boolean | undefined {
  if (readinessProbe === undefined) return undefined;
  const { initialDelaySeconds = 0, periodSeconds = 10, timeoutSeconds = 1 } = readinessProbe;
  const begun = Date.parse(startedAt ?? "");
  if (Number.isFinite(begun) && now < begun + initialDelaySeconds * 1000) return false;
  const failed = latest((view?.events ?? []).filter(({ message = "" }) => /readiness probe failed/i.test(message)));
  const at = Date.parse(failed?.lastTimestamp ?? "");
  if (!Number.isFinite(at) || (Number.isFinite(begun) && at < begun)) return true;
  return now > at + (2 * periodSeconds + timeoutSeconds) * 1000;
}

function isAfter(time: string | undefined, other: string | undefined): boolean {
  const [one, two] = [Date.parse(time ?? ""), Date.parse(other ?? "")];
  return !Number.isFinite(two) || (Number.isFinite(one) && one >= two);
}

/** Times of the year 1 mean that there is none yet. */
function time<K extends string>(key: K, text: string | undefined): Partial<Record<K, string>> {
  const at = Date.parse(text ?? "");
  const out: Partial<Record<K, string>> = {};
  if (Number.isFinite(at) && at > 0) out[key] = new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
  return out;
}
