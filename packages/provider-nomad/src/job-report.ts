// A job of Nomad with its first allocation as a group: facts alone. Pure.
import type { ContainerReport, PodFailure, PodOwner } from "@virtual-kubelet/virtual-kubelet";
import { type CloudGroup, ownerOf, revisionOf } from "@virtual-kubelet/virtual-kubelet/cloud";
import * as v from "valibot";
import { type Attempts, hasFailedToStart, isNotTaken } from "./attempts.ts";
import type { NomadConfig } from "./config.ts";
import { failureKey, overKey } from "./names.ts";
import type { Unplaced } from "./placement.ts";
import { allocationEvents } from "./task-events.ts";
import { isStartFailure, messageOf, taskReport, timeText } from "./task-report.ts";
import { endsOnce } from "./translate.ts";
import type { NomadAllocation, NomadJobAnswer } from "./wire.ts";

export interface JobFacts {
  readonly job: NomadJobAnswer;
  /** The pod's own, whole. */
  readonly allocation: NomadAllocation | undefined;
  readonly attempts: Pick<Attempts, "isReplaced" | "createdAt">;
  readonly unplaced: Unplaced | undefined;
  readonly owner: PodOwner;
  readonly network: NomadConfig["network"];
}

export interface JobReport {
  readonly group: CloudGroup;
  /** Nothing of it is to run any more, and Nomad does not know that: the job is to be stopped. */
  readonly isOver: boolean;
}

/** Undefined: not of this node and cluster. */
export function jobOwner(
  meta: Readonly<Record<string, string>> | undefined,
  { cluster, node }: Pick<PodOwner, "cluster" | "node">,
): PodOwner | undefined {
  const owner = ownerOf(meta ?? {});
  return owner?.cluster === cluster && owner.node === node ? owner : undefined;
}

export function jobReport(facts: JobFacts): JobReport {
  const { job, allocation, unplaced, owner } = facts;
  const meta = job.Meta ?? {};
  const revision = revisionOf(meta);
  const base = { owner, id: job.ID, ...(revision !== undefined && { revision }) };
  if (allocation === undefined) {
    const failure = job.Stop ? (failureOf(meta) ?? stopped) : undefined;
    const why = { reason: unplaced === undefined ? "ContainerCreating" : "Unschedulable" };
    const waiting = { ...why, ...(unplaced !== undefined && { message: unplaced.message }) };
    return {
      isOver: false,
      group: {
        ...{ ...base, stage: failure === undefined ? ("starting" as const) : ("ended" as const) },
        containers: tasksOf(job).map(({ Name }) => ({ name: Name, state: { waiting } })),
        ...(failure !== undefined && { failure }),
        ...(unplaced !== undefined && { events: [placementEvent(unplaced, job)] }),
        annotations: { "backend.virtual-kubelet.io/nomad-job": job.ID },
      },
    };
  }
  const containers = containersOf(facts, allocation);
  // Its containers wait, as long as it is tried again.
  const isRetried = !job.Stop && !facts.attempts.isReplaced && hasFailedToStart(allocation, job);
  const isDone =
    (isFinal(allocation) && !isRetried) ||
    (job.Stop && !hasRunning(containers) && allocation.ClientStatus !== "pending");
  const failure = isDone ? (failureOf(meta) ?? failureIn(facts, allocation, containers)) : undefined;
  const mainNames = new Set(
    tasksOf(job).flatMap(({ Name, Lifecycle }) => ((Lifecycle ?? undefined) === undefined ? [Name] : [])),
  );
  const mains = containers.filter(({ name }) => mainNames.has(name));
  const areMainsDone = mains.length > 0 && mains.every(({ state }) => state.terminated !== undefined);
  const isOver =
    !job.Stop && ((areMainsDone && !isFinal(allocation)) || facts.attempts.isReplaced || isTaken(allocation));
  const podIPs = addressesOf(allocation, facts.network);
  return {
    isOver,
    group: {
      ...{ ...base, stage: stageOf(facts, allocation, mains, isDone, isOver), containers },
      ...(podIPs.length > 0 && { podIPs }),
      // Of a job only the time of its last change is known.
      startTime: timeText(facts.attempts.createdAt ?? allocation.CreateTime),
      ...(failure !== undefined && { failure }),
      events: [...allocationEvents(allocation), ...sandboxEvents(allocation)],
      annotations: {
        "backend.virtual-kubelet.io/nomad-job": job.ID,
        "backend.virtual-kubelet.io/nomad-allocation": allocation.ID,
        ...(allocation.NodeName === undefined
          ? {}
          : { "backend.virtual-kubelet.io/nomad-client": allocation.NodeName }),
      },
    },
  };
}

function sandboxEvents(allocation: NomadAllocation): NonNullable<CloudGroup["events"]> {
  if (!isNotTaken(allocation)) return [];
  const { ID, ClientDescription = "", ModifyTime = allocation.CreateTime } = allocation;
  const reason = "FailedCreatePodSandBox";
  const time = Math.floor(ModifyTime / 1_000_000);
  return [{ key: `${reason}/${ID}`, time, eventType: "Warning", reason, message: ClientDescription }];
}

const stopped: PodFailure = { reason: "Stopped", message: "the job was stopped in Nomad" };

function tasksOf(job: Pick<NomadJobAnswer, "TaskGroups">): NomadJobAnswer["TaskGroups"][number]["Tasks"] {
  return job.TaskGroups.flatMap(({ Tasks }) => Tasks);
}

function placementEvent(
  { evaluation, message }: Unplaced,
  { SubmitTime = 0 }: NomadJobAnswer,
): NonNullable<CloudGroup["events"]>[number] {
  const time = Math.floor(SubmitTime / 1_000_000);
  return { key: `FailedPlacement/${evaluation}`, time, eventType: "Warning", reason: "FailedPlacement", message };
}

function containersOf(facts: JobFacts, allocation: NomadAllocation): readonly ContainerReport[] {
  const { job } = facts;
  const once = endsOnce(job.Meta ?? {});
  const states = allocation.TaskStates ?? {};
  const isInitializing = tasksOf(job).some(({ Name, Lifecycle }) => {
    const { State = "pending", Failed = false } = states[Name] ?? {};
    if (Lifecycle === undefined || Lifecycle === null) return false;
    return Lifecycle.Sidecar ? State === "pending" : State !== "dead" || Failed;
  });
  return tasksOf(job).map(({ Name, Lifecycle }) =>
    taskReport({
      ...{ name: Name, allocation: allocation.ID, task: states[Name], endsOnce: once.has(Name) },
      isInitializing: isInitializing && (Lifecycle ?? undefined) === undefined,
    }),
  );
}

function hasRunning(containers: readonly ContainerReport[]): boolean {
  return containers.some(({ state }) => state.running !== undefined);
}

function isFinal({ ClientStatus }: NomadAllocation): boolean {
  return ClientStatus === "complete" || ClientStatus === "failed" || ClientStatus === "lost";
}

/**
 * By Nomad, from under the pod, whose job is to go on: its client is drained or went away, something more important wanted its place,
 * or somebody stopped the allocation.
 */
function isTaken({ ClientStatus, DesiredStatus }: NomadAllocation): boolean {
  return ClientStatus === "lost" || DesiredStatus !== "run";
}

function stageOf(
  { job }: JobFacts,
  allocation: NomadAllocation,
  mains: readonly ContainerReport[],
  isDone: boolean,
  isOver: boolean,
): CloudGroup["stage"] {
  if (isDone) return "ended";
  if (job.Stop || isOver || allocation.DesiredStatus !== "run") return "ending";
  const isSteady = mains.every(({ state }) => state.running !== undefined || state.terminated !== undefined);
  return isSteady && mains.length > 0 ? "running" : "starting";
}

/** Ended as a whole by another than its containers. */
function failureIn(
  { job, attempts: { isReplaced } }: JobFacts,
  allocation: NomadAllocation,
  containers: readonly ContainerReport[],
): PodFailure | undefined {
  const { ClientStatus, DesiredStatus, DesiredDescription = "", ClientDescription = "" } = allocation;
  if (ClientStatus === "lost")
    return {
      ...{ reason: "NodeLost", message: ClientDescription || "the client of Nomad that ran it is lost" },
      disruption: "DeletionByNomad",
    };
  if (DesiredStatus === "evict")
    return {
      ...{ reason: "Preempted", message: DesiredDescription || "Nomad gave its place to something more important" },
      disruption: "PreemptionByNomad",
    };
  if (isReplaced || (DesiredStatus === "stop" && !job.Stop))
    return {
      ...{ reason: "Stopped", message: DesiredDescription || "Nomad stopped its allocation" },
      disruption: "DeletionByNomad",
    };
  // By somebody else.
  if (job.Stop && job.Meta?.[overKey] === undefined) return stopped;
  if (ClientStatus !== "failed") return undefined;
  const states = Object.values(allocation.TaskStates ?? {});
  const unstarted = states.filter(({ StartedAt }) => (StartedAt ?? undefined) === undefined);
  // It takes those with it that had started.
  const why = unstarted.flatMap(({ Events }) => Events ?? []).findLast(isStartFailure);
  if (why !== undefined) return { reason: "FailedToStart", message: messageOf(why) };
  if (containers.some(({ state, restartCount = 0 }) => state.terminated !== undefined || restartCount > 0))
    return undefined;
  return { reason: "FailedToStart", message: ClientDescription || "no task could be started" };
}

const failureSchema = v.object({
  reason: v.string(),
  message: v.string(),
  disruption: v.optional(v.string()),
});

function failureOf(meta: Readonly<Record<string, string>>): PodFailure | undefined {
  const text = meta[failureKey];
  if (text === undefined || text === "") return undefined;
  try {
    const found = v.safeParse(failureSchema, JSON.parse(text));
    return found.success ? found.output : stopped;
  } catch {
    // Somebody else's words: that it was stopped is all that is known.
    return stopped;
  }
}

export function addressesOf(
  { NetworkStatus, AllocatedResources }: NomadAllocation,
  { podIP }: NomadConfig["network"],
): readonly string[] {
  const host = (AllocatedResources?.Shared?.Networks ?? []).map(({ IP }) => IP ?? "").find((ip) => ip !== "");
  const own = [NetworkStatus?.Address ?? "", NetworkStatus?.AddressIPv6 ?? ""].filter((ip) => ip !== "");
  if (podIP === "allocation" && own.length > 0) return own;
  return host === undefined ? [] : [host];
}
