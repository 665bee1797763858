// The calls of AwsApi answered from memory, as far as the backend's own tests need them: tasks move on when a test says so.
import type { Task } from "@aws-sdk/client-ecs";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi, AwsCall } from "../aws-api.ts";

const account = "arn:aws:ecs:eu-west-1:123456789012";

function named(
  kind: "Conflict" | "NotFound" | "Invalid",
  name: string,
  message: string,
  more: object = {},
): VirtualKubeletError {
  const cause = Object.assign(new Error(message), { name }, more);
  return new VirtualKubeletError(kind, message, { cause });
}

export class MemoryAws {
  readonly calls: string[] = [];
  readonly tasks: Map<string, Task> = new Map<string, Task>();
  /** ARN to content, of those that are active. */
  readonly definitions: Map<string, { readonly family: string; readonly input: string }> = new Map();
  readonly inactive: Map<string, string> = new Map();
  readonly secrets: Map<string, { text: string; readonly createdAt: Date }> = new Map();
  readonly clusters: Set<string> = new Set(["pods"]);
  readonly #tokens = new Map<string, { readonly arn: string; readonly input: string }>();
  /** Of a listing. */
  pageSize = 100;
  #number = 0;

  move(arn: string, more: Partial<Task>): void {
    this.tasks.set(arn, { ...this.tasks.get(arn), ...more });
  }

  countOf(operation: string): number {
    return this.calls.filter((call) => call === operation).length;
  }

  get api(): AwsApi {
    const call =
      <I, O>(name: string, work: (input: I) => Omit<O, "$metadata">): AwsCall<I, O> =>
      async (input) => {
        this.calls.push(name);
        return work(input);
      };
    const page = (all: readonly string[], token: string | undefined) => {
      const from = Number(token ?? 0);
      const next = from + this.pageSize;
      return { part: all.slice(from, next), nextToken: next < all.length ? `${next}` : undefined };
    };
    return {
      isAnswered: () => false,
      runTask: call("RunTask", (input) => {
        const token = input.clientToken ?? "";
        const text = JSON.stringify({ ...input, taskDefinition: input.taskDefinition });
        const known = this.#tokens.get(token);
        if (known !== undefined) {
          if (known.input !== text)
            throw named("Conflict", "ConflictException", "token in use", { resourceIds: [known.arn] });
          return { tasks: [this.tasks.get(known.arn) ?? {}], failures: [] };
        }
        if (!this.definitions.has(input.taskDefinition ?? ""))
          throw named("Invalid", "ClientException", "TaskDefinition is inactive");
        const arn = `${account}:task/pods/t${this.#number++}`;
        this.#tokens.set(token, { arn, input: text });
        const names = (this.definitions.get(input.taskDefinition ?? "")?.input ?? "").matchAll(
          /"name":"([a-z_0-9-]+)","image"/g,
        );
        this.tasks.set(arn, {
          ...{ taskArn: arn, taskDefinitionArn: input.taskDefinition, startedBy: input.startedBy, tags: input.tags },
          ...{ lastStatus: "PROVISIONING", desiredStatus: "RUNNING", createdAt: new Date(0) },
          containers: [...names].map(([, name]) => ({ name, lastStatus: "PENDING" })),
        });
        return { tasks: [this.tasks.get(arn) ?? {}], failures: [] };
      }),
      stopTask: call("StopTask", ({ task: arn = "", reason }) => {
        const task = this.tasks.get(arn);
        if (task === undefined)
          throw named("Invalid", "InvalidParameterException", "The referenced task was not found.");
        if (task.desiredStatus !== "STOPPED")
          this.move(arn, { desiredStatus: "STOPPED", stoppedReason: reason, stopCode: "UserInitiated" });
        return { task };
      }),
      listTasks: call("ListTasks", ({ desiredStatus = "RUNNING", nextToken }) => {
        const arns = [...this.tasks.values()]
          .filter((task) => task.desiredStatus === desiredStatus)
          .map(({ taskArn = "" }) => taskArn);
        const { part, nextToken: next } = page(arns, nextToken);
        return { taskArns: part, nextToken: next };
      }),
      describeTasks: call("DescribeTasks", ({ tasks: arns = [] }) => ({
        tasks: arns.flatMap((arn) => this.tasks.get(arn) ?? []),
        failures: arns.filter((arn) => !this.tasks.has(arn)).map((arn) => ({ arn, reason: "MISSING" })),
      })),
      registerTaskDefinition: call("RegisterTaskDefinition", (input) => {
        if (input.containerDefinitions?.length === 0) throw named("Invalid", "ClientException", "no containers");
        const arn = `${account}:task-definition/${input.family}:1`;
        this.definitions.set(arn, { family: input.family ?? "", input: JSON.stringify(input) });
        return { taskDefinition: { taskDefinitionArn: arn } };
      }),
      describeTaskDefinition: call("DescribeTaskDefinition", ({ taskDefinition = "" }) => {
        const found = this.definitions.get(taskDefinition);
        if (found === undefined) throw named("Invalid", "ClientException", "Unable to describe task definition.");
        return { taskDefinition: { ...JSON.parse(found.input), taskDefinitionArn: taskDefinition } };
      }),
      listTaskDefinitions: call("ListTaskDefinitions", ({ familyPrefix, status }) => ({
        taskDefinitionArns:
          status === "INACTIVE"
            ? [...this.inactive].filter(([, family]) => family === familyPrefix).map(([arn]) => arn)
            : [...this.definitions].filter(([, { family }]) => family === familyPrefix).map(([arn]) => arn),
      })),
      listTaskDefinitionFamilies: call("ListTaskDefinitionFamilies", ({ familyPrefix = "", status }) => ({
        families: [
          ...(status === "INACTIVE" ? this.inactive.values() : this.definitions.values().map(({ family }) => family)),
        ].filter((family) => family.startsWith(familyPrefix)),
      })),
      deregisterTaskDefinition: call("DeregisterTaskDefinition", ({ taskDefinition = "" }) => {
        this.inactive.set(taskDefinition, this.definitions.get(taskDefinition)?.family ?? "");
        this.definitions.delete(taskDefinition);
        return {};
      }),
      deleteTaskDefinitions: call("DeleteTaskDefinitions", ({ taskDefinitions = [] }) => {
        for (const arn of taskDefinitions) this.inactive.delete(arn);
        return {};
      }),
      tagResource: call("TagResource", ({ resourceArn = "", tags = [] }) => {
        const task = this.tasks.get(resourceArn);
        if (task === undefined) throw named("Invalid", "InvalidParameterException", "not found");
        const others = (task.tags ?? []).filter(({ key }) => !tags.some((tag) => tag.key === key));
        this.move(resourceArn, { tags: [...others, ...tags] });
        return {};
      }),
      executeCommand: call("ExecuteCommand", () => ({})),
      describeClusters: call("DescribeClusters", ({ clusters = [] }) => ({
        clusters: clusters
          .filter((name) => this.clusters.has(name))
          .map((clusterName) => ({ clusterName, clusterArn: `${account}:cluster/${clusterName}`, status: "ACTIVE" })),
      })),
      createCluster: call("CreateCluster", ({ clusterName = "" }) => {
        this.clusters.add(clusterName);
        return {};
      }),
      createSecret: call("CreateSecret", ({ Name = "", SecretString = "" }) => {
        if (this.secrets.has(Name)) throw named("Conflict", "ResourceExistsException", "exists");
        this.secrets.set(Name, { text: SecretString, createdAt: new Date(0) });
        return { ARN: `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${Name}-AbCdEf` };
      }),
      putSecretValue: call("PutSecretValue", ({ SecretId = "", SecretString = "" }) => {
        if (!this.secrets.has(SecretId)) throw named("NotFound", "ResourceNotFoundException", "none");
        this.secrets.set(SecretId, { text: SecretString, createdAt: new Date(0) });
        return { ARN: `arn:aws:secretsmanager:eu-west-1:123456789012:secret:${SecretId}-AbCdEf` };
      }),
      deleteSecret: call("DeleteSecret", ({ SecretId = "" }) => {
        if (!this.secrets.delete(SecretId)) throw named("NotFound", "ResourceNotFoundException", "none");
        return {};
      }),
      listSecrets: call("ListSecrets", ({ Filters = [] }) => ({
        SecretList: [...this.secrets]
          .filter(([name]) => name.startsWith(Filters[0]?.Values?.[0] ?? ""))
          .map(([Name, { createdAt }]) => ({ Name, CreatedDate: createdAt })),
      })),
      getLogEvents: call("GetLogEvents", () => ({ events: [] })),
      createLogGroup: call("CreateLogGroup", () => ({})),
      describeLogGroups: call("DescribeLogGroups", () => ({ logGroups: [] })),
      getMetricData: call("GetMetricData", () => ({ MetricDataResults: [] })),
      receiveMessage: call("ReceiveMessage", () => ({ Messages: [] })),
      deleteMessageBatch: call("DeleteMessageBatch", () => ({ Successful: [], Failed: [] })),
      [Symbol.asyncDispose]: async () => {},
    };
  }
}
