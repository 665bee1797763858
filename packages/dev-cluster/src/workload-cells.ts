// The cells of workloads: what makes pods of a template, and what scales it.
import { amount, fraction, joined, none, path, type Row } from "./cell.ts";
import { isTrue } from "./conditions.ts";
import { duration, since } from "./duration.ts";
import { at, type JsonObject, list, number, text } from "./json.ts";

const ofTemplate = (template: string): Row => ({
  Containers: path(`${template}.spec.containers.name`, ""),
  Images: path(`${template}.spec.containers.image`, ""),
  Selector: "spec.selector.matchLabels",
});
const workload = ofTemplate("spec.template");
const replicas: Row = {
  ...workload,
  Desired: "spec.replicas",
  Current: "status.replicas",
  Ready: "status.readyReplicas",
};
export const workloadCells: Readonly<Record<string, Row>> = {
  podtemplates: { ...ofTemplate("template"), "Pod Labels": "template.metadata.labels" },
  "deployments.apps": {
    ...workload,
    Ready: fraction("status.readyReplicas", "spec.replicas"),
    "Up-to-date": amount("status.updatedReplicas"),
    Available: amount("status.availableReplicas"),
  },
  "replicasets.apps": replicas,
  replicationcontrollers: { ...replicas, Selector: "spec.selector" },
  "statefulsets.apps": { ...workload, Ready: fraction("status.readyReplicas", "spec.replicas") },
  "controllerrevisions.apps": {
    Controller(revision) {
      const owner = list(revision, "metadata", "ownerReferences").find((each) => at(each, "controller") === true);
      const [group = ""] = text(owner, "apiVersion").split("/");
      return owner === undefined ? none : `${text(owner, "kind").toLowerCase()}.${group}/${text(owner, "name")}`;
    },
  },
  "daemonsets.apps": {
    ...workload,
    Desired: "status.desiredNumberScheduled",
    Current: "status.currentNumberScheduled",
    Ready: "status.numberReady",
    "Up-to-date": "status.updatedNumberScheduled",
    Available: "status.numberAvailable",
    "Node Selector": "spec.template.spec.nodeSelector",
  },
  "jobs.batch": {
    ...workload,
    Status(job) {
      const end = ["Complete", "Failed"].find((type) => isTrue(job, type));
      if (end !== undefined) return end;
      if (text(job, "metadata", "deletionTimestamp") !== "") return "Terminating";
      return ["Suspended", "FailureTarget"].find((type) => isTrue(job, type)) ?? "Running";
    },
    Completions(job) {
      const done = amount("status.succeeded")(job);
      const wanted = number(job, "spec", "completions");
      if (wanted !== undefined) return `${done}/${wanted}`;
      const parallel = amount("spec.parallelism")(job);
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
    ...ofTemplate("spec.jobTemplate.spec.template"),
    Selector: () => none,
    Suspend: (item) => (at(item, "spec", "suspend") === true ? "True" : "False"),
    "Last Schedule"(item, now) {
      const last = text(item, "status", "lastScheduleTime");
      return last === "" ? none : since(last, now);
    },
  },
  "horizontalpodautoscalers.autoscaling": {
    Reference: joined("/", ["spec.scaleTargetRef.kind", "spec.scaleTargetRef.name"]),
    Targets: autoscalerTargets,
    MinPods: (item) => `${number(item, "spec", "minReplicas") ?? "<unset>"}`,
    MaxPods: amount("spec.maxReplicas"),
    Replicas: amount("status.currentReplicas"),
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
