// What the cloud says of a group as facts of a pod: whose it is, how far it is, how it ended. Pure.
import type { ContainerState, PodFailure, PodOwner } from "@virtual-kubelet/virtual-kubelet";
import { type CloudGroup, goOwnerOf, ownerOf, revisionOf } from "@virtual-kubelet/virtual-kubelet/cloud";
import { containerReport, hasEnded, latest } from "./container-report.ts";
import { groupEvents } from "./group-events.ts";
import { startedVolume } from "./sidecars.ts";
import { createdAt, failureOf, isStoppedByUs, leastRestarts, tagOptions } from "./tags.ts";
import type { ContainerGroup } from "./wire.ts";
import type { Container } from "./wire-containers.ts";
import type { ContainerInstanceView, InstanceEvent } from "./wire-views.ts";

export interface ReportOptions {
  readonly node: string;
  readonly cluster: string;
  /** It was found by its id: whose it is is known, whatever became of its tags. */
  readonly known?: PodOwner | undefined;
  readonly adoptGoGroups: boolean;
  /** Containers of ours, which are no pod's. */
  readonly hidden: ReadonlySet<string>;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** Undefined: not of this node and cluster. */
export function groupReport(answer: ContainerGroup, options: ReportOptions): CloudGroup | undefined {
  const { node, cluster, adoptGoGroups, hidden } = options;
  const { id = "", name = "", tags = {}, properties } = answer;
  const own = ownerOf(tags, tagOptions);
  const isOurs = own !== undefined && own.node === node && own.cluster === cluster;
  const isGo = own === undefined && adoptGoGroups;
  const found =
    (isOurs ? { owner: own } : isGo ? goOwnerOf(tags, options) : undefined) ??
    (options.known === undefined ? undefined : { owner: options.known });
  if (found === undefined || id === "") return undefined;
  const isPartial = properties.instanceView === undefined && !properties.containers.some(hasView);
  const revision = revisionOf(tags, tagOptions);
  const base = { ...found, id, ...(revision !== undefined && { revision }) };
  if (isPartial) return { ...base, partial: true, stage: partialStage(properties.provisioningState), containers: [] };

  const initContainers = properties.initContainers ?? [];
  const isInitializing = initContainers.some(({ properties: { instanceView } }) => !hasSucceeded(instanceView));
  const isHeld = properties.containers.some((each) => isSidecarOf(each) && !hasRun(each.properties.instanceView));
  const common = { group: name, groupEvents: properties.instanceView?.events ?? [], now: options.now };
  const containers = [
    ...initContainers.map((container) =>
      containerReport({
        ...common,
        ...{ name: container.name, view: container.properties.instanceView, isInitializing: false, leastRestarts: 0 },
      }),
    ),
    ...properties.containers.map((container) => {
      const report = containerReport({
        ...common,
        ...{ name: container.name, view: container.properties.instanceView, isInitializing },
        leastRestarts: properties.containers.length === 1 ? leastRestarts(tags) : 0,
        readinessProbe: container.properties.readinessProbe,
      });
      // A shell alone runs in who comes after a sidecar that has not begun.
      const waits = isHeld && !isSidecarOf(container) && report.state.running !== undefined;
      return waits ? { name: report.name, state: { waiting: { reason: "PodInitializing" } } } : report;
    }),
  ].filter((container) => !hidden.has(container.name));
  const { ip = "", fqdn = "" } = properties.ipAddress ?? {};
  const state = properties.instanceView?.state ?? "";
  const isOver = ["Stopped", "Succeeded", "Failed"].includes(state) && !isRunning(containers);
  // Before it is over, something of it may still begin.
  const failure = (isOver ? failureOf(tags) : undefined) ?? groupFailure(answer);
  const startTime = createdAt(tags);
  return {
    ...base,
    stage: stageOf(answer, containers, failure !== undefined || state === "Stopped"),
    containers,
    ...(ip !== "" && { podIPs: [ip] }),
    ...(startTime !== undefined && { startTime }),
    ...(failure !== undefined && !isRunning(containers) && { failure }),
    events: groupEvents(answer, hidden),
    annotations: {
      "backend.virtual-kubelet.io/resource-id": id,
      ...(fqdn !== "" && { "backend.virtual-kubelet.io/fqdn": fqdn }),
    },
  };
}

function hasView({ properties }: ContainerGroup["properties"]["containers"][number]): boolean {
  return properties.instanceView !== undefined;
}

function isSidecarOf({ properties: { volumeMounts = [] } }: Container): boolean {
  return volumeMounts.some(({ name, readOnly }) => name === startedVolume && readOnly !== true);
}

function hasRun(view: ContainerInstanceView | undefined): boolean {
  const { currentState, previousState } = view ?? {};
  return previousState !== undefined || (currentState?.state ?? "Waiting") !== "Waiting";
}

function hasSucceeded(view: ContainerInstanceView | undefined): boolean {
  const state = view?.currentState;
  return state !== undefined && hasEnded(state) && (state.exitCode ?? (state.state === "Succeeded" ? 0 : 1)) === 0;
}

function isRunning(containers: CloudGroup["containers"]): boolean {
  return containers.some(({ state }) => state.running !== undefined);
}

/** A list tells of the provisioning alone. */
function partialStage(provisioningState = ""): CloudGroup["stage"] {
  if (provisioningState === "Deleting") return "ending";
  if (provisioningState === "Succeeded") return "running";
  return provisioningState === "Failed" || provisioningState === "Canceled" ? "ended" : "starting";
}

function stageOf(
  { tags = {}, properties }: ContainerGroup,
  containers: CloudGroup["containers"],
  isOver: boolean,
): CloudGroup["stage"] {
  const { provisioningState = "", restartPolicy = "Always", instanceView } = properties;
  if (provisioningState === "Deleting") return "ending";
  if (isRunning(containers)) {
    if (isOver || isStoppedByUs(tags)) return "ending";
    const main = new Set(properties.containers.map(({ name }) => name));
    // What has ended and is restarted is looked at often.
    const isSteady = ({ running, terminated }: ContainerState): boolean =>
      running !== undefined || (terminated !== undefined && restartPolicy !== "Always");
    const isWhole = containers.every(({ name, state }) => !main.has(name) || isSteady(state));
    return isWhole ? "running" : "starting";
  }
  if (isOver) return "ended";
  const isFinal = ["Succeeded", "Failed"].includes(instanceView?.state ?? "") && restartPolicy !== "Always";
  return isFinal && containers.some(({ state }) => state.terminated !== undefined) ? "ended" : "starting";
}

/** Ended by the cloud as a whole. Undefined while it may still come to run. */
function groupFailure({ tags = {}, properties }: ContainerGroup): PodFailure | undefined {
  const { provisioningState = "", instanceView, priority, containers } = properties;
  const events = [
    ...(instanceView?.events ?? []),
    ...containers.flatMap((container) => container.properties.instanceView?.events ?? []),
  ];
  const state = instanceView?.state ?? "";
  const evicted = latest(events.filter(({ name = "", message = "" }) => /evict|preempt/i.test(`${name} ${message}`)));
  if (evicted !== undefined && (priority === "Spot" || state !== "Running") && state !== "Running")
    return {
      reason: "SpotEviction",
      message: evicted.message ?? "the cloud took back the capacity of the group",
      disruption: "SpotEviction",
    };
  if (provisioningState === "Failed" || provisioningState === "Canceled") {
    const why = latest(events.filter(({ type }) => type === "Warning"));
    return {
      reason: reasonOf(why) ?? "ProvisioningFailed",
      message: why?.message ?? `the container group could not be made: ${provisioningState}`,
    };
  }
  if (state === "Stopped" && !isStoppedByUs(tags))
    return { reason: "Stopped", message: "the container group was stopped" };
  return undefined;
}

function reasonOf(event: InstanceEvent | undefined): string | undefined {
  const word = event?.name?.replaceAll(/[^A-Za-z0-9]/g, "") ?? "";
  return word === "" ? undefined : word;
}
