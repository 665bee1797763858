// What containers use, by Container Insights with enhanced observability: figures of each minute, for hundreds of containers at once.
import type { MetricDataQuery } from "@aws-sdk/client-cloudwatch";
import type { CallContext, Clock, ContainerStats, PodStats } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AwsApi } from "./aws-api.ts";
import { timeText } from "./container-facts.ts";
import { familyOfArn, taskIdOf } from "./names.ts";

/** Queries of one call. */
const queriesAtOnce = 500;
/** So far back a figure still counts: they come late. */
const windowMs = 5 * 60_000;
const metrics = ["ContainerCpuUtilized", "ContainerMemoryUtilized"] as const;

interface Asked {
  readonly uid: string;
  readonly container: string;
  readonly startTime: string;
  readonly queries: readonly MetricDataQuery[];
}

interface Figure {
  readonly time: Date;
  readonly value: number;
}

/** Of one run of a container: CloudWatch tells rates, and who reads the figures wants a counter. */
interface Counter {
  readonly startTime: string;
  at: number;
  coreNanoseconds: number;
}

export class TaskStats {
  readonly #aws: Pick<AwsApi, "getMetricData">;
  readonly #cluster: string;
  readonly #clock: Clock;
  readonly #counters = new Map<string, Counter>();

  constructor(aws: Pick<AwsApi, "getMetricData">, cluster: string, clock: Clock) {
    this.#aws = aws;
    this.#cluster = cluster.slice(cluster.lastIndexOf("/") + 1);
    this.#clock = clock;
  }

  /** By UID; containers without figures yet are left out. */
  async of(
    groups: readonly CloudGroup[],
    context: CallContext,
  ): Promise<ReadonlyMap<string, Omit<PodStats, "podRef">>> {
    const asked = groups.flatMap((group, index) => this.#asked(group, index));
    const figures = await this.#figures(
      asked.flatMap(({ queries }) => queries),
      context,
    );
    const pods = new Map<string, Omit<PodStats, "podRef">>();
    for (const { uid, container, startTime, queries } of asked) {
      const [cpu, memory] = queries.map(({ Id = "" }) => figures.get(Id));
      if (cpu === undefined && memory === undefined) continue;
      const stats = this.#containerStats(uid, container, startTime, cpu, memory);
      const before = pods.get(uid);
      const podStart = groups.find(({ owner }) => owner.uid === uid)?.startTime ?? startTime;
      pods.set(uid, { startTime: podStart, containers: [...(before?.containers ?? []), stats] });
    }
    const known = new Set(asked.map(({ uid, container }) => `${uid}/${container}`));
    for (const key of this.#counters.keys()) if (!known.has(key)) this.#counters.delete(key);
    return pods;
  }

  #asked(
    { owner, id, containers, annotations = {}, startTime: created = "" }: CloudGroup,
    index: number,
  ): readonly Asked[] {
    const family = familyOfArn(annotations["backend.virtual-kubelet.io/task-definition"] ?? "");
    return containers.flatMap(({ name, state }, place): readonly Asked[] => {
      if (state.running === undefined) return [];
      const dimensions = {
        ClusterName: this.#cluster,
        TaskDefinitionFamily: family,
        TaskId: taskIdOf(id),
        ContainerName: name,
      };
      return [
        {
          ...{ uid: owner.uid, container: name, startTime: state.running.startedAt ?? created },
          queries: metrics.map((MetricName, kind) => ({
            Id: `q${index}_${place}_${kind}`,
            MetricStat: {
              Metric: {
                ...{ Namespace: "ECS/ContainerInsights", MetricName },
                Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
              },
              ...{ Period: 60, Stat: "Average" },
            },
          })),
        },
      ];
    });
  }

  async #figures(queries: readonly MetricDataQuery[], context: CallContext): Promise<ReadonlyMap<string, Figure>> {
    const figures = new Map<string, Figure>();
    const now = this.#clock.now();
    for (let from = 0; from < queries.length; from += queriesAtOnce) {
      let NextToken: string | undefined;
      do {
        const answer = await this.#aws.getMetricData(
          {
            MetricDataQueries: queries.slice(from, from + queriesAtOnce),
            ...{
              StartTime: new Date(now - windowMs),
              EndTime: new Date(now),
              ScanBy: "TimestampDescending",
              NextToken,
            },
          },
          context,
        );
        for (const { Id = "", Timestamps: [time] = [], Values: [value] = [] } of answer.MetricDataResults ?? [])
          if (time !== undefined && value !== undefined && !figures.has(Id)) figures.set(Id, { time, value });
        NextToken = answer.NextToken;
      } while (NextToken !== undefined);
    }
    return figures;
  }

  #containerStats(
    uid: string,
    name: string,
    startTime: string,
    cpu: Figure | undefined,
    memory: Figure | undefined,
  ): ContainerStats {
    return {
      ...{ name, startTime },
      ...(cpu === undefined
        ? {}
        : {
            cpu: {
              time: timeText(cpu.time) ?? "",
              // In units of which a core has 1024.
              usageNanoCores: Math.round((cpu.value / 1024) * 1e9),
              usageCoreNanoSeconds: this.#counted(`${uid}/${name}`, startTime, cpu),
            },
          }),
      ...(memory === undefined
        ? {}
        : { memory: { time: timeText(memory.time) ?? "", workingSetBytes: Math.round(memory.value * 1024 ** 2) } }),
    };
  }

  /** The rate over the time, from the start of the run on as if it had always been so. */
  #counted(key: string, startTime: string, { time, value }: Figure): number {
    const known = this.#counters.get(key);
    const started = Date.parse(startTime);
    const counter =
      known?.startTime === startTime
        ? known
        : { startTime, at: Number.isFinite(started) ? started : time.getTime() - 60_000, coreNanoseconds: 0 };
    const seconds = Math.max(0, time.getTime() - counter.at) / 1000;
    counter.coreNanoseconds += Math.round((value / 1024) * seconds * 1e9);
    counter.at = Math.max(counter.at, time.getTime());
    this.#counters.set(key, counter);
    return counter.coreNanoseconds;
  }
}
