// One look at the whole process, cut down to what was asked for and may be seen.
import type { Stored } from "../kube/resource.ts";
import type { Node } from "../kube/types.gen.ts";
import type { Metrics } from "../metrics.ts";
import type { Inspected } from "../pod/pod-inspection.ts";
import { redactText } from "../program/redact.ts";
import type { VirtualKubelet } from "../virtual-kubelet.ts";
import type { ActivityLog } from "./activity-log.ts";
import { gone, goneRow, podRow, statusesOf, trouble } from "./pod-row.ts";
import { podTimeline } from "./pod-timeline.ts";
import { type ProcessFigures, readFigures } from "./process-figures.ts";
import type { NodeState, PodDetails, PodRow, ViewState } from "./view-state.ts";

export interface SnapshotSource {
  readonly inside: VirtualKubelet["inside"];
  readonly activity: ActivityLog;
  readonly metrics: Metrics;
  readonly version: string;
  readonly startedAt: number;
  readonly now: () => number;
}

export interface ViewQuery {
  /** A part of namespace/name, node or reason. */
  readonly filter: string;
  /** "" for all but those that are gone. */
  readonly phase: string;
  readonly node: string;
  /** UID. */
  readonly pod: string;
}

const mostRows = 200;
const mostNodes = 50;
const mostEvents = 15;

/** `maySee`: whether the caller may see this node and its pods. */
export async function snapshot(
  source: SnapshotSource,
  query: ViewQuery,
  maySee: (node: string) => boolean,
): Promise<ViewState> {
  const { inside, activity, metrics, version, startedAt } = source;
  const now = source.now();
  const figures = await readFigures(metrics, now);
  const nodes = inside.nodes.filter(maySee);
  const visible = new Set(nodes);
  const phases: Record<string, number> = {};
  const perNode = new Map<string, number>();
  const rows: PodRow[] = [];
  let total = 0;
  let inTrouble = 0;
  const take = (row: PodRow): void => {
    phases[row.phase] = (phases[row.phase] ?? 0) + 1;
    if (fits(row, query)) rows.push(row);
  };
  for (const inspected of inside.pods.inspect()) {
    const { node } = inspected.entry.owner;
    if (!visible.has(node)) continue;
    total += 1;
    perNode.set(node, (perNode.get(node) ?? 0) + 1);
    const row = podRow(inspected);
    if (attention(row) === 0) inTrouble += 1;
    take(row);
  }
  for (const { owner, first } of activity.all()) {
    if (!visible.has(owner.node) || inside.pods.inspectPod(owner.uid) !== undefined) continue;
    take(goneRow(owner, first[0]?.at ?? now));
  }
  rows.sort(byAttention);
  const states = nodes.map((name) => nodeState(name, inside, figures, perNode.get(name) ?? 0));
  return {
    now,
    startedAt,
    version,
    starting: inside.pods.hasSynced() ? undefined : "The pods of the API server are not known yet.",
    nodes: {
      total: states.length,
      ready: states.filter(({ ready }) => ready === "True").length,
      rows: firstNodes(states),
    },
    phases,
    pods: { total, inTrouble, matching: rows.length, rows: rows.slice(0, mostRows) },
    queues: figures.queues,
    events: activity.events
      .filter(({ node }) => visible.has(node))
      .slice(-mostEvents)
      .reverse(),
    pod: query.pod === "" ? undefined : podDetails(source, query.pod, visible, now),
  };
}

function fits(row: PodRow, { filter, phase, node }: ViewQuery): boolean {
  if (phase === "" ? row.phase === gone : row.phase !== phase) return false;
  if (node !== "" && row.node !== node) return false;
  const text = `${row.namespace}/${row.name} ${row.node} ${row.reason ?? ""}`.toLowerCase();
  return text.includes(filter.toLowerCase());
}

/** Those that somebody may have to look after first, then those on the way, then the newest. */
function byAttention(a: PodRow, b: PodRow): number {
  return attention(a) - attention(b) || b.since - a.since || (a.name < b.name ? -1 : 1);
}

function attention({ reason, retryAt, phase, deleting }: PodRow): number {
  if (reason !== undefined || retryAt !== undefined) return 0;
  return phase === "Pending" || deleting ? 1 : 2;
}

function firstNodes(states: readonly NodeState[]): readonly NodeState[] {
  const notReady = states.filter(({ ready }) => ready !== "True");
  return [...notReady, ...states.filter(({ ready }) => ready === "True")].slice(0, mostNodes);
}

function nodeState(name: string, inside: SnapshotSource["inside"], figures: ProcessFigures, pods: number): NodeState {
  const node = inside.node(name);
  const { calls, deletions, trouble: fault } = inside.pods.inspectNode(name) ?? {};
  const none = { taken: 0, limit: 0, waiting: 0 };
  const condition = node?.status?.conditions?.find(({ type }) => type === "Ready");
  const since = Date.parse(condition?.lastTransitionTime ?? "");
  return {
    name,
    ready: readiness(node, condition?.status),
    readySince: Number.isNaN(since) ? undefined : since,
    reason: condition?.reason,
    message: condition?.message === undefined ? undefined : redactText(condition.message),
    unschedulable: node?.spec?.unschedulable === true,
    kubeletVersion: node?.status?.nodeInfo?.kubeletVersion,
    runtime: node?.status?.nodeInfo?.containerRuntimeVersion,
    taints: (node?.spec?.taints ?? []).map(({ key, value, effect }) => `${key}${value ? `=${value}` : ""}:${effect}`),
    resources: Object.entries(node?.status?.capacity ?? {}).map(([resource, capacity]) => ({
      name: resource,
      capacity,
      allocatable: node?.status?.allocatable?.[resource] ?? capacity,
      requested: figures.requested(name, resource),
    })),
    leaseRenewedAt: figures.leaseRenewedAt(name),
    leaseSeconds: figures.leaseSeconds,
    pods,
    calls: plain(calls ?? none),
    deletions: plain(deletions ?? none),
    trouble: fault === undefined ? undefined : redactText(fault),
  };
}

function readiness(node: Stored<Node> | undefined, status: string | undefined): NodeState["ready"] {
  if (node === undefined) return "Missing";
  return status === "True" || status === "False" ? status : "Unknown";
}

/** Values of the moment: what they are taken from is live. */
function plain({ taken, limit, waiting }: NodeState["calls"]): NodeState["calls"] {
  return { taken, limit, waiting };
}

function podDetails(
  { inside, activity }: SnapshotSource,
  uid: string,
  visible: ReadonlySet<string>,
  now: number,
): PodDetails | "unknown" {
  const inspected = inside.pods.inspectPod(uid);
  const done = activity.get(uid);
  const owner = inspected?.entry.owner ?? done?.owner;
  if (owner === undefined || !visible.has(owner.node)) return "unknown";
  return {
    row: inspected === undefined ? goneRow(owner, done?.first[0]?.at ?? now) : podRow(inspected),
    message: inspected === undefined ? undefined : trouble(inspected)?.message,
    retries: inspected?.retries ?? [],
    containers: inspected === undefined ? [] : containers(inspected),
    timeline: podTimeline(inspected?.pod, done, now),
    omitted: done?.omitted ?? 0,
  };
}

function containers({ pod }: Inspected): PodDetails["containers"] {
  return statusesOf(pod?.status).map(({ name, state, restartCount, ready }) => ({
    name,
    restarts: restartCount,
    state:
      state?.running !== undefined
        ? `running${ready ? ", ready" : ""}`
        : state?.terminated !== undefined
          ? `ended with ${state.terminated.exitCode}`
          : `waiting: ${state?.waiting?.reason ?? "not started"}`,
  }));
}
