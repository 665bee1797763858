// A job as it is sent to the fake: every field is known to Nomad by this name, and of this kind. Pure.
import * as v from "valibot";
import type { NomadJob, NomadRestartPolicy, NomadTask, NomadTaskGroup } from "../../wire-job.ts";

/** What Go sends for nothing. */
const nullish = <T extends v.GenericSchema>(schema: T) =>
  v.pipe(
    v.nullish(schema),
    v.transform((value) => value ?? undefined),
  );
const text = v.optional(v.string());
const count = v.pipe(v.number(), v.integer());
const texts = v.nullish(v.array(v.string()), []);
const map = v.nullish(v.record(v.string(), v.string()), {});

const restartPolicy = v.strictObject({
  ...{ Attempts: count, Interval: count, Delay: count },
  Mode: v.picklist(["fail", "delay"]),
});
const port = v.strictObject({ Label: v.string(), Value: v.optional(count), To: v.optional(count) });
const network = v.strictObject({
  Mode: v.string(),
  Hostname: text,
  DNS: nullish(v.strictObject({ Servers: texts, Searches: texts, Options: texts })),
  ReservedPorts: v.nullish(v.array(port), []),
  DynamicPorts: v.nullish(v.array(port), []),
});
const template = v.strictObject({
  ...{ EmbeddedTmpl: v.string(), DestPath: v.string(), Perms: text },
  ...{ Uid: nullish(count), Gid: nullish(count), Envvars: v.optional(v.boolean()) },
  ChangeMode: v.picklist(["noop", "restart", "signal", "script"]),
  ErrMissingKey: v.optional(v.boolean()),
});
const task = v.strictObject({
  ...{ Name: v.string(), Driver: v.string(), User: text, Leader: v.optional(v.boolean()) },
  Lifecycle: nullish(v.strictObject({ Hook: v.picklist(["prestart", "poststart", "poststop"]), Sidecar: v.boolean() })),
  Config: v.nullish(v.record(v.string(), v.unknown()), {}),
  Env: map,
  Templates: v.nullish(v.array(template), []),
  RestartPolicy: nullish(restartPolicy),
  Resources: v.strictObject({
    ...{ CPU: count, MemoryMB: count, MemoryMaxMB: v.optional(count) },
    Devices: v.nullish(v.array(v.strictObject({ Name: v.string(), Count: count })), []),
  }),
  ...{ KillTimeout: count, KillSignal: text },
  LogConfig: nullish(v.strictObject({ MaxFiles: count, MaxFileSizeMB: count })),
  VolumeMounts: v.nullish(
    v.array(
      v.strictObject({ Volume: v.string(), Destination: v.string(), ReadOnly: v.boolean(), PropagationMode: text }),
    ),
    [],
  ),
});
const group = v.strictObject({
  ...{ Name: v.string(), Count: v.literal(1), RestartPolicy: restartPolicy },
  // Others would move pods: the fake does not.
  ReschedulePolicy: v.strictObject({ Attempts: v.literal(0), Unlimited: v.literal(false) }),
  Migrate: nullish(v.strictObject({ MaxParallel: count })),
  Update: nullish(v.strictObject({ MaxParallel: v.literal(0) })),
  Disconnect: nullish(v.strictObject({ Replace: v.literal(false) })),
  EphemeralDisk: v.strictObject({ SizeMB: count, Sticky: v.literal(false), Migrate: v.literal(false) }),
  Networks: v.nullish(v.array(network), []),
  Volumes: v.nullish(
    v.record(
      v.string(),
      v.strictObject({
        ...{ Name: v.string(), Type: v.picklist(["host", "csi"]), Source: v.string(), ReadOnly: v.boolean() },
        ...{ AccessMode: text, AttachmentMode: text },
      }),
    ),
    {},
  ),
  Tasks: v.array(task),
});
const job = v.strictObject({
  ...{ ID: v.string(), Name: v.string(), Type: v.picklist(["batch", "service"]) },
  ...{ Region: text, Namespace: text, NodePool: text },
  Datacenters: texts,
  Priority: count,
  Meta: map,
  Constraints: v.nullish(
    v.array(v.strictObject({ LTarget: v.string(), Operand: v.string(), RTarget: v.string() })),
    [],
  ),
  TaskGroups: v.array(group),
  Stop: v.optional(v.boolean(), false),
  // What an answer has beside it, and comes back with it.
  ...{ Status: text, StatusDescription: text, Stable: v.optional(v.boolean()), Version: v.optional(count) },
  ...{ CreateIndex: v.optional(count), ModifyIndex: v.optional(count), JobModifyIndex: v.optional(count) },
  SubmitTime: v.optional(v.number()),
});

export interface FakeJob extends NomadJob {
  readonly Stop: boolean;
}
export type FakeGroup = NomadTaskGroup;
export type FakeTask = NomadTask;
export type FakeRestartPolicy = NomadRestartPolicy;

/** The job, or what is wrong with it. */
export function readJob(value: unknown): FakeJob | string {
  const found = v.safeParse(job, value);
  if (found.success) return found.output;
  const [fault] = found.issues;
  return `${v.getDotPath(fault) ?? "Job"}: ${fault.message}`;
}
