// What the cloud says of one container in the terms of the API: state, times, codes, reasons. Pure.
import type { ContainerReport, ContainerState } from "@virtual-kubelet/virtual-kubelet";
import type { ContainerState as CloudState, ContainerView, GroupEvent } from "./wire-answers.ts";

export interface ContainerFacts {
  /** ID of its group, for its own. */
  readonly group: string;
  readonly view: ContainerView;
  /** Of the group: pulls are told there. */
  readonly events: readonly GroupEvent[];
  /** It waits for init containers. */
  readonly isInitializing: boolean;
  readonly isInit: boolean;
}

export function containerReport(facts: ContainerFacts): ContainerReport {
  const { group, view, isInit } = facts;
  const { Name: name, CurrentState, PreviousState, RestartCount: restartCount = 0 } = view;
  const state = stateOf(CurrentState, facts);
  const lastState =
    PreviousState !== undefined && hasEnded(PreviousState) ? { terminated: endOf(PreviousState, facts) } : undefined;
  const hasRun = state.running !== undefined || state.terminated?.startedAt !== undefined || lastState !== undefined;
  return {
    name,
    state,
    restartCount,
    ...(lastState !== undefined && { lastState }),
    ...(state.running !== undefined && !isInit && view.Ready !== undefined && { ready: view.Ready }),
    ...(hasRun && { containerID: `eci://${group}/${name}/${restartCount}` }),
  };
}

export function hasEnded({ State = "" }: CloudState): boolean {
  // The second is what the first was called, and what groups of old still say.
  return State === "Terminated" || State === "Succeeded" || State === "Failed";
}

function stateOf(current: CloudState | undefined, facts: ContainerFacts): ContainerState {
  if (current?.State === "Running") return { running: { ...time("startedAt", current.StartTime) } };
  if (current !== undefined && hasEnded(current)) return { terminated: endOf(current, facts) };
  return { waiting: waitingFor(current, facts) };
}

type Terminated = NonNullable<ContainerState["terminated"]>;

function endOf(state: CloudState, { group, view, events }: ContainerFacts): Terminated {
  const { ExitCode, Signal, State, Reason = "", Message = "", DetailStatus = "" } = state;
  const signal = Signal === undefined || Signal === 0 ? undefined : Signal;
  // Without a code it is not known to have succeeded, but where the cloud says so.
  const known = ExitCode ?? (State === "Succeeded" ? 0 : undefined);
  const exitCode = known ?? (signal === undefined ? 137 : 128 + signal);
  const isOutOfMemory =
    /^OOM/i.test(Reason) || /oom.?killed/i.test(DetailStatus) || (exitCode === 137 && outOfMemory(state, events));
  const reason = isOutOfMemory
    ? "OOMKilled"
    : Reason !== ""
      ? Reason
      : known === undefined && signal === undefined
        ? "ContainerStatusUnknown"
        : exitCode === 0
          ? "Completed"
          : "Error";
  const message = Message === "" ? DetailStatus : Message;
  return {
    exitCode,
    ...(signal !== undefined && { signal }),
    reason,
    ...(message !== "" && message !== reason && { message }),
    ...time("startedAt", state.StartTime),
    ...time("finishedAt", state.FinishTime),
    containerID: `eci://${group}/${view.Name}/${view.RestartCount ?? 0}`,
  };
}

function outOfMemory({ StartTime, FinishTime }: CloudState, events: readonly GroupEvent[]): boolean {
  const [from, to] = [Date.parse(StartTime ?? ""), Date.parse(FinishTime ?? "")];
  return events.some(({ Reason = "", LastTimestamp = "" }) => {
    const at = Date.parse(LastTimestamp);
    return /^OOMKill/i.test(Reason) && at >= from && at <= to + 5_000;
  });
}

/** The kubelet's reasons: by what the cloud says of the container, else by what happened last. */
function waitingFor(
  current: CloudState | undefined,
  { view, events, isInitializing }: ContainerFacts,
): NonNullable<ContainerState["waiting"]> {
  const { Reason = "", Message = "", DetailStatus = "" } = current ?? {};
  const said = Message === "" ? DetailStatus : Message;
  if (/^[A-Z][A-Za-z]+$/.test(Reason))
    return { reason: Reason, ...(said !== "" && said !== Reason && { message: said }) };
  const last = latest(events.filter((event) => isAbout(event, view)));
  const message = last?.Message ?? "";
  if (last?.Reason === "BackOff" && /restarting failed/i.test(message)) return { reason: "CrashLoopBackOff", message };
  if (last?.Reason === "BackOff") return { reason: "ImagePullBackOff", message };
  if (last?.Type === "Warning" && /pull/i.test(`${last.Reason} ${message}`)) return { reason: "ErrImagePull", message };
  if (last?.Type === "Warning" && last.Reason === "Failed") return { reason: "CreateContainerError", message };
  return {
    reason: isInitializing ? "PodInitializing" : "ContainerCreating",
    ...(said !== "" && { message: said }),
  };
}

function isAbout({ Message = "" }: GroupEvent, { Name, Image = "" }: ContainerView): boolean {
  return Message.includes(Name) || (Image !== "" && Message.includes(Image));
}

export function latest(events: readonly GroupEvent[]): GroupEvent | undefined {
  return events.reduce<GroupEvent | undefined>((last, event) => {
    const [one, two] = [Date.parse(event.LastTimestamp ?? ""), Date.parse(last?.LastTimestamp ?? "")];
    return last === undefined || (Number.isFinite(one) && !(two > one)) ? event : last;
  }, undefined);
}

/** Times of the year 1 mean that there is none yet. */
function time<K extends string>(key: K, text: string | undefined): Partial<Record<K, string>> {
  const at = Date.parse(text ?? "");
  const out: Partial<Record<K, string>> = {};
  if (Number.isFinite(at) && at > 0) out[key] = new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
  return out;
}
