// What the backend asks of AWS: each call by its operation's name, within the account's limits. Types and docs only.
import type * as cloudWatch from "@aws-sdk/client-cloudwatch";
import type * as logs from "@aws-sdk/client-cloudwatch-logs";
import type * as ecs from "@aws-sdk/client-ecs";
import type * as secrets from "@aws-sdk/client-secrets-manager";
import type * as sqs from "@aws-sdk/client-sqs";
import type { CallContext } from "@virtual-kubelet/virtual-kubelet";
import type { Urgency } from "@virtual-kubelet/virtual-kubelet/cloud";

/** Throws VirtualKubeletError; its cause has the name that AWS gives the error, see awsErrorName. */
export type AwsCall<I, O> = (input: I, context: CallContext, urgency?: Urgency) => Promise<Omit<O, "$metadata">>;

export interface AwsApi extends AsyncDisposable {
  readonly runTask: AwsCall<ecs.RunTaskCommandInput, ecs.RunTaskCommandOutput>;
  readonly stopTask: AwsCall<ecs.StopTaskCommandInput, ecs.StopTaskCommandOutput>;
  readonly listTasks: AwsCall<ecs.ListTasksCommandInput, ecs.ListTasksCommandOutput>;
  readonly describeTasks: AwsCall<ecs.DescribeTasksCommandInput, ecs.DescribeTasksCommandOutput>;
  readonly registerTaskDefinition: AwsCall<
    ecs.RegisterTaskDefinitionCommandInput,
    ecs.RegisterTaskDefinitionCommandOutput
  >;
  readonly describeTaskDefinition: AwsCall<
    ecs.DescribeTaskDefinitionCommandInput,
    ecs.DescribeTaskDefinitionCommandOutput
  >;
  readonly listTaskDefinitions: AwsCall<ecs.ListTaskDefinitionsCommandInput, ecs.ListTaskDefinitionsCommandOutput>;
  readonly listTaskDefinitionFamilies: AwsCall<
    ecs.ListTaskDefinitionFamiliesCommandInput,
    ecs.ListTaskDefinitionFamiliesCommandOutput
  >;
  readonly deregisterTaskDefinition: AwsCall<
    ecs.DeregisterTaskDefinitionCommandInput,
    ecs.DeregisterTaskDefinitionCommandOutput
  >;
  readonly deleteTaskDefinitions: AwsCall<
    ecs.DeleteTaskDefinitionsCommandInput,
    ecs.DeleteTaskDefinitionsCommandOutput
  >;
  readonly tagResource: AwsCall<ecs.TagResourceCommandInput, ecs.TagResourceCommandOutput>;
  readonly executeCommand: AwsCall<ecs.ExecuteCommandCommandInput, ecs.ExecuteCommandCommandOutput>;
  readonly describeClusters: AwsCall<ecs.DescribeClustersCommandInput, ecs.DescribeClustersCommandOutput>;
  readonly createCluster: AwsCall<ecs.CreateClusterCommandInput, ecs.CreateClusterCommandOutput>;
  readonly createSecret: AwsCall<secrets.CreateSecretCommandInput, secrets.CreateSecretCommandOutput>;
  readonly putSecretValue: AwsCall<secrets.PutSecretValueCommandInput, secrets.PutSecretValueCommandOutput>;
  readonly deleteSecret: AwsCall<secrets.DeleteSecretCommandInput, secrets.DeleteSecretCommandOutput>;
  readonly listSecrets: AwsCall<secrets.ListSecretsCommandInput, secrets.ListSecretsCommandOutput>;
  readonly getLogEvents: AwsCall<logs.GetLogEventsCommandInput, logs.GetLogEventsCommandOutput>;
  readonly createLogGroup: AwsCall<logs.CreateLogGroupCommandInput, logs.CreateLogGroupCommandOutput>;
  readonly describeLogGroups: AwsCall<logs.DescribeLogGroupsCommandInput, logs.DescribeLogGroupsCommandOutput>;
  readonly getMetricData: AwsCall<cloudWatch.GetMetricDataCommandInput, cloudWatch.GetMetricDataCommandOutput>;
  readonly receiveMessage: AwsCall<sqs.ReceiveMessageCommandInput, sqs.ReceiveMessageCommandOutput>;
  readonly deleteMessageBatch: AwsCall<sqs.DeleteMessageBatchCommandInput, sqs.DeleteMessageBatchCommandOutput>;
  /** As the core's CallBudget tells it, by the name of the operation ("DescribeClusters"). */
  readonly isAnswered: (operation: string, withinMs: number) => boolean;
}
