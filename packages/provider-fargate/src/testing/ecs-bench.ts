// A fake region with groups in memory, and the SDK's clients on it.

import assert from "node:assert/strict";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import {
  type ContainerDefinition,
  DescribeTasksCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  type RegisterTaskDefinitionCommandInput,
  RunTaskCommand,
  type RunTaskCommandInput,
  type Task,
} from "@aws-sdk/client-ecs";
import { eventually, MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { FakeEcs, type FakeEcsOptions } from "./fake-ecs.ts";

export const executionRoleArn = "arn:aws:iam::123456789012:role/execution";

export class EcsBench implements AsyncDisposable {
  readonly fake: FakeEcs;
  readonly ecs: ECSClient;
  readonly logs: CloudWatchLogsClient;

  private constructor(fake: FakeEcs) {
    this.fake = fake;
    const config = { ...fake.clientConfig, maxAttempts: 1 };
    this.ecs = new ECSClient(config);
    this.logs = new CloudWatchLogsClient(config);
  }

  static async start(options: Partial<FakeEcsOptions> = {}): Promise<EcsBench> {
    return new EcsBench(await FakeEcs.start({ runner: new MemoryGroups(), paceMs: 5, secondMs: 5, ...options }));
  }

  async register(
    containerDefinitions: ContainerDefinition[],
    more: Partial<RegisterTaskDefinitionCommandInput> = {},
  ): Promise<string> {
    const { taskDefinition } = await this.ecs.send(
      new RegisterTaskDefinitionCommand({
        ...{ family: "pod", cpu: "256", memory: "512", networkMode: "awsvpc", requiresCompatibilities: ["FARGATE"] },
        ...{ executionRoleArn, taskRoleArn: executionRoleArn, containerDefinitions, ...more },
      }),
    );
    return taskDefinition?.taskDefinitionArn ?? "";
  }

  /** ARN of a task of it. */
  async run(taskDefinition: string, more: Partial<RunTaskCommandInput> = {}): Promise<string> {
    const { tasks } = await this.ecs.send(
      new RunTaskCommand({
        ...{ taskDefinition, launchType: "FARGATE", enableExecuteCommand: true },
        networkConfiguration: { awsvpcConfiguration: { subnets: ["subnet-1"] } },
        ...more,
      }),
    );
    return tasks?.[0]?.taskArn ?? assert.fail("RunTask gave no task");
  }

  async task(arn: string): Promise<Task> {
    const { tasks } = await this.ecs.send(new DescribeTasksCommand({ tasks: [arn], include: ["TAGS"] }));
    return tasks?.[0] ?? assert.fail(`no task ${arn}`);
  }

  /** As soon as it is so. */
  async taskIs(arn: string, lastStatus: string): Promise<Task> {
    return eventually(`${arn} is ${lastStatus}`, 10_000, async () => {
      const task = await this.task(arn);
      return task.lastStatus === lastStatus && task;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ecs.destroy();
    this.logs.destroy();
    await this.fake[Symbol.asyncDispose]();
    assert.deepEqual(this.fake.misuse, [], "both sides keep to the SDK's shapes");
  }
}
