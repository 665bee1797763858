// The cells of what configures a cluster: storage, admission, devices, flow control, quotas.
import { type Cell, joined, none, path, type Row } from "./cell.ts";
import { conditionOf } from "./conditions.ts";
import { at, type JsonObject, object, text } from "./json.ts";

const reference = (to: string): Cell =>
  joined(
    "/",
    ["apiVersion", "kind", "resource", "namespace", "name"].map((each) => `${to}.${each}`),
    "<unset>",
  );

/** `pods: 3/10, services: 1/4`, of limits or of all others. */
function quota(item: JsonObject, isLimit: boolean): string {
  return Object.entries(object(item, "status", "hard"))
    .filter(([name]) => name.startsWith("limits.") === isLimit)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, most]) => `${name}: ${text(object(item, "status", "used"), name) || "0"}/${most}`)
    .join(", ");
}

const policy: Row = { ParamKind: reference("spec.paramKind") };
const policyBinding: Row = { ParamRef: reference("spec.paramRef") };

export const configurationCells: Readonly<Record<string, Row>> = {
  resourcequotas: { Request: (item) => quota(item, false), Limit: (item) => quota(item, true) },
  "csidrivers.storage.k8s.io": {
    TokenRequests: path("spec.tokenRequests.audience", "<unset>"),
    Modes: path("spec.volumeLifecycleModes", ""),
  },
  "volumeattachments.storage.k8s.io": { PV: "spec.source.persistentVolumeName", Node: "spec.nodeName" },
  "mutatingadmissionpolicies.admissionregistration.k8s.io": policy,
  "mutatingadmissionpolicybindings.admissionregistration.k8s.io": policyBinding,
  "validatingadmissionpolicies.admissionregistration.k8s.io": policy,
  "validatingadmissionpolicybindings.admissionregistration.k8s.io": policyBinding,
  "ingressclasses.networking.k8s.io": { Parameters: () => none },
  "ipaddresses.networking.k8s.io": { ParentRef: reference("spec.parentRef") },
  "resourceclaims.resource.k8s.io": {
    State: (item) => (at(item, "status", "allocation") === undefined ? "pending" : "allocated"),
  },
  "resourceslices.resource.k8s.io": { Node: "spec.nodeName", Pool: "spec.pool.name" },
  "flowschemas.flowcontrol.apiserver.k8s.io": {
    PriorityLevel: "spec.priorityLevelConfiguration.name",
    DistinguisherMethod: "spec.distinguisherMethod.type",
    MissingPL: (item) => text(conditionOf(item, "Dangling"), "status") || "?",
  },
  "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": {
    NominalConcurrencyShares: "spec.limited.nominalConcurrencyShares",
    Queues: "spec.limited.limitResponse.queuing.queues",
    HandSize: "spec.limited.limitResponse.queuing.handSize",
    QueueLengthLimit: "spec.limited.limitResponse.queuing.queueLengthLimit",
  },
};
