// Answers of Nomad, read as far as they are used: what is of another shape is no answer.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import type {
  NomadAgentSelf,
  NomadAllocation,
  NomadAllocationStats,
  NomadEvalAnswer,
  NomadEvaluation,
  NomadFile,
  NomadJobAnswer,
  NomadJobStub,
  NomadPlanAnswer,
  NomadVariable,
} from "../wire.ts";
import type { NomadNode } from "../wire-node.ts";

const text = v.optional(v.string());
const count = v.optional(v.number());
const nullable = <T extends v.GenericSchema>(schema: T) => v.optional(v.nullable(schema));
/** Go writes empty maps and lists as null. */
const mapOf = <T extends v.GenericSchema>(schema: T) =>
  v.pipe(
    nullable(v.record(v.string(), schema)),
    v.transform((map) => map ?? undefined),
  );
const listOf = <T extends v.GenericSchema>(schema: T) => v.nullish(v.array(schema), []);

const metric = v.object({
  NodesEvaluated: v.number(),
  NodesFiltered: count,
  NodesExhausted: count,
  ClassFiltered: mapOf(v.number()),
  ConstraintFiltered: mapOf(v.number()),
  DimensionExhausted: mapOf(v.number()),
  QuotaExhausted: listOf(v.string()),
});
const evaluation = v.object({
  ID: v.string(),
  JobID: v.string(),
  Type: text,
  TriggeredBy: v.string(),
  Status: v.picklist(["blocked", "pending", "complete", "failed", "canceled"]),
  StatusDescription: text,
  FailedTGAllocs: mapOf(metric),
  CreateIndex: v.number(),
  ModifyIndex: v.number(),
});
const jobStub = v.object({
  ID: v.string(),
  Name: v.string(),
  Namespace: text,
  Type: v.string(),
  Status: v.picklist(["pending", "running", "dead"]),
  StatusDescription: text,
  Stop: v.boolean(),
  SubmitTime: count,
  ModifyIndex: v.number(),
  Meta: mapOf(v.string()),
});
const job = v.object({
  ...jobStub.entries,
  JobModifyIndex: count,
  TaskGroups: listOf(
    v.object({
      Name: v.string(),
      Tasks: listOf(
        v.object({
          Name: v.string(),
          Lifecycle: nullable(v.object({ Hook: v.string(), Sidecar: v.boolean() })),
        }),
      ),
    }),
  ),
});
const raw = v.looseObject({ ID: v.string(), JobModifyIndex: v.number(), Meta: mapOf(v.string()) });
const taskState = v.object({
  // Before anything of it has begun it has none.
  State: v.pipe(
    v.picklist(["", "pending", "running", "dead"]),
    v.transform((state) => (state === "" ? "pending" : state)),
  ),
  Failed: v.boolean(),
  Restarts: v.number(),
  LastRestart: nullable(v.string()),
  StartedAt: nullable(v.string()),
  FinishedAt: nullable(v.string()),
  Events: listOf(
    v.object({
      Type: v.string(),
      Time: v.number(),
      DisplayMessage: text,
      Message: text,
      Details: mapOf(v.string()),
      ExitCode: count,
      Signal: count,
    }),
  ),
});
const allocationSchema = v.object({
  ID: v.string(),
  JobID: v.string(),
  Namespace: text,
  NodeID: v.string(),
  NodeName: text,
  TaskGroup: v.string(),
  DesiredStatus: v.picklist(["run", "stop", "evict"]),
  DesiredDescription: text,
  ClientStatus: v.picklist(["pending", "running", "complete", "failed", "lost", "unknown"]),
  ClientDescription: text,
  CreateIndex: v.number(),
  ModifyIndex: v.number(),
  CreateTime: v.number(),
  ModifyTime: count,
  TaskStates: mapOf(taskState),
  NetworkStatus: nullable(v.object({ Address: text, AddressIPv6: text })),
  AllocatedResources: nullable(
    v.object({
      Shared: v.optional(
        v.object({
          Ports: listOf(v.object({ Label: v.string(), Value: v.number(), To: v.number(), HostIP: v.string() })),
          Networks: listOf(v.object({ IP: text, Mode: text })),
        }),
      ),
    }),
  ),
});
const node = v.object({
  ID: v.string(),
  Name: v.string(),
  Address: text,
  Datacenter: v.string(),
  NodePool: text,
  NodeClass: text,
  Status: v.picklist(["initializing", "ready", "down", "disconnected"]),
  SchedulingEligibility: v.picklist(["eligible", "ineligible"]),
  Drain: v.boolean(),
  Version: text,
  Drivers: mapOf(v.object({ Detected: v.boolean(), Healthy: v.boolean() })),
  NodeResources: nullable(
    v.object({
      Cpu: v.object({ CpuShares: v.number(), TotalCpuCores: v.number() }),
      Memory: v.object({ MemoryMB: v.number() }),
      Disk: v.object({ DiskMB: v.number() }),
      NodeNetworks: nullable(v.array(v.object({ Mode: text }))),
      Devices: listOf(
        v.object({
          Vendor: v.string(),
          Type: v.string(),
          Name: v.string(),
          Instances: listOf(v.object({ ID: v.string(), Healthy: v.boolean() })),
        }),
      ),
    }),
  ),
  ReservedResources: nullable(
    v.object({
      Cpu: v.optional(v.object({ CpuShares: v.number() })),
      Memory: v.optional(v.object({ MemoryMB: v.number() })),
      Disk: v.optional(v.object({ DiskMB: v.number() })),
    }),
  ),
  ModifyIndex: v.number(),
});
const statsSchema = v.object({
  Timestamp: v.number(),
  Tasks: v.nullish(
    v.record(
      v.string(),
      v.object({
        Timestamp: v.number(),
        ResourceUsage: v.nullable(
          v.object({
            MemoryStats: nullable(v.object({ RSS: count, Usage: count, Cache: count })),
            CpuStats: nullable(v.object({ Percent: count, TotalTicks: count })),
          }),
        ),
      }),
    ),
    {},
  ),
});
const self = v.object({
  config: v.object({ Region: text, Datacenter: text, Version: v.optional(v.object({ Version: text })) }),
  member: v.optional(v.object({ Name: text })),
});
const scheduler = v.object({
  SchedulerConfig: v.optional(v.object({ MemoryOversubscriptionEnabled: v.optional(v.boolean()) })),
});

export const evalAnswer = (value: unknown): NomadEvalAnswer =>
  read(v.object({ EvalID: v.optional(v.string(), ""), Warnings: text }), value, "evaluation");
export const planAnswer = (value: unknown): NomadPlanAnswer =>
  read(v.object({ Warnings: text, FailedTGAllocs: mapOf(metric) }), value, "plan");
export const evaluations = (value: unknown): readonly NomadEvaluation[] =>
  read(v.array(evaluation), value, "evaluations");
export const jobStubs = (value: unknown): readonly NomadJobStub[] => read(v.array(jobStub), value, "jobs");
export const jobAnswer = (value: unknown): NomadJobAnswer => read(job, value, "job");
/** All of it, to be sent back. */
export interface RawJob extends Readonly<Record<string, unknown>> {
  readonly JobModifyIndex: number;
  readonly Meta?: Readonly<Record<string, string>> | undefined;
}
export const rawJob = (value: unknown): RawJob => read(raw, value, "job");
export const allocations = (value: unknown): readonly NomadAllocation[] =>
  read(v.array(allocationSchema), value, "allocations");
export const allocation = (value: unknown): NomadAllocation => read(allocationSchema, value, "allocation");
export const nodes = (value: unknown): readonly NomadNode[] => read(v.array(node), value, "nodes");
export const stats = (value: unknown): NomadAllocationStats => read(statsSchema, value, "stats");
export const files = (value: unknown): readonly NomadFile[] =>
  read(v.array(v.object({ Name: v.string(), Size: v.number() })), value, "directory");
export const agentSelf = (value: unknown): NomadAgentSelf => read(self, value, "agent");
export const variable = (value: unknown): NomadVariable =>
  read(
    v.object({ Path: v.string(), Items: v.record(v.string(), v.string()), ModifyIndex: count, ModifyTime: count }),
    value,
    "variable",
  );
export const variables = (value: unknown): readonly { readonly Path: string }[] =>
  read(v.array(v.object({ Path: v.string() })), value, "variables");
export const oversubscription = (value: unknown): boolean =>
  read(scheduler, value, "scheduler").SchedulerConfig?.MemoryOversubscriptionEnabled ?? false;

function read<T>(schema: v.GenericSchema<unknown, T>, value: unknown, what: string): T {
  const found = v.safeParse(schema, value);
  if (found.success) return found.output;
  const [fault] = found.issues;
  const path = v.getDotPath(fault) ?? "";
  throw new VirtualKubeletError("Unavailable", `Nomad's answer is no ${what}: ${path}: ${fault.message}`);
}
