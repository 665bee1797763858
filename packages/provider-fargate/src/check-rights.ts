// Whether the credentials have the rights that the provider needs: each is asked for something that is not there, so that nothing is
// made or changed. AWS says that it is not there, or that one may not ask.
import { type CallContext, errorText, isErrorKind, type ProviderCheck } from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import type { FargateConfig } from "./config.ts";

export type AskedForRights = Pick<
  AwsApi,
  | "runTask"
  | "stopTask"
  | "describeTasks"
  | "executeCommand"
  | "tagResource"
  | "registerTaskDefinition"
  | "describeTaskDefinition"
  | "listTaskDefinitions"
  | "deregisterTaskDefinition"
  | "deleteTaskDefinitions"
  | "putSecretValue"
  | "deleteSecret"
  | "getLogEvents"
  | "receiveMessage"
>;

const nobody = "00000000000000000000000000000000";

/** `clusterARN`: as ECS tells it. */
export async function rightsCheck(
  aws: AskedForRights,
  config: FargateConfig,
  clusterARN: string,
  context: CallContext,
): Promise<ProviderCheck> {
  const { cluster, secrets, network } = config;
  const resourceArn = `${clusterARN.replace(":cluster/", ":task/")}/${nobody}`;
  const [taskDefinition, secret] = ["vk-doctor:1", `${secrets.prefix}/doctor/${nobody}`];
  const awsvpcConfiguration = { subnets: [...network.subnets] };
  const asks: readonly (readonly [right: string, ask: () => Promise<unknown>])[] = [
    [
      "ecs:RunTask",
      () => {
        const networkConfiguration = { awsvpcConfiguration };
        return aws.runTask({ cluster, taskDefinition, count: 1, launchType: "FARGATE", networkConfiguration }, context);
      },
    ],
    ["ecs:StopTask", () => aws.stopTask({ cluster, task: nobody }, context)],
    ["ecs:DescribeTasks", () => aws.describeTasks({ cluster, tasks: [nobody] }, context)],
    ["ecs:TagResource", () => aws.tagResource({ resourceArn, tags: [{ key: "virtual-kubelet.io/doctor" }] }, context)],
    // Without containers it is none.
    [
      "ecs:RegisterTaskDefinition",
      () => aws.registerTaskDefinition({ family: "vk-doctor", containerDefinitions: [] }, context),
    ],
    ["ecs:DescribeTaskDefinition", () => aws.describeTaskDefinition({ taskDefinition }, context)],
    ["ecs:ListTaskDefinitions", () => aws.listTaskDefinitions({ familyPrefix: "vk-doctor", maxResults: 1 }, context)],
    ["ecs:DeregisterTaskDefinition", () => aws.deregisterTaskDefinition({ taskDefinition }, context)],
    ["ecs:DeleteTaskDefinitions", () => aws.deleteTaskDefinitions({ taskDefinitions: [taskDefinition] }, context)],
    ["secretsmanager:PutSecretValue", () => aws.putSecretValue({ SecretId: secret, SecretString: "{}" }, context)],
    [
      "secretsmanager:DeleteSecret",
      () => aws.deleteSecret({ SecretId: secret, ForceDeleteWithoutRecovery: true }, context),
    ],
    ...optionalAsks(aws, config, context),
  ];
  const denied: string[] = [];
  const unknown: string[] = [];
  for (const [right, ask] of asks) {
    try {
      await ask();
    } catch (error) {
      if (isErrorKind(error, "Forbidden")) denied.push(right);
      else if (!isErrorKind(error, "Invalid", "NotFound", "Conflict", "Quota"))
        unknown.push(`${right} (${errorText(error)})`);
    }
  }
  const name = "rights";
  if (denied.length > 0)
    return {
      ...{ name, status: "fail", message: `not allowed: ${denied.join(", ")}` },
      fix: "allow them: deploy/policies/fargate-program.json has all that is needed",
    };
  if (unknown.length > 0)
    return { name, status: "warn", message: `could not be asked for: ${unknown.join("; ")}`, fix: "try again" };
  return {
    name,
    status: "ok",
    message: `none of ${asks.length} was refused; to make secrets and to give roles was not asked`,
  };
}

function optionalAsks(
  aws: AskedForRights,
  { cluster, exec, logs, events }: FargateConfig,
  context: CallContext,
): readonly (readonly [right: string, ask: () => Promise<unknown>])[] {
  const command = { cluster, task: nobody, interactive: true, command: "/bin/sh" };
  const stream = { logGroupName: logs?.group, logStreamName: nobody, limit: 1 };
  // What it gets stays in the queue.
  const look = { QueueUrl: events?.queueURL, MaxNumberOfMessages: 1, VisibilityTimeout: 0, WaitTimeSeconds: 0 };
  return [
    ...(exec ? [["ecs:ExecuteCommand", () => aws.executeCommand(command, context)] as const] : []),
    ...(logs === undefined ? [] : [["logs:GetLogEvents", () => aws.getLogEvents(stream, context)] as const]),
    ...(events === undefined ? [] : [["sqs:ReceiveMessage", () => aws.receiveMessage(look, context)] as const]),
  ];
}
