// The conditions of a Node, in a kubelet's words: what they say when all is well, and the event that tells of a change.
import type { NodeCondition } from "../kube/types.gen.ts";

/** A condition without its times: those are decided when it is written. */
export type ConditionState = Pick<NodeCondition, "type" | "status" | "reason" | "message">;

const pressures: readonly ConditionState[] = [
  {
    type: "MemoryPressure",
    status: "False",
    reason: "KubeletHasSufficientMemory",
    message: "kubelet has sufficient memory available",
  },
  {
    type: "DiskPressure",
    status: "False",
    reason: "KubeletHasNoDiskPressure",
    message: "kubelet has no disk pressure",
  },
  {
    type: "PIDPressure",
    status: "False",
    reason: "KubeletHasSufficientPID",
    message: "kubelet has sufficient PID available",
  },
];

const isReady: ConditionState = {
  type: "Ready",
  status: "True",
  reason: "KubeletReady",
  message: "kubelet is posting ready status",
};

/** The four conditions that a kubelet always sets. */
export const kubeletConditions: readonly string[] = [...pressures.map(({ type }) => type), "Ready"];

/** Why the node is not ready although its provider's report may say so. */
export interface NotReady {
  readonly reason: string;
  readonly message: string;
}

/**
 * All conditions that are ours, Ready last. Later lists win by type. `notReady` wins over every other Ready: it is what the core
 * itself knows (the provider does not answer, the program ends).
 */
export function nodeConditions(
  lists: readonly (readonly ConditionState[] | undefined)[],
  notReady: NotReady | undefined,
): readonly ConditionState[] {
  const byType = new Map(pressures.map((condition) => [condition.type, condition]));
  let ready = isReady;
  for (const list of lists) {
    for (const { type, status, reason, message } of list ?? []) {
      const condition = { type, status, ...(reason === undefined ? {} : { reason }), message: message ?? "" };
      if (type === "Ready") ready = condition;
      else byType.set(type, condition);
    }
  }
  if (notReady !== undefined) ready = { type: "Ready", status: "False", ...notReady };
  return [...byType.values(), ready];
}

const eventReasons: Readonly<Record<string, { readonly True: string; readonly other: string }>> = {
  MemoryPressure: { True: "NodeHasInsufficientMemory", other: "NodeHasSufficientMemory" },
  DiskPressure: { True: "NodeHasDiskPressure", other: "NodeHasNoDiskPressure" },
  PIDPressure: { True: "NodeHasInsufficientPID", other: "NodeHasSufficientPID" },
  Ready: { True: "NodeReady", other: "NodeNotReady" },
};

/** The reason of the event with which a kubelet tells that a condition took this status; undefined when it tells nothing. */
export function conditionEvent(type: string, status: string): string | undefined {
  const reasons = eventReasons[type];
  return status === "True" ? reasons?.True : reasons?.other;
}
