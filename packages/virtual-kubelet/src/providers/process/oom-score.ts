// Which containers the kernel is to kill first when memory runs out: those that asked for least. Pure.
import { totalmem } from "node:os";
import { parseQuantity, wholeUnits } from "../../kube/quantity.ts";
import type { ResourceRequirements } from "../../kube/types.gen.ts";

/** 1000 without any request or limit, else by the share of the machine's memory that was asked for, as kubelets have it for burstable pods. */
export function oomScoreAdj({ requests, limits }: ResourceRequirements, memoryBytes: number = totalmem()): number {
  const asked = requests?.["memory"] ?? limits?.["memory"];
  if (asked === undefined && requests?.["cpu"] === undefined && limits?.["cpu"] === undefined) return 1000;
  const bytes = asked === undefined ? 0 : Number(wholeUnits(parseQuantity(String(asked))));
  return Math.max(3, Math.min(999, 1000 - Math.floor((1000 * bytes) / memoryBytes)));
}
