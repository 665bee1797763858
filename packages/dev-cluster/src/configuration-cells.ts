// The cells of what configures a cluster: storage, admission, devices, flow control, quotas.
import { amount, type Cell, path } from "./cell.ts";
import { conditionOf } from "./conditions.ts";
import { at, type JsonObject, list, object, text } from "./json.ts";

const count =
  (...keys: string[]): Cell =>
  (item) =>
    list(item, ...keys).length;
const flag =
  (...keys: string[]): Cell =>
  (item) =>
    at(item, ...keys) === true;
const reference =
  (...keys: string[]): Cell =>
  (item) => {
    const { apiVersion, kind, resource, namespace, name } = object(item, ...keys);
    return (
      [apiVersion, kind, resource, namespace, name].filter((each) => typeof each === "string").join("/") || "<unset>"
    );
  };

/** `pods: 3/10, services: 1/4`, of limits or of all others. */
function quota(item: JsonObject, isLimit: boolean): string {
  const hard = Object.entries(object(item, "status", "hard")).filter(
    ([name]) => name.startsWith("limits.") === isLimit,
  );
  return hard
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, most]) => `${name}: ${text(object(item, "status", "used"), name) || "0"}/${most}`)
    .join(", ");
}

const storage = "storage.k8s.io";
const admission = "admissionregistration.k8s.io";
const flow = "flowcontrol.apiserver.k8s.io";

export const configurationCells: Readonly<Record<string, Readonly<Record<string, Cell>>>> = {
  resourcequotas: { Request: (item) => quota(item, false), Limit: (item) => quota(item, true) },
  [`csidrivers.${storage}`]: {
    AttachRequired: flag("spec", "attachRequired"),
    PodInfoOnMount: flag("spec", "podInfoOnMount"),
    StorageCapacity: flag("spec", "storageCapacity"),
    TokenRequests: (item) =>
      list(item, "spec", "tokenRequests")
        .map((each) => text(each, "audience"))
        .join(",") || "<unset>",
    RequiresRepublish: flag("spec", "requiresRepublish"),
    Modes: (item) => list(item, "spec", "volumeLifecycleModes").join(","),
  },
  [`csinodes.${storage}`]: { Drivers: count("spec", "drivers") },
  [`volumeattachments.${storage}`]: {
    Attacher: path("spec", "attacher"),
    PV: path("spec", "source", "persistentVolumeName"),
    Node: path("spec", "nodeName"),
    Attached: flag("status", "attached"),
  },
  [`volumeattributesclasses.${storage}`]: { DriverName: path("driverName") },
  [`mutatingadmissionpolicies.${admission}`]: {
    Mutations: count("spec", "mutations"),
    ParamKind: reference("spec", "paramKind"),
  },
  [`mutatingadmissionpolicybindings.${admission}`]: {
    PolicyName: path("spec", "policyName"),
    ParamRef: reference("spec", "paramRef"),
  },
  [`mutatingwebhookconfigurations.${admission}`]: { Webhooks: count("webhooks") },
  [`validatingwebhookconfigurations.${admission}`]: { Webhooks: count("webhooks") },
  [`validatingadmissionpolicies.${admission}`]: {
    Validations: count("spec", "validations"),
    ParamKind: reference("spec", "paramKind"),
  },
  [`validatingadmissionpolicybindings.${admission}`]: {
    PolicyName: path("spec", "policyName"),
    ParamRef: reference("spec", "paramRef"),
  },
  "ipaddresses.networking.k8s.io": { ParentRef: reference("spec", "parentRef") },
  "servicecidrs.networking.k8s.io": { CIDRs: (item) => list(item, "spec", "cidrs").join(",") },
  "resourceclaims.resource.k8s.io": {
    State: (item) => (at(item, "status", "allocation") === undefined ? "pending" : "allocated"),
  },
  "resourceslices.resource.k8s.io": {
    Node: path("spec", "nodeName"),
    Driver: path("spec", "driver"),
    Pool: path("spec", "pool", "name"),
  },
  [`flowschemas.${flow}`]: {
    PriorityLevel: path("spec", "priorityLevelConfiguration", "name"),
    MatchingPrecedence: amount("spec", "matchingPrecedence"),
    DistinguisherMethod: path("spec", "distinguisherMethod", "type"),
    MissingPL: (item) => text(conditionOf(item, "Dangling"), "status") || "?",
  },
  [`prioritylevelconfigurations.${flow}`]: {
    Type: path("spec", "type"),
    NominalConcurrencyShares: path("spec", "limited", "nominalConcurrencyShares"),
    Queues: path("spec", "limited", "limitResponse", "queuing", "queues"),
    HandSize: path("spec", "limited", "limitResponse", "queuing", "handSize"),
    QueueLengthLimit: path("spec", "limited", "limitResponse", "queuing", "queueLengthLimit"),
  },
};
