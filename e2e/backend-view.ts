// A mock backend in a process of its own, as a test sees it, and whether it and the API are of one mind about the pods.
import type { KubeClient } from "../packages/virtual-kubelet/src/kube/client.ts";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { PodReport } from "../packages/virtual-kubelet/src/provider/pods.ts";
import type { JournalEntry } from "../packages/virtual-kubelet/src/providers/mock/backend-server.ts";
import type { BackendAction } from "../packages/virtual-kubelet/src/providers/mock/connection.ts";
import { remoteConnection } from "../packages/virtual-kubelet/src/providers/mock/remote-connection.ts";
import { eventually } from "./harness.ts";

export interface BackendView extends AsyncDisposable {
  list(node: string): Promise<readonly PodReport[]>;
  act(action: BackendAction): Promise<void>;
  close(): Promise<void>;
}

export function backendView(address: string): BackendView {
  const connection = remoteConnection(address);
  return {
    list: (node) => connection.list(node, AbortSignal.timeout(60_000)),
    act: (action) => connection.act(action, AbortSignal.timeout(60_000)),
    close: () => connection.close(),
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** Pods that the backend started more than once, by its own account. */
export function startedTwice(journal: readonly JournalEntry[]): readonly string[] {
  const started = new Map<string, number>();
  const faults: string[] = [];
  for (const { method, uid, name, outcome } of journal) {
    if (method !== "createPod" || uid === undefined || outcome === "exists" || outcome.startsWith("error")) continue;
    const times = (started.get(uid) ?? 0) + 1;
    started.set(uid, times);
    if (times > 1 || outcome !== "created") faults.push(`${name} (${uid}): ${outcome}, start ${times}`);
  }
  return faults;
}

/** Waits until the backend has exactly the pods of this node that the API has (pods ended before they ran aside), and none too many. */
export async function bothSidesAgree(
  client: KubeClient,
  backend: BackendView,
  node: string,
  deadlineMs: number,
): Promise<void> {
  let faults: string[] = [];
  const look = async (): Promise<boolean> => {
    const there = new Map((await backend.list(node)).map((report) => [report.owner.uid, report]));
    const { items } = await client.list(pods, { fieldSelector: `spec.nodeName=${node}` });
    const wanted = new Map(items.map((pod) => [pod.metadata.uid, pod]));
    faults = [...there.values()]
      .filter(({ owner }) => !wanted.has(owner.uid))
      .map(({ owner }) => `leaked: ${owner.name}`);
    for (const [uid, pod] of wanted) {
      const runs = there.get(uid)?.containers.some(({ state }) => state.running) === true;
      if (runs !== (pod.status?.phase === "Running"))
        faults.push(`${pod.metadata.name}: ${pod.status?.phase}, runs: ${runs}`);
    }
    return faults.length === 0;
  };
  try {
    await eventually(`backend and API agree about ${node}`, deadlineMs, look);
  } catch (error) {
    throw new Error(`${String(error)}\n${faults.join("\n")}`);
  }
}
