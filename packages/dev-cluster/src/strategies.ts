// What is particular to a kind when its objects are made and changed. Kinds without an entry have nothing.
import { type StrategyContext, userInfo } from "./access.ts";
import { type Cause, forbiddenValue, invalidValue, requiredValue, unsupportedValue } from "./api-error.ts";
import { autoscalerFaults, completeBehavior } from "./autoscaler-rules.ts";
import { eventFaults } from "./event-rules.ts";
import { at, equal, isObject, type JsonObject, list, merge, object, put, text } from "./json.ts";
import { newPod, podFaults, podStatus, podUpdateFaults } from "./pod-rules.ts";
import { scheduleFault } from "./schedule.ts";
import { selects } from "./selectors.ts";
import { newService } from "./service-rules.ts";

export interface Strategy {
  /** The object is complete and has a UID. */
  readonly create?: (made: JsonObject, context: StrategyContext) => JsonObject;
  readonly update?: (next: JsonObject, before: JsonObject, context: StrategyContext) => JsonObject;
  readonly status?: (status: JsonObject) => JsonObject;
  readonly faults?: (candidate: JsonObject) => readonly Cause[];
  readonly updateFaults?: (next: JsonObject, before: JsonObject) => readonly Cause[];
  /** Paths of what is never changed. */
  readonly fixed?: readonly (readonly string[])[];
  /** Its status is kept when it is made. */
  readonly keepsStatus?: boolean;
  /** What of its metadata counts in metadata.generation, too. */
  readonly counts?: readonly ("annotations" | "labels")[];
}

const workload = (restartPolicies: readonly string[]): Strategy => ({
  faults(candidate) {
    const template = object(candidate, "spec", "template");
    const faults = [...podFaults(template["spec"], "spec.template.spec")];
    const labels = object(template, "metadata", "labels");
    const selector = object(candidate, "spec")["selector"];
    if (isObject(selector) && !selects(selector, labels)) {
      const why = "`selector` does not match template `labels`";
      faults.push(invalidValue("spec.template.metadata.labels", labels, why));
    }
    const restart = text(template, "spec", "restartPolicy");
    if (!restartPolicies.includes(restart)) {
      faults.push(unsupportedValue("spec.template.spec.restartPolicy", restart, restartPolicies));
    }
    return faults;
  },
  fixed: [["spec", "selector"]],
});

/** What a strategy says of a change. */
export function changeFaults(strategy: Strategy, next: JsonObject, before: JsonObject): readonly Cause[] {
  const changed = (strategy.fixed ?? []).filter((path) => !equal(at(next, ...path), at(before, ...path)));
  return [
    ...(strategy.faults?.(next) ?? []),
    ...changed.map((path) => invalidValue(path.join("."), at(next, ...path), "field is immutable")),
    ...(strategy.updateFaults?.(next, before) ?? []),
  ];
}

const changeableOfSets = [
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
];

function unchangedSet(next: JsonObject, before: JsonObject): readonly Cause[] {
  const [now, then] = [next, before].map((each) => {
    const rest = Object.entries(object(each, "spec")).filter(([field]) => !changeableOfSets.includes(field));
    return Object.fromEntries(rest);
  });
  if (equal(now, then)) return [];
  const named = changeableOfSets.map((field) => `'${field}'`);
  const fields = `${named.slice(0, -1).join(", ")} and ${named.at(-1)}`;
  return [forbiddenValue("spec", `updates to statefulset spec for fields other than ${fields} are forbidden`)];
}

const templateGeneration = ["metadata", "annotations", "deprecated.daemonset.template.generation"];
const job = workload(["OnFailure", "Never"]);

export const strategies: Readonly<Record<string, Strategy>> = {
  pods: {
    create: newPod,
    status: podStatus,
    faults: (pod) => podFaults(pod["spec"], "spec"),
    updateFaults: podUpdateFaults,
  },
  nodes: {
    keepsStatus: true,
    // Its controller takes it off once the node is ready.
    create(node) {
      const taint = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" };
      const taints = list(node, "spec", "taints");
      const has = taints.some((each) => text(each, "key") === taint.key);
      return has ? node : put(node, ["spec", "taints"], [...taints, taint]);
    },
  },
  namespaces: {
    create(namespace) {
      const label = { "kubernetes.io/metadata.name": text(namespace, "metadata", "name") };
      const labelled = merge(namespace, ["metadata", "labels"], label);
      return put(labelled, ["spec", "finalizers"], ["kubernetes"]);
    },
    update: (next, before) => put(next, ["spec"], before["spec"]),
  },
  persistentvolumes: {
    create: (made) => put(made, ["status", "lastPhaseTransitionTime"], text(made, "metadata", "creationTimestamp")),
  },
  services: { create: newService, update: (next, _, context) => newService(next, context) },
  secrets: {
    create: encodedSecret,
    update: encodedSecret,
    fixed: [["type"]],
    updateFaults: immutableData,
  },
  configmaps: { updateFaults: immutableData },
  "deployments.apps": { ...workload(["Always"]), counts: ["annotations"] },
  "replicasets.apps": workload(["Always"]),
  "statefulsets.apps": { ...workload(["Always"]), fixed: [], updateFaults: unchangedSet },
  "daemonsets.apps": {
    ...workload(["Always"]),
    create: (made) => put(made, templateGeneration, "1"),
    update(next, before) {
      const count = Number(text(before, ...templateGeneration)) || 0;
      const isOther = !equal(object(next, "spec")["template"], object(before, "spec")["template"]);
      return put(next, templateGeneration, `${count + (isOther ? 1 : 0)}`);
    },
  },
  "jobs.batch": {
    ...job,
    faults(candidate) {
      const { completionMode, completions } = object(candidate, "spec");
      const uncounted = requiredValue("spec.completions", "Required value: when completion mode is Indexed");
      const isUncounted = completionMode === "Indexed" && completions === undefined;
      return [...(job.faults?.(candidate) ?? []), ...(isUncounted ? [uncounted] : [])];
    },
    create(made) {
      const name = text(made, "metadata", "name");
      const uid = text(made, "metadata", "uid");
      const labels = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
      };
      if (object(made, "spec")["manualSelector"] === true) return made;
      const templated = merge(made, ["spec", "template", "metadata", "labels"], labels);
      const isBare = Object.keys(object(made, "metadata", "labels")).length === 0;
      const own = object(templated, "spec", "template", "metadata", "labels");
      const labelled = isBare ? put(templated, ["metadata", "labels"], own) : templated;
      return put(labelled, ["spec", "selector"], { matchLabels: { "batch.kubernetes.io/controller-uid": uid } });
    },
    fixed: [
      ["spec", "selector"],
      ["spec", "template"],
    ],
  },
  "cronjobs.batch": {
    faults(cron) {
      const [schedule, zone] = [text(cron, "spec", "schedule"), text(cron, "spec", "timeZone")];
      const fault = schedule === "" ? undefined : scheduleFault(schedule, zone);
      return fault === undefined ? [] : [invalidValue("spec.schedule", schedule, fault)];
    },
  },
  "horizontalpodautoscalers.autoscaling": {
    create: completeBehavior,
    update: completeBehavior,
    faults: autoscalerFaults,
  },
  "endpointslices.discovery.k8s.io": { counts: ["annotations", "labels"] },
  events: { faults: eventFaults },
  "apiservices.apiregistration.k8s.io": {
    faults(service) {
      const name = `${text(service, "spec", "version")}.${text(service, "spec", "group")}`;
      const own = text(service, "metadata", "name");
      const why = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(name)}`;
      return own === name ? [] : [invalidValue("metadata.name", own, why)];
    },
  },
  "podcertificaterequests.certificates.k8s.io": { fixed: [["spec"]] },
  "certificatesigningrequests.certificates.k8s.io": {
    create: (made, { user }) => merge(made, ["spec"], { uid: undefined, extra: undefined, ...userInfo(user) }),
    fixed: [["spec"]],
  },
};

function encodedSecret(secret: JsonObject): JsonObject {
  const plain = Object.entries(object(secret, "stringData"));
  const encoded = Object.fromEntries(plain.map(([key, value]) => [key, Buffer.from(`${value}`).toString("base64")]));
  const withData = plain.length === 0 ? secret : merge(secret, ["data"], encoded);
  return put(withData, ["stringData"], undefined);
}

function immutableData(next: JsonObject, before: JsonObject): readonly Cause[] {
  if (before["immutable"] !== true) return [];
  const fields = ["data", "binaryData", "immutable"].filter((field) => !equal(next[field], before[field]));
  return fields.map((field) => forbiddenValue(field, "field is immutable when `immutable` is set"));
}
