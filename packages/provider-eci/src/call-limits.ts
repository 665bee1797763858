// How many calls an account has, by operation: what the vendor publishes, of which the provider takes a part. A configuration may say
// otherwise; answers that throttle lower them for a while.
import type { OperationLimit } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { EciConfig } from "./config.ts";

/** A minute: 1000 creations and removals, 2000 looks, 500 of all else. */
const usual: Readonly<Record<string, OperationLimit>> = {
  CreateContainerGroup: { perSecond: 10, burst: 60, passThrottled: true },
  DeleteContainerGroup: { perSecond: 10, burst: 60 },
  DescribeContainerGroups: { perSecond: 15, burst: 100 },
  DescribeContainerGroupStatus: { perSecond: 3, burst: 20 },
  DescribeContainerLog: { perSecond: 5, burst: 40 },
  ExecContainerCommand: { perSecond: 4, burst: 40 },
  DescribeMultiContainerGroupMetric: { perSecond: 4, burst: 60 },
};

export const fallbackLimit: OperationLimit = { perSecond: 3, burst: 20 };

export function callLimits({
  callLimits: own,
}: Pick<EciConfig, "callLimits">): Readonly<Record<string, OperationLimit>> {
  const names = new Set([...Object.keys(usual), ...Object.keys(own)]);
  return Object.fromEntries(
    [...names].map((name): [string, OperationLimit] => [name, { ...(usual[name] ?? fallbackLimit), ...own[name] }]),
  );
}
