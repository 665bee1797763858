// The cells of workloads: what makes pods of a template, and what scales it.
import { amount, type Cell, fraction, labels, none, path } from "./cell.ts";
import { isTrue } from "./conditions.ts";
import { duration, since } from "./duration.ts";
import { at, type JsonObject, list, number, text } from "./json.ts";

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
export const workloadCells: Readonly<Record<string, Readonly<Record<string, Cell>>>> = {
  podtemplates: {
    ...ofTemplate("template"),
    "Pod Labels": (item) => labels(at(item, "template", "metadata", "labels")),
  },
  "deployments.apps": {
    ...workload,
    Ready: fraction(["status", "readyReplicas"], ["spec", "replicas"]),
    "Up-to-date": amount("status", "updatedReplicas"),
    Available: amount("status", "availableReplicas"),
  },
  "replicasets.apps": replicas,
  replicationcontrollers: { ...replicas, Selector: (item) => labels(at(item, "spec", "selector")) },
  "statefulsets.apps": { ...workload, Ready: fraction(["status", "readyReplicas"], ["spec", "replicas"]) },
  "controllerrevisions.apps": {
    Controller(revision) {
      const owner = list(revision, "metadata", "ownerReferences").find((each) => at(each, "controller") === true);
      const [group = ""] = text(owner, "apiVersion").split("/");
      return owner === undefined ? none : `${text(owner, "kind").toLowerCase()}.${group}/${text(owner, "name")}`;
    },
    Revision: amount("revision"),
  },
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
      const end = ["Complete", "Failed"].find((type) => isTrue(job, type));
      if (end !== undefined) return end;
      if (text(job, "metadata", "deletionTimestamp") !== "") return "Terminating";
      return isTrue(job, "Suspended") ? "Suspended" : isTrue(job, "FailureTarget") ? "FailureTarget" : "Running";
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
