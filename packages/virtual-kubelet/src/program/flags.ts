// Every command-line flag: its place in the configuration, how its text is read, and where --help shows it.
import { hint } from "../host/closest.ts";
import { parseDuration } from "./duration.ts";

/** How the text of a flag or variable becomes a value. */
export type Kind = "text" | "integer" | "boolean" | "duration" | "level" | "percent" | "list" | "pairs";

export interface FlagSpec {
  readonly name: string;
  readonly kind: Kind;
  /** Place of its value in the configuration; absent: the program itself looks at it, or nothing does. */
  readonly path?: string;
  /** Heading in --help; absent: hidden. */
  readonly group?: string;
  /** Stands for the value in --help. */
  readonly value?: string;
  /** Text where there is no setting to take it from. */
  readonly about?: string;
  /** Shown as the default where it is not the one of the setting. */
  readonly default?: string;
  /** The flag is taken for compatibility and does nothing (any more): what is said about it when it is given. */
  readonly ignored?: string;
}

const text = (name: string, path: string, group: string, value: string): FlagSpec => ({
  name,
  kind: "text",
  path,
  group,
  value,
});
const duration = (name: string, path: string, group: string): FlagSpec => ({
  name,
  kind: "duration",
  path,
  group,
  value: "DURATION",
});
const integer = (name: string, path: string, group: string): FlagSpec => ({
  name,
  kind: "integer",
  path,
  group,
  value: "N",
});

const boolean = (name: string, path: string, group: string): FlagSpec => ({ name, kind: "boolean", path, group });

const cluster = "Cluster";
const node = "Node";
const provider = "Provider";
const pods = "Pods";
const serving = "Metrics";
const kubeletApi = "Kubelet API";
const logging = "Logging";
const tracing = "Tracing";
const general = "General";

const toStderr = "logs go to standard error, as lines of JSON or text; see --log-level and --log-format";

/** The flags of Go's klog, which other virtual kubelets take. */
const klog: readonly FlagSpec[] = [
  ...["add_dir_header", "alsologtostderr", "logtostderr", "one_output", "skip_headers", "skip_log_headers"].map(
    (name): FlagSpec => ({ name: `klog.${name}`, kind: "boolean", ignored: toStderr }),
  ),
  { name: "klog.legacy_stderr_threshold_behavior", kind: "boolean", ignored: toStderr },
  ...["alsologtostderrthreshold", "log_backtrace_at", "log_dir", "log_file", "stderrthreshold", "vmodule"].map(
    (name): FlagSpec => ({ name: `klog.${name}`, kind: "text", ignored: toStderr }),
  ),
  { name: "klog.log_file_max_size", kind: "integer", ignored: toStderr },
  { name: "klog.v", kind: "integer" },
];

export const flagSpecs: readonly FlagSpec[] = [
  {
    name: "config",
    kind: "text",
    group: general,
    value: "FILE",
    about: "Configuration file (YAML). Flags and environment win over it.",
  },
  {
    name: "print-config",
    kind: "boolean",
    group: general,
    about: "Prints the configuration in effect as YAML, without secrets, and ends.",
  },
  duration("startup-timeout", "startupTimeout", general),
  { name: "help", kind: "boolean", group: general, about: "Shows this and ends." },
  { name: "version", kind: "boolean", group: general, about: "Shows the version and ends." },

  text("kubeconfig", "kubeconfig", cluster, "FILE"),
  text("kube-context", "kubeContext", cluster, "NAME"),
  text("cluster-id", "clusterId", cluster, "ID"),
  text("cluster-domain", "clusterDomain", cluster, "DOMAIN"),
  {
    name: "cluster-dns",
    kind: "list",
    path: "clusterDNS",
    group: cluster,
    value: "IP",
    about: "IP address of the cluster's DNS, for pods (repeatable). Default: the Service kube-system/kube-dns.",
  },
  { name: "namespace", kind: "text", ignored: "pods of all namespaces are served" },

  { ...text("nodename", "nodeName", node, "NAME"), default: "virtual-kubelet" },
  integer("nodes", "nodeCount", node),
  { ...text("os", "nodeOverrides.operatingSystem", node, "OS"), default: "linux" },
  text("node-ip", "nodeOverrides.internalIP", node, "IP"),
  { name: "disable-taint", kind: "boolean", path: "taint.disabled", group: node },
  {
    name: "taint",
    kind: "text",
    path: "taint.key",
    group: node,
    value: "KEY",
    about: "Key of the node's taint. Deprecated: use VKUBELET_TAINT_KEY or the configuration file.",
    default: "virtual-kubelet.io/provider",
  },
  { ...text("shutdown-node", "node.onShutdown", node, "WHAT") },
  text("shutdown-when", "shutdown.when", node, "WHEN"),
  duration("shutdown-grace-period", "shutdown.gracePeriod", node),
  duration("shutdown-grace-period-critical-pods", "shutdown.gracePeriodCriticalPods", node),
  duration("node-status-interval", "node.statusInterval", node),
  duration("lease-duration", "lease.duration", node),
  { name: "enable-node-lease", kind: "boolean", ignored: "leases are always on" },

  text("provider", "nodeOverrides.provider.name", provider, "NAME"),
  text("provider-config", "nodeOverrides.provider.configPath", provider, "FILE"),
  duration("provider-call-timeout", "providerCallTimeout", provider),
  duration("ping-interval", "ping.interval", provider),
  duration("ping-timeout", "ping.timeout", provider),
  integer("ping-threshold", "ping.threshold", provider),
  duration("poll-min-interval", "poll.minInterval", provider),
  duration("poll-max-interval", "poll.maxInterval", provider),

  integer("pod-sync-workers", "podSyncWorkers", pods),
  integer("pod-status-workers", "podStatusWorkers", pods),
  text("pod-status-form", "podStatusForm", pods, "FORM"),
  duration("full-resync-period", "fullResyncPeriod", pods),
  duration("orphan-grace", "orphanGrace", pods),
  integer("watch-per-node-limit", "watch.perNodeLimit", pods),

  text("metrics-addr", "metricsAddr", serving, "ADDRESS"),
  boolean("web-view", "webView.enabled", serving),
  boolean("insecure-web-view-without-authentication", "webView.insecureWithoutAuthentication", serving),

  boolean("kubelet-api", "kubelet.serve", kubeletApi),
  text("kubelet-address", "kubelet.address", kubeletApi, "IP"),
  { ...integer("kubelet-port", "nodeOverrides.port", kubeletApi), value: "PORT" },
  boolean("kubelet-shared-port", "kubelet.sharedPort", kubeletApi),
  text("tls-cert-file", "kubelet.certFile", kubeletApi, "FILE"),
  text("tls-private-key-file", "kubelet.keyFile", kubeletApi, "FILE"),
  boolean("server-tls-bootstrap", "kubelet.serverTLSBootstrap", kubeletApi),
  text("cert-dir", "kubelet.certDir", kubeletApi, "DIR"),
  text("client-ca-file", "kubelet.clientCAFile", kubeletApi, "FILE"),
  text("bootstrap-kubeconfig", "kubelet.bootstrapKubeconfig", kubeletApi, "FILE"),
  boolean("rotate-certificates", "kubelet.rotateCertificates", kubeletApi),
  duration("stream-idle-timeout", "streams.idleTimeout", kubeletApi),
  duration("stream-creation-timeout", "streams.creationTimeout", kubeletApi),
  boolean("audit-arguments", "kubelet.auditArguments", kubeletApi),
  boolean("insecure-allow-anonymous", "kubelet.insecureAllowAnonymous", kubeletApi),
  boolean("insecure-skip-authorization", "kubelet.insecureSkipAuthorization", kubeletApi),

  { name: "log-level", kind: "level", path: "logging.level", group: logging, value: "LEVEL" },
  text("log-format", "logging.format", logging, "FORMAT"),
  ...klog,

  {
    name: "trace-exporter",
    kind: "list",
    path: "tracing.exporters",
    group: tracing,
    value: "NAME",
    default: "none",
    about: "Where traces go (repeatable): otlp; jaeger and ocagent are sent OTLP as well.",
  },
  text("trace-endpoint", "tracing.endpoint", tracing, "URL"),
  text("trace-service-name", "tracing.serviceName", tracing, "NAME"),
  {
    name: "trace-tag",
    kind: "pairs",
    path: "tracing.tags",
    group: tracing,
    value: "KEY=VALUE",
    default: "none",
    about: "Attribute of the traces' resource (repeatable).",
  },
  {
    name: "trace-sample-rate",
    kind: "percent",
    path: "tracing.sampleRatio",
    group: tracing,
    value: "RATE",
    default: "always",
    about: "Share of the traces that is kept: always, never, or a percentage from 0 to 100.",
  },
];

export type Converted = { readonly value: unknown } | { readonly fault: string };

const levels: Readonly<Record<string, string>> = {
  trace: "debug",
  debug: "debug",
  info: "info",
  warn: "warn",
  warning: "warn",
  error: "error",
  fatal: "error",
  panic: "error",
};

/** Texts of one flag (several when repeated) or variable as a value; the last one counts unless they add up. */
export function convert(kind: Kind, given: readonly string[]): Converted {
  const last = given.at(-1) ?? "";
  switch (kind) {
    case "text":
      return { value: last };
    case "duration":
      // Left as text: the configuration file has durations in the same form. A bare number is a usual slip.
      return parseDuration(last) === undefined
        ? { fault: `"${last}" must be a duration such as "30s" or "1m30s"` }
        : { value: last };
    case "integer":
      return /^[+-]?\d{1,15}$/.test(last) ? { value: Number(last) } : { fault: `"${last}" must be a whole number` };
    case "boolean": {
      if (/^(1|t|T|true|TRUE|True)$/.test(last)) return { value: true };
      if (/^(0|f|F|false|FALSE|False)$/.test(last)) return { value: false };
      return { fault: `"${last}" must be true or false` };
    }
    case "level": {
      const level = Object.hasOwn(levels, last.toLowerCase()) ? levels[last.toLowerCase()] : undefined;
      if (level !== undefined) return { value: level };
      return { fault: `"${last}" must be one of debug, info, warn, error${hint(last, Object.keys(levels))}` };
    }
    case "percent": {
      if (last === "" || last.toLowerCase() === "always") return { value: 1 };
      if (last.toLowerCase() === "never") return { value: 0 };
      const percent = /^\d+(?:\.\d+)?$/.test(last) ? Number(last) : Number.NaN;
      return percent <= 100 ? { value: percent / 100 } : { fault: `"${last}" must be always, never, or from 0 to 100` };
    }
    case "list":
      return { value: given.flatMap((one) => one.split(",")).filter((one) => one !== "") };
    case "pairs": {
      const pairs = given
        .flatMap((one) => one.split(","))
        .map((one): [string, string | undefined] => {
          const at = one.indexOf("=");
          return at > 0 ? [one.slice(0, at).trim(), one.slice(at + 1).trim()] : [one, undefined];
        });
      const bad = pairs.find(([, value]) => value === undefined);
      return bad === undefined ? { value: Object.fromEntries(pairs) } : { fault: `"${bad[0]}" must be KEY=VALUE` };
    }
  }
}
