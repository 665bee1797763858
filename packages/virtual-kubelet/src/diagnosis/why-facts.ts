// All that can be found out about one pod: its object, events, node and lease, and what its node itself says of it.
import type { PodCost } from "../budget/budgets.ts";
import { errorText, isErrorKind } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { events, leases, nodes, pods, type Stored } from "../kube/resource.ts";
import { isObject } from "../kube/stored.ts";
import type { Event, Lease, Node, Pod, PodStatus } from "../kube/types.gen.ts";
import { leaseNamespace } from "../node/lease-controller.ts";
import { costAnnotation } from "../server/pods-handlers.ts";

/** What was asked for, or why it cannot be had. */
export type Answer<T> = { readonly value: T } | { readonly fault: string };

export interface WhyFacts {
  readonly pod: Stored<Pod>;
  readonly events: Answer<readonly Stored<Event>[]>;
  /** Undefined: the pod has none yet. */
  readonly node?: Answer<Stored<Node> | undefined> | undefined;
  readonly lease?: Answer<Stored<Lease> | undefined> | undefined;
  /** By the kubelet API of its node; without a value it knows no such pod. */
  readonly onNode?: Answer<PodOnNode | undefined> | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
}

export interface PodOnNode {
  readonly phase: string;
  readonly ready: boolean;
  readonly restarts: number;
  /** What it uses now. */
  readonly cpuMillis?: number | undefined;
  readonly memoryBytes?: number | undefined;
  /** Where its node has prices. */
  readonly cost?: PodCost | undefined;
}

const timeoutMs = 8000;

/** Throws NotFound without a pod, and whatever keeps it from being read. */
export async function gatherFacts(
  client: KubeClient,
  namespace: string,
  name: string,
  now: () => number,
): Promise<WhyFacts> {
  const pod = await client.get(pods, { namespace, name }, { timeoutMs });
  const nodeName = pod.spec?.nodeName ?? "";
  const told = answer(async () => {
    const fieldSelector = `involvedObject.uid=${pod.metadata.uid}`;
    return (await client.list(events, { namespace, fieldSelector, timeoutMs })).items;
  });
  if (nodeName === "") return { pod, events: await told, now: now() };
  const [found, node, lease, onNode] = await Promise.all([
    told,
    answer(() => orAbsent(client.get(nodes, { name: nodeName }, { timeoutMs }))),
    answer(() => orAbsent(client.get(leases, { namespace: leaseNamespace, name: nodeName }, { timeoutMs }))),
    answer(() => askNode(client, nodeName, pod)),
  ]);
  return { pod, events: found, node, lease, onNode, now: now() };
}

async function answer<T>(ask: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await ask() };
  } catch (error) {
    return { fault: errorText(error) };
  }
}

async function orAbsent<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isErrorKind(error, "NotFound")) return undefined;
    throw error;
  }
}

async function askNode(client: KubeClient, node: string, { metadata }: Stored<Pod>): Promise<PodOnNode | undefined> {
  const proxy = (path: string): Promise<unknown> =>
    client.getRaw(`/api/v1/nodes/${encodeURIComponent(node)}/proxy${path}`, { timeoutMs });
  const own = itemOf(await proxy("/pods"), "items", metadata.uid);
  if (own === undefined) return undefined;
  const status = statusOf(own["status"]);
  const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])];
  let usage: Pick<PodOnNode, "cpuMillis" | "memoryBytes"> = {};
  try {
    usage = usageOf(itemOf(await proxy("/stats/summary"), "pods", metadata.uid));
  } catch {
    // Not every provider has figures; the rest is worth telling.
  }
  const cost = costOf(own["metadata"]);
  return {
    ...(cost === undefined ? {} : { cost }),
    phase: status.phase ?? "Unknown",
    ready: status.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True") === true,
    restarts: all.reduce((sum, { restartCount }) => sum + restartCount, 0),
    ...usage,
  };
}

/** The entry of this UID in a list of pods, or of figures by pod. */
function itemOf(list: unknown, key: string, uid: string): Record<string, unknown> | undefined {
  const items = isObject(list) ? list[key] : undefined;
  if (!Array.isArray(items)) return undefined;
  return items.filter(isObject).find(({ metadata, podRef }) => {
    const reference = isObject(metadata) ? metadata : podRef;
    return isObject(reference) && reference["uid"] === uid;
  });
}

/** What the node has written on its own copy of the pod. */
function costOf(metadata: unknown): PodCost | undefined {
  const annotations = isObject(metadata) ? metadata["annotations"] : undefined;
  const text = isObject(annotations) ? annotations[costAnnotation] : undefined;
  if (typeof text !== "string") return undefined;
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) return undefined;
  const { currency = "", perHour, soFar, basis = "" } = value;
  if (typeof perHour !== "number") return undefined;
  const spent = typeof soFar === "number" ? { soFar } : {};
  return { currency: String(currency), perHour, ...spent, basis: String(basis) };
}

function statusOf(value: unknown): PodStatus {
  return isObject(value) ? value : {};
}

function usageOf(figures: Record<string, unknown> | undefined): Pick<PodOnNode, "cpuMillis" | "memoryBytes"> {
  const number = (part: string, key: string): number | undefined => {
    const inner = figures?.[part];
    const value = isObject(inner) ? inner[key] : undefined;
    return typeof value === "number" ? value : undefined;
  };
  const nanos = number("cpu", "usageNanoCores");
  return {
    ...(nanos === undefined ? {} : { cpuMillis: Math.round(nanos / 1e6) }),
    memoryBytes: number("memory", "workingSetBytes"),
  };
}
