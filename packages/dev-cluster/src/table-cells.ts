// The cells of the tables that `kubectl get` prints, where they are not the field that a column is named after.
import type { Resource } from "./api-data.ts";
import { amount, type Cell, cellOf, few, flag, joined, none, path, type Row } from "./cell.ts";
import { conditionOf, isTrue } from "./conditions.ts";
import { configurationCells } from "./configuration-cells.ts";
import { duration, since } from "./duration.ts";
import { at, type Json, type JsonObject, list, number, object, text } from "./json.ts";
import { podCells } from "./pod-cells.ts";
import { workloadCells } from "./workload-cells.ts";

const subjects =
  (kind: string): Cell =>
  (item) =>
    list(item, "subjects")
      .filter((each) => text(each, "kind") === kind)
      .map(joined("/", ["namespace", "name"]))
      .join(", ");
const roleBinding: Row = {
  Role: joined("/", ["roleRef.kind", "roleRef.name"]),
  Users: subjects("User"),
  Groups: subjects("Group"),
  ServiceAccounts: subjects("ServiceAccount"),
};

const shortModes: Readonly<Record<string, string>> = {
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOncePod: "RWOP",
};
const accessModes = (modes: readonly Json[]): string => modes.map((mode) => shortModes[`${mode}`] ?? "").join(",");
const volume: Row = {
  Status: (each) =>
    text(each, "metadata", "deletionTimestamp") === "" ? text(each, "status", "phase") : "Terminating",
  StorageClass: path("spec.storageClassName", ""),
  VolumeAttributesClass: path("spec.volumeAttributesClassName", "<unset>"),
};

const address =
  (type: string): Cell =>
  (node) => {
    const found = list(node, "status", "addresses").find((each) => text(each, "type") === type);
    return text(found, "address") || none;
  };

const table: Readonly<Record<string, Row>> = {
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
      return [...new Set(roles.filter(Boolean))].sort().join(",") || none;
    },
    Version: path("status.nodeInfo.kubeletVersion", ""),
    "Internal-IP": address("InternalIP"),
    "External-IP": address("ExternalIP"),
    "OS-Image": path("status.nodeInfo.osImage", "<unknown>"),
    "Kernel-Version": path("status.nodeInfo.kernelVersion", "<unknown>"),
    "Container-Runtime": path("status.nodeInfo.containerRuntimeVersion", "<unknown>"),
  },
  namespaces: { Status: "status.phase" },
  configmaps: { Data: (item) => amount("data")(item) + amount("binaryData")(item) },
  secrets: { Data: amount("data") },
  services: {
    "External-IP": (item) => path("spec.externalIPs", text(item, "spec", "externalName") || none)(item),
    "Port(s)": (item) =>
      list(item, "spec", "ports")
        .map((port) => {
          const node = number(port, "nodePort");
          return `${number(port, "port")}${node === undefined ? "" : `:${node}`}/${text(port, "protocol")}`;
        })
        .join(",") || none,
  },
  events: {
    "Last Seen": (item, now) =>
      since(text(item, "series", "lastObservedTime") || text(item, "lastTimestamp") || text(item, "eventTime"), now),
    "First Seen": (item, now) => since(text(item, "firstTimestamp") || text(item, "eventTime"), now),
    Object: (item) => `${text(item, "involvedObject", "kind").toLowerCase()}/${text(item, "involvedObject", "name")}`,
    Subobject: path("involvedObject.fieldPath", ""),
    Source: (item) =>
      joined(", ", ["source.component", "source.host"])(item) ||
      joined(", ", ["reportingComponent", "reportingInstance"])(item),
    Message: (item) => text(item, "message").trim(),
    Count: (item) => number(item, "series", "count") ?? number(item, "count") ?? 1,
  },
  "poddisruptionbudgets.policy": {
    "Min Available": (item) => `${at(item, "spec", "minAvailable") ?? "N/A"}`,
    "Max Unavailable": (item) => `${at(item, "spec", "maxUnavailable") ?? "N/A"}`,
    "Allowed Disruptions": "status.disruptionsAllowed",
  },
  "certificatesigningrequests.certificates.k8s.io": {
    Requestor: "spec.username",
    RequestedDuration(item) {
      const seconds = number(item, "spec", "expirationSeconds");
      return seconds === undefined ? none : duration(seconds * 1000);
    },
    Condition(item) {
      const types = list(item, "status", "conditions").map((each) => text(each, "type"));
      if (text(item, "status", "certificate") !== "") types.push("Issued");
      return types.join(",") || "Pending";
    },
  },
  "apiservices.apiregistration.k8s.io": {
    Service: joined("/", ["spec.service.namespace", "spec.service.name"], "Local"),
    Available(each) {
      const found = conditionOf(each, "Available");
      if (found === undefined) return "Unknown";
      return text(found, "status") === "True" ? "True" : `${text(found, "status")} (${text(found, "reason")})`;
    },
  },
  "ingresses.networking.k8s.io": {
    Class: "spec.ingressClassName",
    Hosts: (item) => few(list(item, "spec", "rules").map((each) => text(each, "host") || "*")) || "*",
    Address: (item) =>
      list(item, "status", "loadBalancer", "ingress")
        .map((each) => text(each, "ip") || text(each, "hostname"))
        .join(","),
    Ports: (item) => (list(item, "spec", "tls").length > 0 ? "80, 443" : "80"),
  },
  persistentvolumeclaims: {
    ...volume,
    Volume: path("spec.volumeName", ""),
    Capacity: (claim) => text(claim, "spec", "volumeName") && text(claim, "status", "capacity", "storage"),
    "Access Modes": (claim) => text(claim, "spec", "volumeName") && accessModes(list(claim, "status", "accessModes")),
  },
  persistentvolumes: {
    ...volume,
    Capacity: path("spec.capacity.storage", ""),
    "Access Modes": (each) => accessModes(list(each, "spec", "accessModes")),
    "Reclaim Policy": path("spec.persistentVolumeReclaimPolicy", ""),
    Claim: joined("/", ["spec.claimRef.namespace", "spec.claimRef.name"]),
    Reason: path("status.reason", ""),
  },
  "storageclasses.storage.k8s.io": {
    Name(each) {
      const isDefault = text(each, "metadata", "annotations", "storageclass.kubernetes.io/is-default-class") === "true";
      return `${text(each, "metadata", "name")}${isDefault ? " (default)" : ""}`;
    },
    AllowVolumeExpansion: flag("allowVolumeExpansion"),
  },
  "networkpolicies.networking.k8s.io": { "Pod-Selector": "spec.podSelector.matchLabels" },
  endpoints: {
    Endpoints(each) {
      const all = list(each, "subsets").flatMap((subset) =>
        list(subset, "ports").flatMap((port) =>
          list(subset, "addresses").map((address) => `${text(address, "ip")}:${number(port, "port")}`),
        ),
      );
      return few(all) || none;
    },
  },
  "leases.coordination.k8s.io": { Holder: path("spec.holderIdentity", "") },
  "rolebindings.rbac.authorization.k8s.io": roleBinding,
  "clusterrolebindings.rbac.authorization.k8s.io": roleBinding,
  "endpointslices.discovery.k8s.io": {
    Ports: (item) =>
      list(item, "ports")
        .map((each) => `${number(each, "port") ?? "*"}`)
        .join(",") || "<unset>",
    Endpoints: path("endpoints.addresses", "<unset>"),
  },
};

const common: Row = {
  "Created At": "metadata.creationTimestamp",
  Name: "metadata.name",
  Age: (item, now) => since(text(item, "metadata", "creationTimestamp"), now),
};

export function cellsOf({ key, columns }: Resource, item: JsonObject, now: number): readonly Json[] {
  const row = { ...common, ...table[key] };
  return columns.map((column) => cellOf(row[column.name], column, item, now));
}
