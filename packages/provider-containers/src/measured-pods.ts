// The pods of a node as its figures are asked for: what runs, and where its volumes are.
import type { CallContext } from "@virtual-kubelet/virtual-kubelet";
import type { MeasuredPod } from "./figures/measured-pod.ts";
import type { NodeState } from "./node-state.ts";
import { infraOf } from "./pod-view.ts";

export async function measuredPods(state: NodeState, context: CallContext): Promise<readonly MeasuredPod[]> {
  const { inventory, files } = state.parts;
  const byPod = Map.groupBy(await inventory.all(context), ({ owner }) => owner.uid);
  return [...byPod].map(([uid, found]) => ({
    uid,
    hostNetwork: files.record(uid)?.sandbox?.hostNetwork ?? false,
    infra: infraOf(found)?.details,
    containers: found.flatMap(({ run, details }) =>
      run !== undefined && details.running ? [{ name: run.name, details }] : [],
    ),
    volumes: files.measuredPaths(uid),
  }));
}
