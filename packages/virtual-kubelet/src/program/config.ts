// The program's configuration as plain, checked data: what flags, environment and file come to. All durations are milliseconds.
import type { BudgetSettings } from "../budget/budget-settings.ts";
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
  /** Port on which the node's kubelet API listens and that the node announces; 0: a free one. */
  readonly port: number;
  /** Address on which it listens; default `kubelet.address`. */
  readonly listenAddress?: string;
  /** Name of its price table; default the provider's. */
  readonly prices?: string;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFormat = "auto" | "json" | "pretty";
export type TraceExporter = "otlp" | "jaeger" | "ocagent" | "zpages";

/** The kubelet API: HTTPS for logs, exec, port-forward and metrics. */
export interface KubeletConfig {
  readonly serve: boolean;
  /** IP address to listen on; "": all of the machine's. */
  readonly address: string;
  /** One port for all nodes, for what names a pod, or a node in Host or SNI. */
  readonly sharedPort: boolean;
  /** Connections at the same time, over all nodes. */
  readonly maxConnections: number;
  readonly certFile?: string;
  readonly keyFile?: string;
  /** Asks the cluster's signer for the serving certificate, and for the next one in time. */
  readonly serverTLSBootstrap: boolean;
  /** Where certificates and keys that the program asked for are kept; default: in memory alone. */
  readonly certDir?: string;
  /** Bundle of those that may sign client certificates; default: the API server's own, as it publishes it. */
  readonly clientCAFile?: string;
  /** With a bootstrapper's token, for the first client certificate of the node. */
  readonly bootstrapKubeconfig?: string;
  /** Renews the client certificate that came by bootstrap. */
  readonly rotateCertificates: boolean;
  /** How long a token's review holds. */
  readonly tokenCacheTTL: number;
  /** How long an access review holds that allowed, and one that denied. */
  readonly accessCacheTTL: number;
  readonly accessDeniedCacheTTL: number;
  /** The audit line of an exec has the command's arguments. */
  readonly auditArguments: boolean;
  /** Callers without credentials are taken as system:anonymous. */
  readonly insecureAllowAnonymous: boolean;
  /** Whoever is known may do everything. */
  readonly insecureSkipAuthorization: boolean;
}

/** What goes on inside of the process, in a browser: /view/ on the address of the metrics. */
export interface WebViewConfig {
  readonly enabled: boolean;
  /** Whoever reaches the address sees it; for loopback alone. */
  readonly insecureWithoutAuthentication: boolean;
}

/** Everything but the nodes. */
export interface ProcessConfig {
  /** Default: $KUBECONFIG, ~/.kube/config, then the service account of the pod that this runs in. */
  readonly kubeconfig?: string;
  readonly kubeContext?: string;
  /** Marks this cluster's pods on the backend. Default: UID of the namespace kube-system. */
  readonly clusterId?: string;
  readonly clusterDomain: string;
  /** IP addresses. Default: those of the Service kube-system/kube-dns, where there is one. */
  readonly clusterDNS?: readonly string[];
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
  /** What becomes of the pods when the program is told to end. */
  readonly shutdown: {
    /** They are ended when the machine goes down, or whenever the program is told to end. */
    readonly when: "machine" | "always";
    /** What all of them have together; 0: they go on in any case. */
    readonly gracePeriod: number;
    /** The last part of that, for the cluster's own pods. */
    readonly gracePeriodCriticalPods: number;
    /** In place of these two: for pods of a priority, up to the next. */
    readonly gracePeriodByPodPriority: readonly { readonly priority: number; readonly gracePeriod: number }[];
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
  readonly kubelet: KubeletConfig;
  /** host:port of /metrics, /healthz and /readyz; "" or "0": none. */
  readonly metricsAddr: string;
  readonly webView: WebViewConfig;
  /** What pods cost, and may cost. Absent: nothing is estimated or refused. */
  readonly budgets?: BudgetSettings;
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
  shutdown: { when: "machine", gracePeriod: 0, gracePeriodCriticalPods: 0, gracePeriodByPodPriority: [] },
  lease: { duration: 40_000 },
  ping: { interval: 10_000, timeout: 10_000, threshold: 3 },
  watch: { perNodeLimit: 10 },
  startupTimeout: 0,
  streams: { idleTimeout: 14_400_000, creationTimeout: 30_000 },
  kubelet: {
    serve: true,
    address: "",
    sharedPort: false,
    maxConnections: 10_000,
    serverTLSBootstrap: false,
    rotateCertificates: true,
    tokenCacheTTL: 120_000,
    accessCacheTTL: 300_000,
    accessDeniedCacheTTL: 30_000,
    auditArguments: false,
    insecureAllowAnonymous: false,
    insecureSkipAuthorization: false,
  },
  metricsAddr: "127.0.0.1:10255",
  webView: { enabled: false, insecureWithoutAuthentication: false },
  logging: { level: "info", format: "auto" },
  tracing: { exporters: [], serviceName: "virtual-kubelet", tags: {}, sampleRatio: 1 },
};

/** Of a node; taints and provider depend on one another: see `resolveNodes`. */
export const nodeDefaults: Pick<NodeConfig, "operatingSystem" | "labels" | "annotations" | "addresses" | "capacity"> = {
  operatingSystem: "linux",
  labels: {},
  annotations: {},
  addresses: [],
  capacity: {},
};

/** Of a node alone in its process; several take free ports. */
export const defaultKubeletPort = 10250;
