// A region of AWS for tests: ECS on Fargate whose tasks run as groups of a runner, CloudWatch, Secrets Manager, SQS.
import { type Clock, systemClock } from "@virtual-kubelet/virtual-kubelet";
import type { GroupRunner } from "@virtual-kubelet/virtual-kubelet/testing";
import { AwsFaults } from "./aws-faults.ts";
import { type AwsCall, AwsServer } from "./aws-server.ts";
import type { FakeCredentials } from "./aws-signature.ts";
import { FakeCloudWatchLogs } from "./fake-cloudwatch-logs.ts";
import { FakeAccount } from "./fake-ecs-account.ts";
import { FakeEcsClusters } from "./fake-ecs-clusters.ts";
import { FakeEcsDefinitions } from "./fake-ecs-definitions.ts";
import { FakeEcsExec } from "./fake-ecs-exec.ts";
import type { FakeEcsTask } from "./fake-ecs-task.ts";
import { taskView } from "./fake-ecs-task-view.ts";
import { FakeEcsTasks } from "./fake-ecs-tasks.ts";
import { FakeMetrics } from "./fake-metrics.ts";
import { FakeQueues } from "./fake-queues.ts";
import { FakeSecrets } from "./fake-secrets.ts";

export interface FakeEcsOptions {
  readonly runner: GroupRunner;
  readonly clock?: Clock | undefined;
  /** Default: "eu-west-1". */
  readonly region?: string | undefined;
  /** Clusters that are there. Default: "default". */
  readonly clusters?: readonly string[] | undefined;
  /** Log groups that are there. */
  readonly logGroups?: readonly string[] | undefined;
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
  /** How long each passing state of a task lasts, in milliseconds; default 20. */
  readonly paceMs?: number | undefined;
  /** How long a second of health checks, restarts and stop timeouts takes, in milliseconds; default 1000. */
  readonly secondMs?: number | undefined;
  /** How long a container has to run to be started again, in milliseconds; default by its restart policy, 60 seconds at least. */
  readonly restartableMs?: number | undefined;
  /** Whether a container that is restarted has another runtime id (it is not documented); default "eachRun". */
  readonly runtimeIds?: "eachRun" | "kept" | undefined;
}

/** One task in the books. */
export interface BookedTask {
  readonly arn: string;
  readonly startedBy: string | undefined;
  readonly tags: ReadonlyMap<string, string>;
  readonly status: string;
  /** Something of it runs or may come to run. */
  readonly live: boolean;
}

export class FakeEcs implements AsyncDisposable {
  readonly account: FakeAccount;
  readonly faults: AwsFaults;
  readonly definitions: FakeEcsDefinitions;
  readonly tasks: FakeEcsTasks;
  readonly exec: FakeEcsExec;
  readonly logs: FakeCloudWatchLogs;
  readonly secrets: FakeSecrets;
  readonly queues: FakeQueues;
  /** What signs requests. Tests change it: an expired one is refused as the real service does. */
  readonly credentials: FakeCredentials[] = [{ accessKeyId: "AKIAFAKE", secretAccessKey: "fake-secret" }];
  readonly #taskFaults: string[] = [];
  readonly #server: AwsServer;
  readonly #scheme: "http" | "https";

  private constructor(options: FakeEcsOptions) {
    const { clock = systemClock, region = "eu-west-1", secondMs = 1000, runtimeIds = "eachRun", paceMs = 20 } = options;
    this.account = new FakeAccount(region, clock);
    this.faults = new AwsFaults(clock);
    this.logs = new FakeCloudWatchLogs(this.account);
    for (const group of options.logGroups ?? []) this.logs.groups.set(group, new Map());
    this.secrets = new FakeSecrets(this.account);
    this.queues = new FakeQueues(this.account);
    this.definitions = new FakeEcsDefinitions(this.account);
    const clusters = new FakeEcsClusters(
      this.account,
      (arn) => this.tasks.all.has(arn) || this.definitions.known.some((each) => each.taskDefinitionArn === arn),
      (clusterArn) => this.#counts(clusterArn),
    );
    const timing = { clock, secondMs, runtimeIds, restartableMs: options.restartableMs };
    const fault = (text: string): number => this.#taskFaults.push(text);
    const { account, logs, secrets } = this;
    const changed = (task: FakeEcsTask): void => this.#publish(task);
    const world = { account, runner: options.runner, logs, secrets, timing, paceMs, changed, fault };
    this.tasks = new FakeEcsTasks(world, clusters, this.definitions);
    for (const clusterName of options.clusters ?? ["default"]) clusters.create({ clusterName });
    this.exec = new FakeEcsExec(clock, clusters, this.tasks);
    const operations = {
      ...clusters.operations,
      ...this.definitions.operations,
      ...this.tasks.operations,
      ...this.exec.operations,
    };
    const ecs = { target: "AmazonEC2ContainerServiceV20141113", name: "ecs", operations };
    const metrics = new FakeMetrics(account, this.tasks);
    this.#server = new AwsServer({
      ...{ clock, faults: this.faults, credentials: this.credentials, tls: options.tls },
      services: [ecs, logs.service, secrets.service, this.queues.service, metrics.service],
      upgrade: (request, socket, head) => this.exec.upgrade(request, socket, head),
    });
    this.#scheme = options.tls === undefined ? "http" : "https";
  }

  static async start(options: FakeEcsOptions): Promise<FakeEcs> {
    const fake = new FakeEcs(options);
    await fake.#server.listen();
    fake.queues.base = fake.endpoint;
    fake.exec.streamBase = fake.endpoint.replace(/^http/, "ws");
    return fake;
  }

  get endpoint(): string {
    return `${this.#scheme}://127.0.0.1:${this.#server.port}`;
  }

  /** For the clients of the SDK. */
  get clientConfig(): {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  } {
    const [{ accessKeyId, secretAccessKey } = { accessKeyId: "", secretAccessKey: "" }] = this.credentials;
    const { endpoint } = this;
    return { endpoint, region: this.account.region, credentials: { accessKeyId, secretAccessKey } };
  }

  /** All requests so far. */
  get calls(): readonly AwsCall[] {
    return this.#server.calls;
  }

  /** How many were answered well, by operation. */
  get counts(): Readonly<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const { operation, outcome } of this.calls)
      if (outcome === "ok") counts[operation] = (counts[operation] ?? 0) + 1;
    return counts;
  }

  /** Requests that are none, answers of the fake that are none: empty when both sides keep to the SDK's shapes. */
  get misuse(): readonly string[] {
    const sessions = this.exec.books.flatMap(({ fault }) => fault ?? []);
    return [...this.#server.faults, ...this.exec.faults, ...sessions, ...this.#taskFaults];
  }

  /** Every task that is told of, stopped ones too. */
  get books(): readonly BookedTask[] {
    return [...this.tasks.all.values()].map(({ arn, fixed, status }) => ({
      ...{ arn, startedBy: fixed.startedBy, status, live: status !== "STOPPED" },
      tags: new Map(this.account.tagsOf(arn).map(({ key = "", value = "" }) => [key, value])),
    }));
  }

  /** The spot market wants its capacity back: the task gets two minutes in reality. */
  reclaim(arn: string): void {
    this.tasks.all.get(arn)?.end("SpotInterruption", "Your Spot Task was interrupted.");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.exec.close();
    try {
      await this.#server[Symbol.asyncDispose]();
    } finally {
      await Promise.all([...this.tasks.all.values()].map((task) => task.kill()));
    }
  }

  #counts(clusterArn: string): { readonly running: number; readonly pending: number } {
    const all = [...this.tasks.all.values()].filter(({ fixed }) => fixed.clusterArn === clusterArn);
    const running = all.filter(({ status }) => status === "RUNNING").length;
    return { running, pending: all.filter(({ status }) => status === "PROVISIONING" || status === "PENDING").length };
  }

  #publish(task: FakeEcsTask): void {
    if (this.queues.queues.size === 0) return;
    this.queues.publish("ECS Task State Change", [task.arn], taskView(task, this.account, false));
  }
}
