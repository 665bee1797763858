// What the cloud says of a group as facts of a pod: whose it is, how far it is, how it ended. Pure.
import type { PodFailure, PodOwner } from "@virtual-kubelet/virtual-kubelet";
import type { CloudEvent, CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { containerReport, hasEnded, latest } from "./container-report.ts";
import { taggedOwner, taggedRevision } from "./tags.ts";
import type { ContainerGroup, ContainerView, GroupEvent } from "./wire-answers.ts";

export interface ReportOptions {
  readonly node: string;
  readonly cluster: string;
  /** It was found by its id: whose it is is known, whatever became of its tags. */
  readonly known?: PodOwner | undefined;
  readonly adoptGoGroups: boolean;
  /** Containers of ours, which are no pod's. */
  readonly hidden: ReadonlySet<string>;
}

/** Undefined: not of this node and cluster. */
export function groupReport(answer: ContainerGroup, options: ReportOptions): CloudGroup | undefined {
  const { known, hidden } = options;
  const { ContainerGroupId: id, Tags = [], Status, Events = [], InitContainers = [], Containers = [] } = answer;
  const found = taggedOwner(Tags, options) ?? (known === undefined ? undefined : { owner: known });
  if (found === undefined) return undefined;
  const isInitializing = InitContainers.some(({ CurrentState }) => !hasSucceeded(CurrentState));
  const common = { group: id, events: Events };
  const containers = [
    ...InitContainers.map((view) => containerReport({ ...common, view, isInitializing: false, isInit: true })),
    ...Containers.map((view) => containerReport({ ...common, view, isInitializing, isInit: false })),
  ].filter(({ name }) => !hidden.has(name));
  const revision = taggedRevision(Tags);
  const podIPs = [answer.IntranetIp, answer.Ipv6Address].filter((ip): ip is string => ip !== undefined && ip !== "");
  const isRunning = containers.some(({ state }) => state.running !== undefined);
  const failure = isRunning ? undefined : failureOf(answer);
  const { CreationTime = "", InternetIp = "", InstanceType = "", Cpu, Memory } = answer;
  const size = Cpu === undefined || Memory === undefined ? "" : `${Cpu}-${Memory}Gi`;
  return {
    ...found,
    id,
    ...(revision !== undefined && { revision }),
    stage: stageOf(Status, isRunning || isStarting(Containers, answer)),
    containers,
    ...(podIPs.length > 0 && { podIPs }),
    ...(CreationTime !== "" && { startTime: withoutFraction(CreationTime) }),
    ...(failure !== undefined && { failure }),
    events: Events.flatMap((event) => eventOf(event, hidden)),
    annotations: {
      "backend.virtual-kubelet.io/resource-id": id,
      ...(InternetIp !== "" && { "backend.virtual-kubelet.io/public-ip": InternetIp }),
      ...(InstanceType !== "" && { "backend.virtual-kubelet.io/instance-type": InstanceType }),
      ...(size !== "" && { "backend.virtual-kubelet.io/size": size }),
    },
  };
}

function hasSucceeded(state: ContainerView["CurrentState"]): boolean {
  return state !== undefined && hasEnded(state) && (state.ExitCode ?? (state.State === "Succeeded" ? 0 : 1)) === 0;
}

/** Something of it that does not run may come to. */
function isStarting(containers: readonly ContainerView[], { Status }: ContainerGroup): boolean {
  return Status === "Running" && containers.some(({ CurrentState }) => CurrentState?.State === "Waiting");
}

function stageOf(status: string, mayRun: boolean): CloudGroup["stage"] {
  switch (status) {
    case "Running":
      return mayRun ? "running" : "starting";
    case "Succeeded":
    case "Failed":
    case "Expired":
    case "ScheduleFailed":
      return "ended";
    case "Terminating":
      return "ending";
    default:
      // Scheduling, Pending, Restarting, Updating, and what is not known yet.
      return "starting";
  }
}

/** Ended by the cloud as a whole. Undefined where its containers say it all. */
function failureOf(group: ContainerGroup): PodFailure | undefined {
  const { Status, Events = [], Containers = [] } = group;
  const why = latest(Events.filter(({ Type }) => Type === "Warning"));
  if (Status === "Expired") {
    const told = latest(Events.filter(({ Reason = "" }) => /^Spot|Expire|Reclaim|Release/i.test(Reason)));
    return {
      reason: "SpotEviction",
      message: told?.Message ?? "the cloud took back the capacity of the group",
      disruption: "SpotEviction",
    };
  }
  if (Status === "ScheduleFailed")
    return {
      reason: reasonOf(why) ?? "ScheduleFailed",
      message: why?.Message ?? "the container group could not be made",
    };
  if (Status !== "Failed") return undefined;
  const deadline = latest(Events.filter(({ Reason = "" }) => Reason === "DeadlineExceeded"));
  if (deadline !== undefined)
    return {
      reason: "DeadlineExceeded",
      message: deadline.Message ?? "Pod was active on the node longer than the specified deadline",
    };
  const evicted = latest(Events.filter(({ Reason = "" }) => /^Evict/.test(Reason)));
  if (evicted !== undefined)
    return {
      reason: "Evicted",
      message: evicted.Message ?? "the cloud evicted the group",
      disruption: "TerminationByKubelet",
    };
  const hasEnds =
    Containers.length > 0 &&
    Containers.every(({ CurrentState }) => CurrentState !== undefined && hasEnded(CurrentState));
  if (hasEnds || Containers.some(({ CurrentState }) => CurrentState !== undefined && hasEnded(CurrentState)))
    return undefined;
  return { reason: reasonOf(why) ?? "Failed", message: why?.Message ?? "the container group failed" };
}

function reasonOf(event: GroupEvent | undefined): string | undefined {
  const word = event?.Reason?.replaceAll(/[^A-Za-z0-9]/g, "") ?? "";
  return word === "" ? undefined : word;
}

/** The same happening has the same key in each answer. */
function eventOf(event: GroupEvent, hidden: ReadonlySet<string>): readonly CloudEvent[] {
  const { Name = "", Message = "", Type, Count = 1, FirstTimestamp = "", LastTimestamp = FirstTimestamp } = event;
  const time = Date.parse(LastTimestamp);
  const reason = reasonOf(event);
  if (reason === undefined || !Number.isFinite(time)) return [];
  if ([...hidden].some((name) => Message.includes(name))) return [];
  return [
    {
      key: `${Name}/${reason}/${FirstTimestamp}/${Count}`,
      time,
      eventType: Type === "Warning" ? "Warning" : "Normal",
      reason,
      message: Message,
    },
  ];
}

function withoutFraction(text: string): string {
  const at = Date.parse(text);
  return Number.isFinite(at) ? new Date(at).toISOString().replace(/\.\d+Z$/, "Z") : text;
}
