// The cells of the tables that `kubectl get` prints. Columns without an entry here are `<none>`.
import type { Resource } from "./api-data.ts";
import { duration, since } from "./duration.ts";
import { at, isList, type Json, type JsonObject, list, number, object, text } from "./json.ts";
import { podCells } from "./pod-cells.ts";

type Cell = (item: JsonObject, now: number) => Json;

const none = "<none>";
const path =
  (...keys: string[]): Cell =>
  (item) => {
    const found = at(item, ...keys);
    return found === undefined || found === null || found === ""
      ? none
      : typeof found === "object"
        ? JSON.stringify(found)
        : found;
  };
const amount =
  (...keys: string[]): Cell =>
  (item) =>
    number(item, ...keys) ?? 0;
const fraction =
  (part: readonly string[], whole: readonly string[]): Cell =>
  (item) =>
    `${number(item, ...part) ?? 0}/${number(item, ...whole) ?? 0}`;

function labels(selector: Json | undefined): string {
  const pairs = Object.entries(object(selector)).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? none : pairs.sort().join(",");
}

const ofContainers = (field: string, template: readonly string[]): Cell => {
  const containers = [...template, "spec", "containers"];
  return (item) =>
    list(item, ...containers)
      .map((each) => text(each, field))
      .join(",");
};
const ofTemplate = (...template: string[]): Readonly<Record<string, Cell>> => ({
  Containers: ofContainers("name", template),
  Images: ofContainers("image", template),
  Selector: (item) => labels(at(item, "spec", "selector", "matchLabels")),
});
const workload = ofTemplate("spec", "template");
const replicas: Readonly<Record<string, Cell>> = {
  ...workload,
  Desired: amount("spec", "replicas"),
  Current: amount("status", "replicas"),
  Ready: amount("status", "readyReplicas"),
};
const roleBinding: Readonly<Record<string, Cell>> = {
  Role: (item) => `${text(item, "roleRef", "kind")}/${text(item, "roleRef", "name")}`,
  Users: (item) => subjects(item, "User"),
  Groups: (item) => subjects(item, "Group"),
  ServiceAccounts: (item) => subjects(item, "ServiceAccount"),
};

function subjects(item: JsonObject, kind: string): string {
  const found = list(item, "subjects").filter((each) => text(each, "kind") === kind);
  return found.map((each) => [text(each, "namespace"), text(each, "name")].filter(Boolean).join("/")).join(", ");
}

const table: Readonly<Record<string, Readonly<Record<string, Cell>>>> = {
  pods: podCells,
  nodes: {
    Status(node) {
      const ready = list(node, "status", "conditions").find((each) => text(each, "type") === "Ready");
      const state = ready === undefined ? "Unknown" : text(ready, "status") === "True" ? "Ready" : "NotReady";
      return at(node, "spec", "unschedulable") === true ? `${state},SchedulingDisabled` : state;
    },
    Roles(node) {
      const prefix = "node-role.kubernetes.io/";
      const labels = object(node, "metadata", "labels");
      const own = Object.keys(labels).filter((each) => each.startsWith(prefix));
      const roles = [...own.map((each) => each.slice(prefix.length)), text(labels, "kubernetes.io/role")];
      const known = new Set(roles.filter((role) => role !== ""));
      return known.size === 0 ? none : [...known].sort().join(",");
    },
    Version: (node) => text(node, "status", "nodeInfo", "kubeletVersion"),
    "Internal-IP": (node) => address(node, "InternalIP"),
    "External-IP": (node) => address(node, "ExternalIP"),
    "OS-Image": (node) => text(node, "status", "nodeInfo", "osImage") || "<unknown>",
    "Kernel-Version": (node) => text(node, "status", "nodeInfo", "kernelVersion") || "<unknown>",
    "Container-Runtime": (node) => text(node, "status", "nodeInfo", "containerRuntimeVersion") || "<unknown>",
  },
  namespaces: { Status: path("status", "phase") },
  configmaps: { Data: (item) => Object.keys({ ...object(item, "data"), ...object(item, "binaryData") }).length },
  secrets: { Type: path("type"), Data: (item) => Object.keys(object(item, "data")).length },
  services: {
    Type: path("spec", "type"),
    "Cluster-IP": path("spec", "clusterIP"),
    "External-IP": (item) => list(item, "spec", "externalIPs").join(",") || text(item, "spec", "externalName") || none,
    "Port(s)": (item) =>
      list(item, "spec", "ports")
        .map((port) => {
          const node = number(port, "nodePort");
          return `${number(port, "port")}${node === undefined ? "" : `:${node}`}/${text(port, "protocol")}`;
        })
        .join(",") || none,
    Selector: (item) => labels(at(item, "spec", "selector")),
  },
  events: {
    "Last Seen": (item, now) => since(lastSeen(item), now),
    "First Seen": (item, now) => since(text(item, "firstTimestamp") || text(item, "eventTime"), now),
    Type: path("type"),
    Reason: path("reason"),
    Object: (item) => `${text(item, "involvedObject", "kind").toLowerCase()}/${text(item, "involvedObject", "name")}`,
    Subobject: (item) => text(item, "involvedObject", "fieldPath"),
    Source: (item) => [text(item, "source", "component"), text(item, "source", "host")].filter(Boolean).join(", "),
    Message: (item) => text(item, "message").trim(),
    Count: (item) => number(item, "series", "count") ?? number(item, "count") ?? 1,
  },
  "deployments.apps": {
    ...workload,
    Ready: fraction(["status", "readyReplicas"], ["spec", "replicas"]),
    "Up-to-date": amount("status", "updatedReplicas"),
    Available: amount("status", "availableReplicas"),
  },
  "replicasets.apps": replicas,
  replicationcontrollers: replicas,
  "statefulsets.apps": { ...workload, Ready: fraction(["status", "readyReplicas"], ["spec", "replicas"]) },
  "daemonsets.apps": {
    ...workload,
    Desired: amount("status", "desiredNumberScheduled"),
    Current: amount("status", "currentNumberScheduled"),
    Ready: amount("status", "numberReady"),
    "Up-to-date": amount("status", "updatedNumberScheduled"),
    Available: amount("status", "numberAvailable"),
    "Node Selector": (item) => labels(at(item, "spec", "template", "spec", "nodeSelector")),
  },
  "jobs.batch": {
    ...workload,
    Status(job) {
      const met = (type: string): boolean =>
        list(job, "status", "conditions").some(
          (each) => text(each, "type") === type && text(each, "status") === "True",
        );
      if (met("Complete")) return "Complete";
      if (met("Failed")) return "Failed";
      if (text(job, "metadata", "deletionTimestamp") !== "") return "Terminating";
      return met("Suspended") ? "Suspended" : met("FailureTarget") ? "FailureTarget" : "Running";
    },
    Completions(job) {
      const done = number(job, "status", "succeeded") ?? 0;
      const wanted = number(job, "spec", "completions");
      if (wanted !== undefined) return `${done}/${wanted}`;
      const parallel = number(job, "spec", "parallelism") ?? 0;
      return parallel > 1 ? `${done}/1 of ${parallel}` : `${done}/1`;
    },
    Duration(job, now) {
      const start = text(job, "status", "startTime");
      if (start === "") return "";
      const end = text(job, "status", "completionTime");
      return duration((end === "" ? now : Date.parse(end)) - Date.parse(start));
    },
  },
  "cronjobs.batch": {
    ...ofTemplate("spec", "jobTemplate", "spec", "template"),
    Selector: () => none,
    Schedule: path("spec", "schedule"),
    Timezone: path("spec", "timeZone"),
    Suspend: (item) => (at(item, "spec", "suspend") === true ? "True" : "False"),
    Active: (item) => list(item, "status", "active").length,
    "Last Schedule": (item, now) =>
      text(item, "status", "lastScheduleTime") === "" ? none : since(text(item, "status", "lastScheduleTime"), now),
  },
  "horizontalpodautoscalers.autoscaling": {
    Reference: (item) =>
      `${text(item, "spec", "scaleTargetRef", "kind")}/${text(item, "spec", "scaleTargetRef", "name")}`,
    Targets: autoscalerTargets,
    MinPods: (item) => `${number(item, "spec", "minReplicas") ?? "<unset>"}`,
    MaxPods: amount("spec", "maxReplicas"),
    Replicas: amount("status", "currentReplicas"),
  },
  "poddisruptionbudgets.policy": {
    "Min Available": (item) => `${at(item, "spec", "minAvailable") ?? "N/A"}`,
    "Max Unavailable": (item) => `${at(item, "spec", "maxUnavailable") ?? "N/A"}`,
    "Allowed Disruptions": amount("status", "disruptionsAllowed"),
  },
  "certificatesigningrequests.certificates.k8s.io": {
    SignerName: path("spec", "signerName"),
    Requestor: path("spec", "username"),
    RequestedDuration(item) {
      const seconds = number(item, "spec", "expirationSeconds");
      return seconds === undefined ? none : duration(seconds * 1000);
    },
    Condition(item) {
      const types = list(item, "status", "conditions").map((each) => text(each, "type"));
      if (text(item, "status", "certificate") !== "") types.push("Issued");
      return types.length === 0 ? "Pending" : types.join(",");
    },
  },
  "ingresses.networking.k8s.io": {
    Class: path("spec", "ingressClassName"),
    Hosts(item) {
      const hosts = list(item, "spec", "rules").map((each) => text(each, "host") || "*");
      const shown = hosts.slice(0, 3).join(",");
      return hosts.length > 3 ? `${shown} + ${hosts.length - 3} more...` : shown || "*";
    },
    Address: (item) =>
      list(item, "status", "loadBalancer", "ingress")
        .map((each) => text(each, "ip") || text(each, "hostname"))
        .join(","),
    Ports: (item) => (list(item, "spec", "tls").length > 0 ? "80, 443" : "80"),
  },
  "leases.coordination.k8s.io": { Holder: (item) => text(item, "spec", "holderIdentity") },
  "roles.rbac.authorization.k8s.io": { "Created At": path("metadata", "creationTimestamp") },
  "clusterroles.rbac.authorization.k8s.io": { "Created At": path("metadata", "creationTimestamp") },
  "rolebindings.rbac.authorization.k8s.io": roleBinding,
  "clusterrolebindings.rbac.authorization.k8s.io": roleBinding,
  "priorityclasses.scheduling.k8s.io": {
    Value: amount("value"),
    "Global-Default": (item) => item["globalDefault"] === true,
    PreemptionPolicy: path("preemptionPolicy"),
  },
  "runtimeclasses.node.k8s.io": { Handler: path("handler") },
  "endpointslices.discovery.k8s.io": {
    AddressType: path("addressType"),
    Ports: (item) =>
      list(item, "ports")
        .map((each) => `${number(each, "port") ?? "*"}`)
        .join(",") || "<unset>",
    Endpoints: (item) =>
      list(item, "endpoints")
        .flatMap((each) => list(each, "addresses"))
        .join(",") || "<unset>",
  },
};

/** What is aimed at by shares of what is asked for; other aims are not reached here. */
function autoscalerTargets(item: JsonObject): string {
  const current = list(item, "status", "currentMetrics");
  const shown = list(item, "spec", "metrics").map((metric) => {
    const name = text(metric, "resource", "name");
    const now = current.find((each) => text(each, "resource", "name") === name);
    const share = number(now, "resource", "current", "averageUtilization");
    const wanted = number(metric, "resource", "target", "averageUtilization");
    return `${name}: ${share === undefined ? "<unknown>" : `${share}%`}/${wanted === undefined ? "<auto>" : `${wanted}%`}`;
  });
  return shown.join(", ") || none;
}

function address(node: JsonObject, type: string): string {
  const found = list(node, "status", "addresses").find((each) => text(each, "type") === type);
  return text(found, "address") || none;
}

function lastSeen(event: JsonObject): string {
  return text(event, "series", "lastObservedTime") || text(event, "lastTimestamp") || text(event, "eventTime");
}

const common: Readonly<Record<string, Cell>> = {
  Name: (item) => text(item, "metadata", "name"),
  Age: (item, now) => since(text(item, "metadata", "creationTimestamp"), now),
};

export function cellsOf(resource: Resource, item: JsonObject, now: number): readonly Json[] {
  const own = table[resource.key] ?? {};
  return resource.columns.map(({ name }) => {
    const cell = own[name] ?? common[name];
    const value = cell === undefined ? none : cell(item, now);
    return isList(value) ? value.join(",") : value;
  });
}
