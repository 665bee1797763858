// RunTask and what is asked of tasks afterwards.
import * as ecs from "@aws-sdk/client-ecs";
import { type Operation, operation } from "./aws-operation.ts";
import { refusal } from "./aws-refusal.ts";
import { page } from "./fake-ecs-account.ts";
import type { FakeEcsClusters } from "./fake-ecs-clusters.ts";
import { taskSize } from "./fake-ecs-definition-rules.ts";
import type { FakeEcsDefinitions } from "./fake-ecs-definitions.ts";
import { FakeEcsTask, type TaskWorld } from "./fake-ecs-task.ts";
import { taskView } from "./fake-ecs-task-view.ts";

export class FakeEcsTasks {
  /** By ARN; stopped ones until they are forgotten. */
  readonly all: Map<string, FakeEcsTask> = new Map();
  /** Every ARN that RunTask ever gave, with its startedBy and tags. */
  readonly made: { readonly arn: string; readonly startedBy: string | undefined; readonly tags: ecs.Tag[] }[] = [];
  /** Reasons of the next failures that RunTask answers with in place of tasks. */
  readonly capacityFailures: string[] = [];
  readonly #world: TaskWorld;
  readonly #clusters: FakeEcsClusters;
  readonly #definitions: FakeEcsDefinitions;
  readonly #tokens = new Map<string, { readonly request: string; readonly arns: readonly string[] }>();

  constructor(world: TaskWorld, clusters: FakeEcsClusters, definitions: FakeEcsDefinitions) {
    this.#world = world;
    this.#clusters = clusters;
    this.#definitions = definitions;
  }

  /** By ARN or id; undefined where there is none in the cluster. */
  find(clusterArn: string, text: string): FakeEcsTask | undefined {
    const cluster = clusterArn.slice(clusterArn.lastIndexOf("/") + 1);
    const arn = text.startsWith("arn:") ? text : this.#world.account.arn("ecs", `task/${cluster}/${text}`);
    const found = this.all.get(arn);
    return found?.fixed.clusterArn === clusterArn ? found : undefined;
  }

  /** Stopped tasks are told of no more, as after an hour. */
  forgetStopped(): void {
    for (const [arn, task] of this.all) {
      if (task.status !== "STOPPED") continue;
      this.all.delete(arn);
      this.#world.account.forget(arn);
    }
  }

  readonly operations: Readonly<Record<string, Operation>> = {
    RunTask: operation<ecs.RunTaskRequest, ecs.RunTaskResponse>(ecs.RunTask$, (input) => this.#run(input)),
    StopTask: operation<ecs.StopTaskRequest, ecs.StopTaskResponse>(
      ecs.StopTask$,
      ({ cluster, task = "", reason = "Task stopped by user" }) => {
        if (reason.length > 1024) throw refusal("InvalidParameterException", "reason is longer than 1024");
        const found = this.find(this.#clusters.find(cluster), task);
        if (found === undefined) throw refusal("InvalidParameterException", "The referenced task was not found.");
        found.end("UserInitiated", reason);
        return { task: taskView(found, this.#world.account, false) };
      },
    ),
    ListTasks: operation<ecs.ListTasksRequest, ecs.ListTasksResponse>(ecs.ListTasks$, (input) => this.#list(input)),
    DescribeTasks: operation<ecs.DescribeTasksRequest, ecs.DescribeTasksResponse>(
      ecs.DescribeTasks$,
      ({ cluster, tasks = [], include = [] }) => {
        const clusterArn = this.#clusters.find(cluster);
        if (tasks.length < 1 || tasks.length > 100)
          throw refusal("InvalidParameterException", "Tasks must have between 1 and 100 elements.");
        const found = tasks.map((text) => [text, this.find(clusterArn, text)] as const);
        const missing = (text: string): string =>
          text.startsWith("arn:") ? text : this.#world.account.arn("ecs", `task/${text}`);
        return {
          tasks: found.flatMap(([, task]) =>
            task === undefined ? [] : [taskView(task, this.#world.account, include.includes("TAGS"))],
          ),
          failures: found.flatMap(([text, task]) =>
            task === undefined ? [{ arn: missing(text), reason: "MISSING" }] : [],
          ),
        };
      },
    ),
  };

  #run(input: ecs.RunTaskRequest): ecs.RunTaskResponse {
    const clusterArn = this.#clusters.find(input.cluster);
    const { account } = this.#world;
    const token = input.clientToken;
    const same = JSON.stringify({ ...input, clientToken: undefined });
    const before = token === undefined ? undefined : this.#tokens.get(`${clusterArn}/${token}`);
    if (before !== undefined) {
      if (before.request !== same) {
        const text = `The client token ${token} was used before with other parameters.`;
        throw refusal("ConflictException", text);
      }
      const known = before.arns.flatMap((arn) => this.all.get(arn) ?? []);
      return { tasks: known.map((each) => taskView(each, account, true)), failures: [] };
    }
    checkRun(input);
    const definition = this.#definitions.runnable(input.taskDefinition ?? "");
    const { overrides = {}, tags = [] } = input;
    const names = new Set(definition.containerDefinitions?.map(({ name }) => name));
    for (const { name } of overrides.containerOverrides ?? [])
      if (!names.has(name))
        throw refusal(
          "InvalidParameterException",
          `Override for container named ${name} is not a container in the TaskDefinition.`,
        );
    if (input.enableExecuteCommand === true && (overrides.taskRoleArn ?? definition.taskRoleArn) === undefined)
      throw refusal("InvalidParameterException", "The task definition has no task role, which ExecuteCommand needs.");
    const failure = this.capacityFailures.shift();
    if (failure !== undefined) return { tasks: [], failures: [{ reason: failure }] };
    const made = Array.from({ length: input.count ?? 1 }, () => this.#make(clusterArn, definition, input));
    for (const { arn } of made) {
      account.tag(arn, tags);
      this.made.push({ arn, startedBy: input.startedBy, tags: account.tagsOf(arn) });
    }
    if (token !== undefined)
      this.#tokens.set(`${clusterArn}/${token}`, { request: same, arns: made.map(({ arn }) => arn) });
    return { tasks: made.map((each) => taskView(each, account, true)), failures: [] };
  }

  #make(clusterArn: string, definition: ecs.TaskDefinition, input: ecs.RunTaskRequest): FakeEcsTask {
    const { account } = this.#world;
    const cluster = clusterArn.slice(clusterArn.lastIndexOf("/") + 1);
    const { overrides = {}, capacityProviderStrategy = [], startedBy, group, enableExecuteCommand = false } = input;
    const { cpu, memory } = taskSize(definition);
    const version = input.platformVersion ?? "LATEST";
    const provider = capacityProviderStrategy.find(({ weight = 0, base = 0 }) => weight + base > 0)?.capacityProvider;
    const task = new FakeEcsTask(this.#world, definition, overrides, (id) => ({
      taskArn: account.arn("ecs", `task/${cluster}/${id}`),
      ...{ clusterArn, taskDefinitionArn: definition.taskDefinitionArn, startedBy, enableExecuteCommand },
      ...{ cpu: `${cpu}`, memory: `${memory}`, createdAt: account.now() },
      group: group ?? `family:${definition.family}`,
      platformVersion: version === "LATEST" ? "1.4.0" : version,
      ...{ platformFamily: "Linux", launchType: "FARGATE", capacityProviderName: provider },
      availabilityZone: `${account.region}a`,
    }));
    this.all.set(task.arn, task);
    return task;
  }

  #list(input: ecs.ListTasksRequest): ecs.ListTasksResponse {
    const { cluster, desiredStatus = "RUNNING", family, startedBy, launchType, nextToken, maxResults } = input;
    const clusterArn = this.#clusters.find(cluster);
    if (startedBy !== undefined && (input.desiredStatus !== undefined || family !== undefined))
      throw refusal("InvalidParameterException", "startedBy cannot be combined with other filters.");
    const arns = [...this.all.values()].filter(
      (task) =>
        task.fixed.clusterArn === clusterArn &&
        task.desiredStatus === desiredStatus &&
        (family === undefined || task.definition.family === family) &&
        (startedBy === undefined || task.fixed.startedBy === startedBy) &&
        (launchType === undefined || launchType === "FARGATE"),
    );
    const found = page(
      arns.map(({ arn }) => arn),
      nextToken,
      maxResults,
      100,
    );
    return { taskArns: found.items, nextToken: found.nextToken };
  }
}

function checkRun(input: ecs.RunTaskRequest): void {
  const fault = (text: string): never => {
    throw refusal("InvalidParameterException", text);
  };
  const { count = 1, startedBy = "", clientToken = "", launchType, capacityProviderStrategy, overrides } = input;
  if (count < 1 || count > 10) fault("count must be between 1 and 10");
  if (!/^[a-zA-Z0-9_/-]{0,128}$/.test(startedBy)) fault("Invalid startedBy.");
  if (clientToken.length > 64) fault("clientToken is longer than 64 characters");
  if (launchType !== undefined && capacityProviderStrategy !== undefined)
    fault("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.");
  if (launchType !== undefined && launchType !== "FARGATE") fault("the fake knows Fargate alone");
  if (launchType === undefined && capacityProviderStrategy === undefined)
    fault("No Container Instances were found in your cluster.");
  for (const { capacityProvider } of capacityProviderStrategy ?? [])
    if (capacityProvider !== "FARGATE" && capacityProvider !== "FARGATE_SPOT")
      fault(`The specified capacity provider '${capacityProvider}' was not found.`);
  const network = input.networkConfiguration?.awsvpcConfiguration;
  if (network === undefined) fault("Network Configuration must be provided when networkMode 'awsvpc' is specified.");
  const { subnets = [], securityGroups = [] } = network ?? {};
  if (subnets.length < 1 || subnets.length > 16) fault("subnets can have at most 16 items and at least one.");
  for (const subnet of subnets) if (!subnet.startsWith("subnet-")) fault(`The subnet ID '${subnet}' is not valid.`);
  if (securityGroups.length > 5) fault("securityGroups can have at most 5 items.");
  for (const each of securityGroups) if (!each.startsWith("sg-")) fault(`The security group '${each}' does not exist`);
  if (JSON.stringify(overrides ?? {}).length > 8192) fault("Container Overrides length must be at most 8192");
  if ((input.tags ?? []).length > 50) fault("more than 50 tags");
}
