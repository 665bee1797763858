// CloudWatch's figures of Container Insights, with those of the runner behind them.
import * as cloudWatch from "@aws-sdk/client-cloudwatch";
import { operation, type Service } from "./aws-operation.ts";
import { refusal } from "./aws-refusal.ts";
import type { FakeAccount } from "./fake-ecs-account.ts";
import type { FakeEcsTasks } from "./fake-ecs-tasks.ts";

interface Sample {
  readonly time: number;
  readonly cpuNanoseconds: number;
}

export class FakeMetrics {
  readonly #account: FakeAccount;
  readonly #tasks: FakeEcsTasks;
  /** By task and container: rates are over the time since they were last asked for. */
  readonly #last = new Map<string, Sample>();
  /** vCPUs that the account may have at once. */
  vCPUQuota: number = 6;

  constructor(account: FakeAccount, tasks: FakeEcsTasks) {
    this.#account = account;
    this.#tasks = tasks;
  }

  readonly service: Service = {
    target: "GraniteServiceVersion20100801",
    name: "monitoring",
    operations: {
      GetMetricData: operation<cloudWatch.GetMetricDataInput, cloudWatch.GetMetricDataOutput>(
        cloudWatch.GetMetricData$,
        (input) => this.#data(input),
      ),
    },
  };

  async #data({
    MetricDataQueries = [],
    StartTime,
    EndTime,
  }: cloudWatch.GetMetricDataInput): Promise<cloudWatch.GetMetricDataOutput> {
    if (MetricDataQueries.length > 500) throw refusal("ValidationError", "at most 500 queries");
    const ids = MetricDataQueries.map(({ Id = "" }) => Id);
    if (new Set(ids).size !== ids.length || ids.some((id) => !/^[a-z][a-zA-Z0-9_]{0,254}$/.test(id)))
      throw refusal("ValidationError", "ids must be unique and begin with a lower-case letter");
    if (StartTime === undefined || EndTime === undefined || StartTime >= EndTime)
      throw refusal("ValidationError", "StartTime must be before EndTime");
    const MetricDataResults: cloudWatch.MetricDataResult[] = [];
    for (const { Id, Label, MetricStat, Expression } of MetricDataQueries) {
      const value =
        Expression === undefined ? await this.#value(MetricStat) : this.#quota(Expression, MetricDataResults);
      const found = value === undefined ? [] : [value];
      const Timestamps = found.map(() => this.#account.now());
      const text = MetricStat?.Metric?.MetricName ?? "";
      MetricDataResults.push({ Id, Label: Label ?? text, Timestamps, Values: found, StatusCode: "Complete" });
    }
    return { MetricDataResults };
  }

  /** CloudWatch knows the quota of what it has a metric of: of nothing that was not used lately. */
  #quota(expression: string, results: readonly cloudWatch.MetricDataResult[]): number | undefined {
    const id = /^SERVICE_QUOTA\((\w+)\)$/.exec(expression)?.[1];
    if (id === undefined) throw refusal("ValidationError", `the fake does not know ${expression}`);
    return results.some(({ Id, Values = [] }) => Id === id && Values.length > 0) ? this.vCPUQuota : undefined;
  }

  #usage(by: ReadonlyMap<string, string>): number | undefined {
    const isOnDemand = by.get("Service") === "Fargate" && by.get("Class") === "Standard/OnDemand";
    if (!isOnDemand || by.get("Type") !== "Resource" || by.get("Resource") !== "vCPU") return undefined;
    const tasks = [...this.#tasks.all.values()].filter(({ status }) => status !== "STOPPED");
    return tasks.length === 0 ? undefined : tasks.reduce((sum, { fixed }) => sum + Number(fixed.cpu) / 1024, 0);
  }

  async #value(stat: cloudWatch.MetricStat | undefined): Promise<number | undefined> {
    const { Namespace, MetricName = "", Dimensions = [] } = stat?.Metric ?? {};
    const by = new Map(Dimensions.map(({ Name = "", Value = "" }) => [Name, Value]));
    if (Namespace === "AWS/Usage" && MetricName === "ResourceCount") return this.#usage(by);
    if (Namespace !== "ECS/ContainerInsights") return undefined;
    const task = [...this.#tasks.all.values()].find(({ id }) => id === by.get("TaskId"));
    const cluster = task?.fixed.clusterArn?.split("/")[1];
    const container = task?.containers.get(by.get("ContainerName") ?? "");
    if (task?.group === undefined || container?.status !== "RUNNING" || task.stop !== undefined) return undefined;
    if (cluster !== by.get("ClusterName") || task.definition.family !== by.get("TaskDefinitionFamily"))
      return undefined;
    const { cpuNanoseconds, memoryBytes } = await task.group.stats(container.name);
    if (MetricName === "ContainerMemoryUtilized") return memoryBytes / 1024 ** 2;
    if (MetricName !== "ContainerCpuUtilized") return undefined;
    const key = `${task.id}/${container.name}`;
    const started = task.group.state(container.name).startedAt ?? 0;
    const before = this.#last.get(key) ?? { time: started, cpuNanoseconds: 0 };
    const time = this.#account.clock.now();
    this.#last.set(key, { time, cpuNanoseconds });
    // Of a core's 1024 units, on average.
    return (Math.max(0, cpuNanoseconds - before.cpuNanoseconds) / Math.max(1, (time - before.time) * 1e6)) * 1024;
  }
}
