// The cells of pods in tables: the status that sums a pod up, its restarts.
import { none, type Row } from "./cell.ts";
import { isTrue } from "./conditions.ts";
import { duration } from "./duration.ts";
import { at, type Json, type JsonObject, list, number, text } from "./json.ts";

const isSidecar = (container: Json): boolean => text(container, "restartPolicy") === "Always";

/** Main containers, and sidecars beside them. */
function counted(pod: JsonObject): { readonly statuses: readonly Json[]; readonly total: number } {
  const sidecars = new Set(
    list(pod, "spec", "initContainers")
      .filter(isSidecar)
      .map((each) => text(each, "name")),
  );
  const beside = list(pod, "status", "initContainerStatuses").filter((each) => sidecars.has(text(each, "name")));
  return {
    statuses: [...beside, ...list(pod, "status", "containerStatuses")],
    total: list(pod, "spec", "containers").length + sidecars.size,
  };
}

function reasonOfInit(pod: JsonObject): string | undefined {
  const specs = new Map(list(pod, "spec", "initContainers").map((each) => [text(each, "name"), each]));
  for (const [index, status] of list(pod, "status", "initContainerStatuses").entries()) {
    const exit = number(status, "state", "terminated", "exitCode");
    if (exit === 0) continue;
    if (isSidecar(specs.get(text(status, "name")) ?? null) && at(status, "started") === true) continue;
    if (exit !== undefined) return `Init:${text(status, "state", "terminated", "reason") || `ExitCode:${exit}`}`;
    const waiting = text(status, "state", "waiting", "reason");
    if (waiting !== "" && waiting !== "PodInitializing") return `Init:${waiting}`;
    return `Init:${index}/${specs.size}`;
  }
  return undefined;
}

function statusOf(pod: JsonObject): string {
  const initializing = reasonOfInit(pod);
  let reason = initializing ?? (text(pod, "status", "reason") || text(pod, "status", "phase"));
  const gates = list(pod, "status", "conditions").some((each) => text(each, "reason") === "SchedulingGated");
  if (gates) reason = "SchedulingGated";
  if (initializing === undefined) reason = reasonOfContainers(pod, reason);
  if (text(pod, "metadata", "deletionTimestamp") === "") return reason;
  if (text(pod, "status", "reason") === "NodeLost") return "Unknown";
  return ["Succeeded", "Failed"].includes(text(pod, "status", "phase")) ? reason : "Terminating";
}

function reasonOfContainers(pod: JsonObject, before: string): string {
  let reason = before;
  let isRunning = false;
  for (const status of list(pod, "status", "containerStatuses").toReversed()) {
    const waiting = text(status, "state", "waiting", "reason");
    const ended = text(status, "state", "terminated", "reason");
    const exit = number(status, "state", "terminated", "exitCode");
    if (waiting !== "") reason = waiting;
    else if (ended !== "") reason = ended;
    else if (exit !== undefined) reason = `ExitCode:${exit}`;
    else if (at(status, "ready") === true && at(status, "state", "running") !== undefined) isRunning = true;
  }
  if (reason !== "Completed" || !isRunning) return reason;
  return isTrue(pod, "Ready") ? "Running" : "NotReady";
}

export const podCells: Row = {
  Ready(pod) {
    const { statuses, total } = counted(pod);
    return `${statuses.filter((each) => at(each, "ready") === true).length}/${total}`;
  },
  Status: statusOf,
  Restarts(pod, now) {
    const { statuses } = counted(pod);
    const restarts = statuses.reduce<number>((sum, each) => sum + (number(each, "restartCount") ?? 0), 0);
    const ends = statuses
      .map((each) => Date.parse(text(each, "lastState", "terminated", "finishedAt")))
      .filter(Number.isFinite);
    return restarts === 0 || ends.length === 0
      ? `${restarts}`
      : `${restarts} (${duration(now - Math.max(...ends))} ago)`;
  },
  IP: "status.podIP",
  Node: "spec.nodeName",
  "Nominated Node": "status.nominatedNodeName",
  "Readiness Gates"(pod) {
    const gates = list(pod, "spec", "readinessGates").map((each) => text(each, "conditionType"));
    const met = gates.filter((gate) => isTrue(pod, gate));
    return gates.length === 0 ? none : `${met.length}/${gates.length}`;
  },
};
