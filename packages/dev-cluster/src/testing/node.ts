// A node for tests whose pods run at once.
import { timestamp } from "../access.ts";
import { type JsonObject, object, text } from "../json.ts";
import type { ApiCaller } from "./api-caller.ts";

/** A node that runs whatever is bound to it, as a kubelet tells it; pods named `fail...` fail, those of Jobs succeed. */
export async function runNode(caller: ApiCaller, name: string, signal: AbortSignal): Promise<void> {
  await caller.post("/api/v1/nodes", {
    metadata: { name, labels: { "kubernetes.io/hostname": name } },
    status: {
      allocatable: { cpu: "4", memory: "8Gi", pods: "20" },
      conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: timestamp(Date.now()) }],
    },
  });
  const path = `/api/v1/pods?watch=1&fieldSelector=spec.nodeName=${name}`;
  for await (const event of caller.watch(path, signal)) {
    if (text(event, "type") !== "DELETED") await serve(caller, object(event, "object"));
  }
}

async function serve(caller: ApiCaller, pod: JsonObject): Promise<void> {
  const path = `/api/v1/namespaces/${text(pod, "metadata", "namespace")}/pods/${text(pod, "metadata", "name")}`;
  const phase = text(pod, "status", "phase");
  if (text(pod, "metadata", "deletionTimestamp") !== "") {
    await caller.delete(path, { gracePeriodSeconds: 0 });
  } else if (phase === "Pending") {
    const ends = object(pod, "metadata", "labels")["job-name"] !== undefined;
    const fails = text(pod, "metadata", "name").startsWith("fail");
    const next = ends ? (fails ? "Failed" : "Succeeded") : "Running";
    const lastTransitionTime = timestamp(Date.now());
    const ready = { type: "Ready", status: next === "Running" ? "True" : "False", lastTransitionTime };
    await caller.patch(`${path}/status`, { status: { phase: next, podIP: "10.1.0.1", conditions: [ready] } });
  }
}
