// The program's configuration as plain, checked data: what flags, environment and file come to. All durations are milliseconds.
import type { NodeAddress, Quantity, Taint } from "../kube/types.gen.ts";

export interface ProviderConfig {
  /** Built-in name, npm package, or path of a module. */
  readonly name: string;
  /** The provider's own part of the configuration file; the provider checks it. */
  readonly config?: unknown;
  /** A file that the provider reads and checks. */
  readonly configPath?: string;
}

/** One virtual node. */
export interface NodeConfig {
  readonly name: string;
  readonly operatingSystem: "linux" | "windows";
  /** As Go names it; default: what the provider reports, else amd64. */
  readonly architecture?: string;
  readonly provider: ProviderConfig;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  /** VKUBELET_POD_IP: the InternalIP of the node. */
  readonly internalIP?: string;
  /** Further addresses of the node. */
  readonly addresses: readonly NodeAddress[];
  /** By resource; holds where the provider reports none. */
  readonly capacity: Readonly<Record<string, Quantity>>;
  readonly providerID?: string;
  /** Port of the kubelet API as the node announces it. */
  readonly port: number;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFormat = "auto" | "json" | "pretty";
export type TraceExporter = "otlp" | "jaeger" | "ocagent" | "zpages";

/** Everything but the nodes. */
export interface ProcessConfig {
  /** Default: $KUBECONFIG, ~/.kube/config, then the service account of the pod that this runs in. */
  readonly kubeconfig?: string;
  readonly kubeContext?: string;
  /** Marks this cluster's pods on the backend. Default: UID of the namespace kube-system. */
  readonly clusterId?: string;
  readonly clusterDomain: string;
  readonly podSyncWorkers: number;
  readonly podStatusWorkers: number;
  /** How statuses are written; see StatusForm. */
  readonly podStatusForm: "patch" | "put";
  /** Every pod is compared with the backend this often, whatever was or was not notified. */
  readonly fullResyncPeriod: number;
  /** How often a provider without watchPods is asked: the least while pods change, the most while none do. */
  readonly poll: { readonly minInterval: number; readonly maxInterval: number };
  /** How long a pod of this node on the backend must be unknown to the API before it is removed there. */
  readonly orphanGrace: number;
  /** Longest time of one call of a provider. */
  readonly providerCallTimeout: number;
  readonly node: {
    /** The node's status is written at least so often; changes at once. */
    readonly statusInterval: number;
    /** What becomes of the nodes when the program ends. */
    readonly onShutdown: "leave" | "not-ready" | "delete";
  };
  /** Renewed each quarter of its duration. */
  readonly lease: { readonly duration: number };
  readonly ping: {
    readonly interval: number;
    readonly timeout: number;
    /** Failures in a row until the node is not ready. */
    readonly threshold: number;
  };
  readonly watch: {
    /** Up to so many nodes have a pod watch each; more share one of all pods. */
    readonly perNodeLimit: number;
  };
  /** How long the nodes may take to be ready; 0: no limit. */
  readonly startupTimeout: number;
  readonly streams: { readonly idleTimeout: number; readonly creationTimeout: number };
  readonly kubelet: { readonly certFile?: string; readonly keyFile?: string; readonly clientCAFile?: string };
  /** host:port of /metrics, /healthz and /readyz; "" or "0": none. */
  readonly metricsAddr: string;
  readonly logging: { readonly level: LogLevel; readonly format: LogFormat };
  readonly tracing: {
    readonly exporters: readonly TraceExporter[];
    /** URL of an OTLP/HTTP receiver, with its path. Default: the standard OTEL_EXPORTER_OTLP_* variables. */
    readonly endpoint?: string;
    readonly serviceName: string;
    readonly tags: Readonly<Record<string, string>>;
    /** Share of the traces kept, 0 to 1. */
    readonly sampleRatio: number;
  };
}

export interface Config extends ProcessConfig {
  readonly nodes: readonly NodeConfig[];
}

export const defaultNodeName = "virtual-kubelet";
export const defaultTaintKey = "virtual-kubelet.io/provider";

export const processDefaults: ProcessConfig = {
  clusterDomain: "cluster.local",
  podSyncWorkers: 10,
  podStatusWorkers: 128,
  podStatusForm: "put",
  fullResyncPeriod: 60_000,
  poll: { minInterval: 1000, maxInterval: 30_000 },
  orphanGrace: 60_000,
  providerCallTimeout: 120_000,
  node: { statusInterval: 300_000, onShutdown: "leave" },
  lease: { duration: 40_000 },
  ping: { interval: 10_000, timeout: 10_000, threshold: 3 },
  watch: { perNodeLimit: 10 },
  startupTimeout: 0,
  streams: { idleTimeout: 30_000, creationTimeout: 30_000 },
  kubelet: {},
  metricsAddr: "127.0.0.1:10255",
  logging: { level: "info", format: "auto" },
  tracing: { exporters: [], serviceName: "virtual-kubelet", tags: {}, sampleRatio: 1 },
};

/** Of a node; taints and provider depend on one another: see `resolveNodes`. */
export const nodeDefaults: Pick<
  NodeConfig,
  "operatingSystem" | "labels" | "annotations" | "addresses" | "capacity" | "port"
> = {
  operatingSystem: "linux",
  labels: {},
  annotations: {},
  addresses: [],
  capacity: {},
  port: 10250,
};
