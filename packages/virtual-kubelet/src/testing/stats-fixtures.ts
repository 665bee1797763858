// Pods, summaries and nodes for tests of stats and metrics.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Pod, PodStatus } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import type { Provider } from "../provider.ts";
import type { KubeletCall } from "../server/kubelet-call.ts";
import type { ServedNode } from "../server/served-node.ts";
import type { ContainerStats, PodStats, StatsSummary } from "../stats-summary.ts";

export const epochMs: number = Date.UTC(2026, 0, 1);

/** RFC 3339 of so many seconds after `epochMs`. */
export const at = (seconds: number): string => new Date(epochMs + seconds * 1000).toISOString();

export function runningStatus(name: string, startedAt: string = at(0)): ContainerStatus {
  return {
    name,
    image: `registry.example/${name}:1`,
    imageID: "",
    containerID: `mock://${name}-id`,
    ready: true,
    restartCount: 0,
    state: { running: { startedAt } },
  };
}

/** A pod that runs containers of these names, in namespace `default`; its uid is `uid-` and its name. */
export function runningPod(
  name: string,
  containers: readonly string[] = ["main"],
  status: PodStatus = {},
): Stored<Pod> {
  return {
    metadata: { name, namespace: "default", uid: `uid-${name}`, resourceVersion: "1" },
    spec: { nodeName: "vk", containers: containers.map((container) => ({ name: container, image: `${container}:1` })) },
    status: {
      phase: "Running",
      qosClass: "Burstable",
      startTime: at(0),
      containerStatuses: containers.map((container) => runningStatus(container)),
      ...status,
    },
  };
}

export interface Figures {
  readonly name?: string;
  readonly start?: number;
  /** Seconds after `epochMs`. */
  readonly time: number;
  /** Seconds of a core. */
  readonly cpu?: number;
  /** Cores. */
  readonly cores?: number;
  readonly memory?: number;
}

export function containerStats({ name = "main", start = 0, time, cpu, cores, memory }: Figures): ContainerStats {
  const nanos = (value: number | undefined): number | undefined => (value === undefined ? undefined : value * 1e9);
  return {
    name,
    startTime: at(start),
    ...(cpu === undefined && cores === undefined
      ? {}
      : { cpu: { time: at(time), usageCoreNanoSeconds: nanos(cpu), usageNanoCores: nanos(cores) } }),
    ...(memory === undefined ? {} : { memory: { time: at(time), workingSetBytes: memory } }),
  };
}

export function podStats(name: string, ...containers: readonly ContainerStats[]): PodStats {
  return {
    podRef: { name, namespace: "default", uid: `uid-${name}` },
    startTime: at(0),
    containers,
  };
}

export function summary(...pods: readonly PodStats[]): StatsSummary {
  return { node: { nodeName: "vk", startTime: at(0) }, pods };
}

/** A node whose provider does nothing but what is given. */
export function servedNode(
  pods: () => readonly Stored<Pod>[],
  provider: Partial<Provider> = {},
  name = "vk",
): ServedNode {
  const never = (): never => {
    throw new Error("not expected");
  };
  return {
    name,
    provider: { createPod: never, deletePod: never, getPodStatus: never, getPods: never, ...provider },
    pods,
    find: (namespace, podName) =>
      pods().find(({ metadata }) => metadata.namespace === namespace && metadata.name === podName),
    ownerOf: ({ metadata }) => ({
      cluster: "c",
      node: name,
      namespace: metadata.namespace ?? "",
      name: metadata.name,
      uid: metadata.uid,
    }),
  };
}

/** A request to a plain Node.js server as handlers see it, of a caller who may do everything. */
export function kubeletCall(node: ServedNode, request: IncomingMessage, response: ServerResponse): KubeletCall {
  const url = new URL(request.url ?? "/", "http://localhost");
  return {
    node,
    method: request.method ?? "",
    path: url.pathname,
    query: url.searchParams,
    params: {},
    headers: request.headers,
    remoteAddress: "127.0.0.1",
    protocol: "HTTP/1.1",
    response,
    user: { username: "u", groups: [] },
    signal: new AbortController().signal,
    log: silentLogger,
  };
}
