// How many calls of each operation the provider makes. AWS publishes few of its limits: these are within what is known of them, and
// what is throttled all the same slows down by itself.
import type { OperationLimit } from "@virtual-kubelet/virtual-kubelet/cloud";

export const fallbackLimit: OperationLimit = { perSecond: 10, burst: 20 };

export const callLimits: Readonly<Record<string, OperationLimit>> = {
  RunTask: { perSecond: 10, burst: 50, passThrottled: true },
  StopTask: { perSecond: 20, burst: 50 },
  DescribeTasks: { perSecond: 20, burst: 50 },
  ListTasks: { perSecond: 10, burst: 50 },
  RegisterTaskDefinition: { perSecond: 5, burst: 20, passThrottled: true },
  DeregisterTaskDefinition: { perSecond: 1, burst: 10 },
  DeleteTaskDefinitions: { perSecond: 1, burst: 5 },
  ExecuteCommand: { perSecond: 5, burst: 20 },
  CreateSecret: { perSecond: 20, burst: 50, passThrottled: true },
  PutSecretValue: { perSecond: 10, burst: 20, passThrottled: true },
  DeleteSecret: { perSecond: 20, burst: 50 },
  GetLogEvents: { perSecond: 10, burst: 25 },
  GetMetricData: { perSecond: 10, burst: 50 },
};
