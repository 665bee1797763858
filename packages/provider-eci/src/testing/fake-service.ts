// What each action of the fake does, once its caller, its rights and the form of its parameters have been checked.
import type { Clock } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import type { CreateContainerGroupRequest, UpdateContainerGroupRequest } from "../wire.ts";
import type { FakeExec } from "./fake-exec.ts";
import type { FakeFaults } from "./fake-faults.ts";
import type { FakeGroup } from "./fake-group.ts";
import { missing } from "./fake-group-rules.ts";
import { eventsView, groupView, statusView } from "./fake-group-view.ts";
import type { FakeGroups, FakeQuota } from "./fake-groups.ts";
import { logOf } from "./fake-logs.ts";
import { metricRecord } from "./fake-metrics.ts";
import { FakeRefusal, invalid } from "./fake-refusal.ts";
import { roundedSize } from "./fake-sizes.ts";

export interface FakeServiceOptions {
  readonly region: string;
  readonly groups: FakeGroups;
  readonly exec: FakeExec;
  readonly faults: FakeFaults;
  readonly quota: FakeQuota;
  readonly clock: Clock;
  /** Groups of a page of the detailed list; at most 20. */
  readonly pageSize: number;
}

const text = v.optional(v.string());
const number = v.optional(v.number());
const flag = v.optional(v.boolean());
const tags = v.optional(v.array(v.object({ Key: text, Value: text })));
const listQuery = v.looseObject({
  ...{
    ContainerGroupIds: text,
    ContainerGroupName: text,
    Status: text,
    VSwitchId: text,
    Tag: tags,
    ResourceGroupId: text,
  },
  ...{ Limit: number, NextToken: text, WithEvent: flag, SinceSecond: number, EventSource: text },
});
type ListQuery = v.InferOutput<typeof listQuery>;
const ofGroup = v.looseObject({ ContainerGroupId: v.string(), ClientToken: text });
const logQuery = v.looseObject({
  ...{ ContainerGroupId: v.string(), ContainerName: v.string(), Tail: number, SinceSeconds: number },
  ...{ StartTime: text, LimitBytes: number, Timestamps: flag, LastTime: flag },
});
const execQuery = v.looseObject({
  ...{ ContainerGroupId: v.string(), ContainerName: v.string(), Command: v.string() },
  ...{ TTY: flag, Stdin: flag, Sync: flag },
});
const idsQuery = v.looseObject({ ContainerGroupIds: v.string() });

const mostIds = 20;
const mostDetailed = 20;
const statusPage = 200;

export type Action = (parameters: unknown, webSocketBase: string) => object | Promise<object>;

export class FakeService {
  readonly #options: FakeServiceOptions;

  constructor(options: FakeServiceOptions) {
    this.#options = options;
  }

  /** Without RequestId. Each throws a FakeRefusal. */
  readonly actions: Readonly<Record<string, Action>> = {
    CreateContainerGroup: (parameters) => ({
      ContainerGroupId: this.#options.groups.create(checked<CreateContainerGroupRequest>(parameters)),
    }),
    UpdateContainerGroup: (parameters) => {
      given(ofGroup, parameters);
      this.#options.groups.update(checked<UpdateContainerGroupRequest>(parameters));
      return {};
    },
    DeleteContainerGroup: (parameters) => {
      const { ContainerGroupId, ClientToken } = given(ofGroup, parameters);
      this.#options.groups.remove(ContainerGroupId, ClientToken);
      return {};
    },
    RestartContainerGroup: (parameters) => {
      const { ContainerGroupId, ClientToken } = given(ofGroup, parameters);
      this.#options.groups.restart(ContainerGroupId, ClientToken);
      return {};
    },
    DescribeContainerGroups: (parameters) => {
      const query = given(listQuery, parameters);
      const { pageSize, region } = this.#options;
      const { Limit = mostDetailed, WithEvent = false } = query;
      if (Limit < 1 || Limit > mostDetailed) throw invalid("Limit", `${Limit} is not within 1 to ${mostDetailed}`);
      const { page, ...rest } = this.#page(query, this.#found(query), Math.min(Limit, pageSize));
      return { ...rest, ContainerGroups: page.map((group) => groupView(group, { region, withEvents: WithEvent })) };
    },
    DescribeContainerGroupStatus: (parameters) => {
      const query = given(listQuery, parameters);
      const since = this.#since(query);
      const found = this.#found(query).filter(({ changedAt }) => changedAt >= since);
      const { page, ...rest } = this.#page(query, found, query.Limit ?? statusPage);
      return { ...rest, Data: page.map(statusView) };
    },
    DescribeContainerGroupEvents: (parameters) => {
      const query = given(listQuery, parameters);
      const since = this.#since(query);
      const all = this.#found(query).map((group) => ({
        group,
        events: group.events.all.filter(
          ({ lastMs, source }) => lastMs >= since && (query.EventSource === undefined || query.EventSource === source),
        ),
      }));
      const told = all.filter(({ events }) => events.length > 0).slice(0, query.Limit ?? statusPage);
      return { TotalCount: told.length, Data: told.map(({ group, events }) => eventsView(group, events)) };
    },
    DescribeContainerLog: async (parameters) => {
      const { ContainerGroupId, ContainerName, ...query } = given(logQuery, parameters);
      const { groups, clock } = this.#options;
      const Content = await logOf(groups.find(ContainerGroupId), ContainerName, query, clock.now());
      return { ContainerName, Content };
    },
    ExecContainerCommand: (parameters, webSocketBase) => {
      const { ContainerGroupId, ...query } = given(execQuery, parameters);
      const { groups, exec } = this.#options;
      return exec.run(groups.find(ContainerGroupId), query, webSocketBase);
    },
    DescribeContainerGroupMetric: async (parameters) => {
      const { ContainerGroupId } = given(ofGroup, parameters);
      const record = await metricRecord(this.#options.groups.find(ContainerGroupId), this.#options.clock.now());
      return { ContainerGroupId, Records: record === undefined ? [] : [record] };
    },
    DescribeMultiContainerGroupMetric: async (parameters) => {
      const ids = idsOf(given(idsQuery, parameters).ContainerGroupIds);
      const { clock, groups } = this.#options;
      const found = groups.all.filter(({ id }) => ids.includes(id));
      const datas = found.map(async (group) => {
        const record = await metricRecord(group, clock.now());
        return record === undefined ? [] : [{ ContainerGroupId: group.id, Records: [record] }];
      });
      return { MonitorDatas: (await Promise.all(datas)).flat() };
    },
    ListUsage: () => {
      const { quota, groups } = this.#options;
      const living = groups.all.filter(({ isOver }) => !isOver);
      const cores = living.reduce((sum, group) => sum + roundedSize(group.request).cpu, 0);
      return { Attributes: { MaxCpu: quota.cores, UsedCpu: cores, MaxImageCacheCount: 500, UsedImageCacheCount: 0 } };
    },
    DescribeRegions: () => {
      const { region } = this.#options;
      return { Regions: [{ RegionId: region, RegionEndpoint: `eci.${region}.invalid`, Zones: [`${region}-b`] }] };
    },
  };

  #found(query: ListQuery): readonly FakeGroup[] {
    const { groups, faults } = this.#options;
    if (faults.blind) return [];
    const ids = query.ContainerGroupIds === undefined ? undefined : idsOf(query.ContainerGroupIds);
    return groups.all.filter(
      (group) =>
        (ids === undefined || ids.includes(group.id)) &&
        (query.ContainerGroupName === undefined || query.ContainerGroupName === group.name) &&
        (query.Status === undefined || query.Status === group.status) &&
        (query.ResourceGroupId === undefined || query.ResourceGroupId === group.request.ResourceGroupId) &&
        (query.VSwitchId === undefined || query.VSwitchId === group.request.VSwitchId) &&
        (query.Tag ?? []).every((wanted) =>
          group.tags.some(
            ({ Key, Value }) => Key === wanted.Key && (wanted.Value === undefined || Value === wanted.Value),
          ),
        ),
    );
  }

  #page(
    { NextToken }: ListQuery,
    found: readonly FakeGroup[],
    size: number,
  ): { readonly TotalCount: number; readonly NextToken?: string; readonly page: readonly FakeGroup[] } {
    // After the group that the last page ended with: what was removed meanwhile moves nothing.
    const after = NextToken === undefined ? "" : Buffer.from(NextToken, "base64url").toString();
    const order = this.#options.groups.created.map(({ id }) => id);
    const rest = found.filter(({ id }) => order.indexOf(id) > order.indexOf(after));
    const page = rest.slice(0, size);
    const last = page.at(-1);
    const isMore = rest.length > page.length && last !== undefined;
    return {
      ...{ TotalCount: found.length, page },
      ...(isMore && { NextToken: Buffer.from(last.id).toString("base64url") }),
    };
  }

  #since({ SinceSecond }: ListQuery): number {
    return SinceSecond === undefined ? 0 : this.#options.clock.now() - SinceSecond * 1000;
  }
}

function idsOf(json: string): readonly unknown[] {
  let ids: unknown;
  try {
    ids = JSON.parse(json);
  } catch {
    ids = undefined;
  }
  if (!Array.isArray(ids)) throw invalid("ContainerGroupIds", "it must be a list in JSON");
  if (ids.length > mostIds) throw invalid("ContainerGroupIds", `${ids.length} are more than ${mostIds}`);
  return ids;
}

function given<T>(schema: v.GenericSchema<unknown, T>, parameters: unknown): T {
  const parsed = v.safeParse(schema, parameters);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw missing(v.getDotPath(issue) ?? "");
}

function checked<T>(parameters: unknown): T {
  if (isChecked<T>(parameters)) return parameters;
  throw new FakeRefusal(400, "InvalidParameter", "The parameters are none.");
}

/** Its form has been compared with the SDK's model of the action; what has to be there is looked for by the rules. */
function isChecked<T>(parameters: unknown): parameters is T {
  return typeof parameters === "object" && parameters !== null;
}
