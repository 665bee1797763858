// A pod whose record is lost with the state directory: what its labels say of it.
import { type CallContext, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { NodeState } from "./node-state.ts";
import type { PodRecord } from "./pod-record.ts";

/** What it was made with is not among it. Throws NotFound where there is nothing of the pod. */
export async function recordOfLabels(state: NodeState, podUid: string, context: CallContext): Promise<PodRecord> {
  const sandbox = await state.get(podUid, context);
  if (sandbox === undefined) throw new VirtualKubeletError("NotFound", `there is no pod ${podUid}`);
  const { infra } = await state.pod(podUid, context);
  const { owner, revision, notes, createdAt, ready } = sandbox;
  const id = ready ? (infra?.details.id ?? "") : "";
  return { owner, revision, notes, createdAt, infra: id, cgroupParent: "", startFaults: {} };
}
