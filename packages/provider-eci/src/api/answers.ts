// What answers are checked by. The cloud leaves out what it does not know, or says null; what is of another type is no answer.
import * as v from "valibot";
import type { ContainerGroup, GroupMetrics, GroupStatusChange } from "../wire-answers.ts";

const some = <T>(schema: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, T | undefined> =>
  v.optional(
    v.pipe(
      v.nullable(schema),
      v.transform((value) => value ?? undefined),
    ),
  );
const text = some(v.string());
const number = some(v.number());
const list = <T>(schema: v.GenericSchema<unknown, T>): v.GenericSchema<unknown, readonly T[] | undefined> =>
  some(v.array(schema));

const tags = list(
  v.object({
    Key: v.string(),
    Value: v.pipe(
      v.nullish(v.string(), ""),
      v.transform((value) => value ?? ""),
    ),
  }),
);

const state = some(
  v.object({
    ...{ State: text, StartTime: text, FinishTime: text, Reason: text, Message: text, DetailStatus: text },
    ...{ ExitCode: number, Signal: number },
  }),
);

const container = v.object({
  ...{ Name: v.string(), Image: text, Ready: some(v.boolean()), RestartCount: number },
  ...{ CurrentState: state, PreviousState: state },
});

const event = v.object({
  ...{ Name: text, Type: text, Reason: text, Message: text, Count: number },
  ...{ FirstTimestamp: text, LastTimestamp: text },
});

const group: v.GenericSchema<unknown, ContainerGroup> = v.object({
  ...{ ContainerGroupId: v.string(), ContainerGroupName: v.string(), Status: v.string(), Tags: tags },
  ...{ RestartPolicy: text, CreationTime: text, SucceededTime: text, FailedTime: text, ExpiredTime: text },
  ...{ IntranetIp: text, InternetIp: text, Ipv6Address: text, RegionId: text, ZoneId: text, VSwitchId: text },
  ...{ SecurityGroupId: text, InstanceType: text, SpotStrategy: text, Cpu: number, Memory: number },
  ...{ Containers: list(container), InitContainers: list(container), Events: list(event) },
});

type Paged<K extends string, T> = { readonly [key in K]?: readonly T[] | undefined } & {
  readonly NextToken?: string | undefined;
};
const next = text;

export const createAnswer: v.GenericSchema<unknown, { readonly ContainerGroupId: string }> = v.object({
  ContainerGroupId: v.string(),
});
export const groupsAnswer: v.GenericSchema<unknown, Paged<"ContainerGroups", ContainerGroup>> = v.object({
  ContainerGroups: list(group),
  NextToken: next,
});

const change: v.GenericSchema<unknown, GroupStatusChange> = v.pipe(
  v.looseObject({ ContainerGroupId: v.string(), Status: text }),
  v.transform(({ ContainerGroupId, Status, ...others }) => ({
    ...{ ContainerGroupId, Status },
    state: JSON.stringify(others),
  })),
);
export const changesAnswer: v.GenericSchema<unknown, Paged<"Data", GroupStatusChange>> = v.object({
  Data: list(change),
  NextToken: next,
});

export const logAnswer: v.GenericSchema<unknown, { readonly Content?: string | undefined }> = v.object({
  Content: text,
});
export const socketAnswer: v.GenericSchema<unknown, { readonly WebSocketUri: string }> = v.object({
  WebSocketUri: v.string(),
});

const cpu = some(v.object({ UsageNanoCores: number, UsageCoreNanoSeconds: number }));
const memory = some(v.object({ UsageBytes: number, AvailableBytes: number, WorkingSet: number, Rss: number }));
const record = v.object({
  ...{ Timestamp: v.string(), CPU: cpu, Memory: memory },
  Network: some(
    v.object({
      Interfaces: list(v.object({ Name: text, RxBytes: number, RxErrors: number, TxBytes: number, TxErrors: number })),
    }),
  ),
  Filesystem: list(v.object({ FsName: text, Capacity: number, Available: number, Usage: number })),
  Containers: list(v.object({ Name: v.string(), CPU: cpu, Memory: memory })),
});
const metrics: v.GenericSchema<unknown, GroupMetrics> = v.pipe(
  v.object({ ContainerGroupId: v.string(), Records: list(record) }),
  v.transform(({ ContainerGroupId, Records }) => ({ ContainerGroupId, Records: Records ?? [] })),
);
export const metricsAnswer: v.GenericSchema<unknown, { readonly MonitorDatas?: readonly GroupMetrics[] | undefined }> =
  v.object({ MonitorDatas: list(metrics) });

export const usageAnswer: v.GenericSchema<
  unknown,
  { readonly Attributes?: Readonly<Record<string, unknown>> | undefined }
> = v.object({ Attributes: some(v.record(v.string(), v.unknown())) });
/** Where nothing of it matters. */
export const anyAnswer: v.GenericSchema<unknown, unknown> = v.unknown();
