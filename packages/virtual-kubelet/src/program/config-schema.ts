// The configuration file's schema: every setting once, with its text. Flags, environment, help and the manual are read off it.
import { isIP } from "node:net";
import * as v from "valibot";
import { budgetEntries } from "./budget-schema.ts";
import type { FileSettings, OverrideSettings } from "./config-settings.ts";
import { effect, nodeEntries } from "./node-schema.ts";
import {
  anyText,
  duration,
  flag,
  integer,
  ipAddress,
  labelValue,
  leaf,
  list,
  matches,
  nameKey,
  nodeName,
  oneOf,
  say,
  section,
  text,
} from "./setting-kinds.ts";

const processEntries = {
  kubeconfig: say(text("a path"), "kubeconfig file; default ~/.kube/config, then the pod's service account."),
  kubeContext: say(text(), "Context of the kubeconfig; default its current one."),
  clusterId: say(text(), "Marks this cluster's pods on the backend; default the UID of the namespace kube-system."),
  clusterDomain: say(text(), "DNS domain of the cluster."),
  clusterDNS: say(
    list(ipAddress),
    "IP addresses of the cluster's DNS, for pods; default those of the Service kube-system/kube-dns, and without it the host's DNS.",
  ),
  podSyncWorkers: say(integer(1, 10_000), "Provider calls of each node at the same time, and as many deletions."),
  podStatusWorkers: say(integer(1, 10_000), "Pod statuses written at the same time."),
  podStatusForm: say(
    oneOf("patch", "put"),
    "How statuses are written: put, which costs the API server less and falls back to patch on a conflict, or patch.",
  ),
  fullResyncPeriod: say(duration(1000), "Every pod is compared with the backend this often."),
  poll: say(
    section({
      minInterval: say(duration(100), "While pods change."),
      maxInterval: say(duration(100), "While nothing changes."),
    }),
    "How often a provider that cannot push is asked.",
  ),
  orphanGrace: say(duration(0), "A backend pod that the API does not know is removed after so long."),
  providerCallTimeout: say(duration(1000), "A call of a provider that takes longer has failed."),
  node: say(
    section({
      statusInterval: say(duration(1000), "The node's status is written at least so often; changes at once."),
      onShutdown: say(
        oneOf("leave", "not-ready", "delete"),
        "The nodes when the program ends: leave them as they are, set them not ready, or delete them.",
      ),
    }),
    "All nodes' status.",
  ),
  shutdown: say(
    section({
      when: say(
        oneOf("machine", "always"),
        "When pods are ended: machine, if the machine goes down (as systemd tells), or always, whenever the program is told to end.",
      ),
      gracePeriod: say(
        duration(0),
        "Time that all pods together have to end before the program does; 0 never ends them: they go on without the program.",
      ),
      gracePeriodCriticalPods: say(
        duration(0),
        "The last part of that time, for pods of priority 2000000000 and above alone.",
      ),
      gracePeriodByPodPriority: say(
        list(
          section({
            priority: v.pipe(
              integer(-2_147_483_648, 2_147_483_647),
              v.description("Least priority of the pods; up to the next entry's."),
            ),
            gracePeriod: v.pipe(duration(1000), v.description("Time that they have.")),
          }),
        ),
        "In place of the two: groups of pods, ended from the lowest priority on, each with its time.",
      ),
    }),
    "Graceful shutdown of the nodes: their pods end, as Failed, with the machine.",
  ),
  lease: say(
    section({
      duration: say(duration(4000), "How long a lease lasts (whole seconds); it is renewed each quarter of that."),
    }),
    "Node leases: how the cluster sees that a node lives.",
  ),
  ping: say(
    section({
      interval: say(duration(100), "How often each provider is asked whether its backend answers."),
      timeout: say(duration(100), "An answer that takes longer is a failure."),
      threshold: say(integer(1, 1000), "Failures in a row until the node is not ready."),
    }),
    "Health of the backend.",
  ),
  watch: say(
    section({
      perNodeLimit: say(
        integer(0, 100_000),
        "Up to so many nodes have a pod watch each (fewest rights); more share one watch of all pods.",
      ),
    }),
    "Watches of the API server.",
  ),
  startupTimeout: say(
    duration(0),
    "How long the nodes may take to be ready before the program gives up; 0s: no limit.",
  ),
  streams: say(
    section({
      idleTimeout: say(duration(0), "A silent exec, attach or port-forward ends after so long."),
      creationTimeout: say(duration(0), "How long its streams may take to open."),
    }),
    "Streams of the kubelet API.",
  ),
  kubelet: say(
    section({
      serve: say(flag(), "Serves the kubelet API; without it kubectl logs, exec and top find nobody."),
      address: say(
        leaf<string>(
          (value) => value === "" || (typeof value === "string" && isIP(value) !== 0),
          "must be an IP address",
        ),
        'IP address to listen on; "" for all.',
      ),
      sharedPort: say(
        flag(),
        "One port for all nodes. It answers what names a pod, or a node by Host or SNI; metrics-server then sees no figures apart.",
      ),
      maxConnections: say(integer(1, 1_000_000), "Connections at the same time."),
      certFile: say(
        text("a path"),
        "Serving certificate (PEM); read again when it changes. Default: a self-signed one.",
      ),
      keyFile: say(text("a path"), "Its private key (PEM)."),
      serverTLSBootstrap: say(
        flag(),
        "Asks the cluster for the serving certificate (signer kubernetes.io/kubelet-serving; somebody has to approve it) and renews it.",
      ),
      certDir: say(text("a path"), "Directory for certificates and keys that were asked for; default: none is kept."),
      clientCAFile: say(
        text("a path"),
        "CAs of client certificates (PEM); read again when it changes. Default: what the API server publishes in kube-system.",
      ),
      bootstrapKubeconfig: say(
        text("a path"),
        "kubeconfig with a bootstrap token: the node's own credentials are asked for with it and kept in certDir.",
      ),
      rotateCertificates: say(flag(), "Renews the client certificate that came by bootstrap."),
      tokenCacheTTL: say(duration(0), "How long a token's review holds."),
      accessCacheTTL: say(duration(0), "How long the answer holds that somebody may do something."),
      accessDeniedCacheTTL: say(duration(0), "How long the answer holds that somebody may not."),
      auditArguments: say(
        flag(),
        "The audit line of an exec has the command's arguments, which may hold secrets, and not its name alone.",
      ),
      insecureAllowAnonymous: say(flag(), "Insecure: takes callers without credentials as system:anonymous."),
      insecureSkipAuthorization: say(flag(), "Insecure: lets everybody who is known do everything."),
    }),
    "The kubelet API: HTTPS for logs, exec, port-forward and metrics.",
  ),
  metricsAddr: say(
    leaf<string>(
      (value) => value === "" || value === "0" || matches(/^(?:\[[0-9a-fA-F:.]+\]|[^:\s]*):\d{1,5}$/)(value),
      'must be host:port, :port, or "0" for none',
    ),
    'Address of /metrics, /healthz and /readyz over plain HTTP; ":10255" listens on all addresses, port 0 takes a free one, "0" none.',
  ),
  webView: say(
    section({
      enabled: say(
        flag(),
        "Serves a web view of nodes, pods and queues under /view/ on the metrics address, read-only, to who may get nodes/pods; beyond loopback over TLS alone, with the kubelet API's certificate.",
      ),
      insecureWithoutAuthentication: say(
        flag(),
        "Insecure: shows the web view to whoever reaches the address, which must be loopback.",
      ),
    }),
    "What goes on in the process, in a browser.",
  ),
  budgets: say(
    section(budgetEntries),
    "What pods cost by list prices, and ceilings beyond which no more are taken. Default: nothing is estimated or refused.",
  ),
  logging: say(
    section({
      level: say(oneOf("debug", "info", "warn", "error"), "Least level that is logged: debug, info, warn, error."),
      format: say(oneOf("auto", "json", "pretty"), "json, pretty, or auto: pretty on a terminal."),
    }),
    "Log lines, on standard error.",
  ),
  tracing: say(
    section({
      exporters: say(
        list(oneOf("otlp", "jaeger", "ocagent", "zpages")),
        "Where traces go: otlp; jaeger and ocagent are sent OTLP as well; zpages has no effect.",
      ),
      endpoint: say(
        leaf<string>(
          (value) => typeof value === "string" && /^https?:$/.test(URL.parse(value)?.protocol ?? ""),
          "must be an http(s) URL",
        ),
        "OTLP/HTTP address, e.g. http://127.0.0.1:4318/v1/traces; default the OTEL_EXPORTER_OTLP_* variables.",
      ),
      serviceName: say(text(), "service.name of the traces."),
      tags: say(
        v.record(
          leaf<string>(
            (value) => matches(/./)(value) && !["operatingSystem", "provider", "nodeName"].includes(String(value)),
            "is a reserved tag (operatingSystem, provider, nodeName)",
          ),
          anyText,
          "must be a map",
        ),
        "Attributes of the resource, by name.",
      ),
      sampleRatio: say(
        leaf<number>((value) => typeof value === "number" && value >= 0 && value <= 1, "must be a number from 0 to 1"),
        "Share of the traces that is kept.",
      ),
    }),
    "OpenTelemetry traces.",
  ),
};

const count = integer(1, 10_000);

export const fileSchema: v.GenericSchema<unknown, FileSettings> = section({
  ...processEntries,
  nodeDefaults: say(section(nodeEntries), "What holds for all nodes that do not say otherwise."),
  nodes: say(
    list(
      section({
        name: v.pipe(
          nodeName(),
          v.description('Name of the node; with count, "{}" in it (or "-{}" after it) is the number.'),
        ),
        count: say(count, "Makes so many nodes of this entry, numbered from 0."),
        ...nodeEntries,
      }),
    ),
    "The nodes. Default: one, named virtual-kubelet.",
  ),
});

export const overrideSchema: v.GenericSchema<unknown, OverrideSettings> = section({
  ...processEntries,
  nodeName: say(nodeName(), 'Name of the node; with --nodes, "{}" in it (or "-{}" after it) is the number.'),
  nodeCount: say(count, "Number of nodes, numbered from 0."),
  nodeOverrides: say(section(nodeEntries), ""),
  taint: say(
    section({
      key: say(nameKey, "Key of the node's taint."),
      value: say(labelValue, "Value of the node's taint."),
      effect: say(effect, "Effect of the node's taint."),
      disabled: say(flag(), "Registers the node without the taint."),
    }),
    "",
  ),
});
