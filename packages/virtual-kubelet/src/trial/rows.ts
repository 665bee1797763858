// What the view shows of each object: plain data out of Node, Pod, Deployment, Job and Event.
import type { Deployment, Event, Job, Node, ObjectMeta, Pod } from "../kube/types.gen.ts";

export interface NodeRow {
  readonly name: string;
  readonly status: string;
  readonly createdAt: number;
  readonly kubeletVersion: string;
  readonly runtime: string;
  readonly capacity: string;
}

export interface WorkloadRow {
  readonly kind: "deployment" | "job";
  readonly name: string;
  readonly progress: string;
  readonly done: boolean;
}

export interface PodRow {
  /** With the namespace before it, unless that is default. */
  readonly name: string;
  /** The phase or, where it says more, why it is so. */
  readonly status: string;
  readonly ready: string;
  readonly restarts: number;
  /** "" while it is not bound. */
  readonly node: string;
  readonly createdAt: number;
  readonly ip: string;
  /** From when we saw it bound to when we saw it run, in milliseconds. */
  readonly startMs: number | undefined;
}

export interface EventRow {
  readonly at: number;
  readonly warning: boolean;
  readonly about: string;
  readonly reason: string;
  readonly message: string;
}

/** Everything there is to show at one moment. */
export interface Snapshot {
  readonly nodes: readonly NodeRow[];
  readonly workloads: readonly WorkloadRow[];
  /** Oldest first. */
  readonly pods: readonly PodRow[];
  /** Newest last. */
  readonly events: readonly EventRow[];
}

export const nothing: Snapshot = { nodes: [], workloads: [], pods: [], events: [] };

const timeOf = (text: string | undefined): number => (text === undefined ? Number.NaN : Date.parse(text));
const createdAt = (metadata: ObjectMeta | undefined): number => timeOf(metadata?.creationTimestamp);

export function nodeRow(node: Node): NodeRow {
  const { status, spec, metadata } = node;
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const info = status?.nodeInfo;
  const { cpu = "?", memory = "?", pods = "?" } = status?.capacity ?? {};
  const parts = [ready?.status === "True" ? "Ready" : "NotReady"];
  if (spec?.unschedulable === true) parts.push("SchedulingDisabled");
  return {
    name: metadata?.name ?? "",
    status: parts.join(","),
    createdAt: createdAt(metadata),
    kubeletVersion: info?.kubeletVersion ?? "",
    runtime: info?.containerRuntimeVersion ?? "",
    capacity: `${cpu} CPUs, ${memoryText(memory)}, ${pods} pods`,
  };
}

/** In GiB where the unit is smaller and the number long. */
function memoryText(quantity: string): string {
  if (!/^\d{6,}Ki$|^\d{9,}$/.test(quantity)) return quantity;
  const gibibytes = Number.parseInt(quantity, 10) / (quantity.endsWith("Ki") ? 2 ** 20 : 2 ** 30);
  return `${gibibytes.toFixed(1)}Gi`;
}

export function deploymentRow({ metadata, spec, status }: Deployment): WorkloadRow {
  const wanted = spec?.replicas ?? 1;
  const available = status?.availableReplicas ?? 0;
  const observed = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
  return {
    kind: "deployment",
    name: metadata?.name ?? "",
    progress: `${available}/${wanted} available`,
    done: observed && available === wanted && (status?.updatedReplicas ?? 0) === wanted,
  };
}

export function jobRow({ metadata, spec, status }: Job): WorkloadRow {
  const wanted = spec?.completions ?? 1;
  const holds = (type: string): boolean =>
    status?.conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;
  const done = holds("Complete");
  const seconds = (timeOf(status?.completionTime) - timeOf(status?.startTime)) / 1000;
  const took = done && seconds >= 0 ? ` after ${seconds} s` : "";
  return {
    kind: "job",
    name: metadata?.name ?? "",
    progress: `${status?.succeeded ?? 0}/${wanted} succeeded${took}${holds("Failed") ? ", failed" : ""}`,
    done,
  };
}

export function podRow(pod: Pod, startMs: number | undefined): PodRow {
  const { metadata, status, spec } = pod;
  const containers = status?.containerStatuses ?? [];
  const waiting = containers.map(({ state }) => state?.waiting?.reason).find((reason) => reason !== undefined);
  const { name = "", namespace = "" } = metadata ?? {};
  return {
    name: namespace === "default" ? name : `${namespace}/${name}`,
    status:
      metadata?.deletionTimestamp !== undefined
        ? "Terminating"
        : (status?.reason ?? waiting ?? status?.phase ?? "Unknown"),
    ready: `${containers.filter(({ ready }) => ready).length}/${spec?.containers.length ?? 0}`,
    restarts: containers.reduce((sum, { restartCount }) => sum + restartCount, 0),
    node: spec?.nodeName ?? "",
    createdAt: createdAt(metadata),
    ip: status?.podIP ?? "",
    startMs,
  };
}

export function eventRow(event: Event): EventRow {
  const { involvedObject, reason = "", message = "", count = 1 } = event;
  const at = timeOf(event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime);
  return {
    at: Number.isNaN(at) ? createdAt(event.metadata) : at,
    warning: event.type === "Warning",
    about: `${(involvedObject.kind ?? "").toLowerCase()}/${involvedObject.name ?? ""}`,
    reason,
    message: `${message.replaceAll(/\s+/g, " ")}${count > 1 ? ` (x${count})` : ""}`,
  };
}
