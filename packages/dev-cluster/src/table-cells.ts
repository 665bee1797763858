// The cells of the tables that `kubectl get` prints. Columns without an entry here are `<none>`.
import type { Resource } from "./api-data.ts";
import { amount, type Cell, labels, none, path } from "./cell.ts";
import { conditionOf, isTrue } from "./conditions.ts";
import { configurationCells } from "./configuration-cells.ts";
import { duration, since } from "./duration.ts";
import { at, isList, type Json, type JsonObject, list, number, object, text } from "./json.ts";
import { podCells } from "./pod-cells.ts";
import { workloadCells } from "./workload-cells.ts";

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

const volume: Readonly<Record<string, Cell>> = {
  StorageClass: (each) => text(each, "spec", "storageClassName"),
  VolumeAttributesClass: (each) => text(each, "spec", "volumeAttributesClassName") || "<unset>",
  VolumeMode: path("spec", "volumeMode"),
};

const pair = (...parts: readonly string[]): string => parts.filter(Boolean).join(", ");

function accessModes(modes: readonly Json[]): string {
  const short: Readonly<Record<string, string>> = {
    ReadWriteOnce: "RWO",
    ReadOnlyMany: "ROX",
    ReadWriteMany: "RWX",
    ReadWriteOncePod: "RWOP",
  };
  return modes.map((mode) => short[`${mode}`] ?? "").join(",");
}

const table: Readonly<Record<string, Readonly<Record<string, Cell>>>> = {
  ...workloadCells,
  ...configurationCells,
  pods: podCells,
  nodes: {
    Status(node) {
      const isTold = conditionOf(node, "Ready") !== undefined;
      const state = isTold ? (isTrue(node, "Ready") ? "Ready" : "NotReady") : "Unknown";
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
    Source: (item) =>
      pair(text(item, "source", "component"), text(item, "source", "host")) ||
      pair(text(item, "reportingComponent"), text(item, "reportingInstance")),
    Message: (item) => text(item, "message").trim(),
    Count: (item) => number(item, "series", "count") ?? number(item, "count") ?? 1,
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
  "apiservices.apiregistration.k8s.io": {
    Service: (each) =>
      [text(each, "spec", "service", "namespace"), text(each, "spec", "service", "name")].filter(Boolean).join("/") ||
      "Local",
    Available(each) {
      const found = list(each, "status", "conditions").find((one) => text(one, "type") === "Available");
      if (found === undefined) return "Unknown";
      return text(found, "status") === "True" ? "True" : `${text(found, "status")} (${text(found, "reason")})`;
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
  persistentvolumeclaims: {
    ...volume,
    Status: (claim) =>
      text(claim, "metadata", "deletionTimestamp") === "" ? text(claim, "status", "phase") : "Terminating",
    Volume: (claim) => text(claim, "spec", "volumeName"),
    Capacity: (claim) => text(claim, "spec", "volumeName") && text(claim, "status", "capacity", "storage"),
    "Access Modes": (claim) => text(claim, "spec", "volumeName") && accessModes(list(claim, "status", "accessModes")),
  },
  persistentvolumes: {
    ...volume,
    Status: (each) =>
      text(each, "metadata", "deletionTimestamp") === "" ? text(each, "status", "phase") : "Terminating",
    Capacity: (each) => text(each, "spec", "capacity", "storage"),
    "Access Modes": (each) => accessModes(list(each, "spec", "accessModes")),
    "Reclaim Policy": (each) => text(each, "spec", "persistentVolumeReclaimPolicy"),
    Claim: (each) =>
      [text(each, "spec", "claimRef", "namespace"), text(each, "spec", "claimRef", "name")].filter(Boolean).join("/"),
    Reason: (each) => text(each, "status", "reason"),
  },
  "storageclasses.storage.k8s.io": {
    Name(each) {
      const isDefault = text(each, "metadata", "annotations", "storageclass.kubernetes.io/is-default-class") === "true";
      return `${text(each, "metadata", "name")}${isDefault ? " (default)" : ""}`;
    },
    Provisioner: (each) => text(each, "provisioner"),
    ReclaimPolicy: (each) => text(each, "reclaimPolicy"),
    VolumeBindingMode: (each) => text(each, "volumeBindingMode"),
    AllowVolumeExpansion: (each) => each["allowVolumeExpansion"] === true,
  },
  "ingressclasses.networking.k8s.io": { Controller: path("spec", "controller") },
  "networkpolicies.networking.k8s.io": {
    "Pod-Selector": (each) => labels(at(each, "spec", "podSelector", "matchLabels")),
  },
  endpoints: {
    Endpoints(each) {
      const all = list(each, "subsets").flatMap((subset) =>
        list(subset, "ports").flatMap((port) =>
          list(subset, "addresses").map((address) => `${text(address, "ip")}:${number(port, "port")}`),
        ),
      );
      return all.length > 3 ? `${all.slice(0, 3).join(",")} + ${all.length - 3} more...` : all.join(",") || none;
    },
  },
  "leases.coordination.k8s.io": { Holder: (item) => text(item, "spec", "holderIdentity") },
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

function address(node: JsonObject, type: string): string {
  const found = list(node, "status", "addresses").find((each) => text(each, "type") === type);
  return text(found, "address") || none;
}

function lastSeen(event: JsonObject): string {
  return text(event, "series", "lastObservedTime") || text(event, "lastTimestamp") || text(event, "eventTime");
}

const common: Readonly<Record<string, Cell>> = {
  "Created At": path("metadata", "creationTimestamp"),
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
