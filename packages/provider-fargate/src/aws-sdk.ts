// The calls of AwsApi by the vendor's SDK. Clients are made when they are first needed, and anew when AWS refused the credentials.
import { type CallContext, type Clock, isErrorKind, type Logger } from "@virtual-kubelet/virtual-kubelet";
import { CallBudget, type Urgency } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AwsApi } from "./aws-api.ts";
import { type AwsCredentials, credentialsOf } from "./aws-credentials.ts";
import { awsError } from "./aws-error.ts";
import { callLimits, fallbackLimit } from "./call-limits.ts";
import type { FargateConfig } from "./config.ts";

export interface AwsSdkOptions {
  readonly config: FargateConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: (() => number) | undefined;
  /** In place of what is configured. */
  readonly credentials?: AwsCredentials | undefined;
}

interface Client {
  destroy(): void;
}

/** Credentials that were refused are read again, but not more often than this. */
const renewMs = 5_000;
const requestTimeoutMs = 30_000;

export interface AwsSdk extends AwsApi {
  readonly budget: CallBudget;
}

export function awsSdk({ config, clock, log, random = Math.random, credentials }: AwsSdkOptions): AwsSdk {
  const limits = { ...callLimits };
  for (const [operation, limit] of Object.entries(config.callLimits))
    limits[operation] = { ...callLimits[operation], ...limit };
  const budget = new CallBudget({ limits, fallback: fallbackLimit, clock, random, log });
  const made = new Map<string, Promise<Client>>();
  let renewedAt = Number.NEGATIVE_INFINITY;

  /** Retries are the budget's and the caller's. */
  const options = async (endpoint: string | undefined) => ({
    region: config.region,
    credentials: credentials ?? (await credentialsOf(config)),
    maxAttempts: 1,
    requestHandler: { requestTimeout: requestTimeoutMs, connectionTimeout: 10_000 },
    ...(endpoint === undefined ? {} : { endpoint }),
  });
  type Options = Awaited<ReturnType<typeof options>>;
  const lazily = <C extends Client>(
    service: keyof FargateConfig["endpoints"],
    make: (given: Options) => Promise<C>,
  ) => {
    let current: Promise<C> | undefined;
    return async (): Promise<C> => {
      if (current === undefined || made.get(service) !== current) {
        current = options(config.endpoints[service]).then(make);
        made.set(service, current);
      }
      return current;
    };
  };
  const ecs = lazily("ecs", async (given) => new (await import("@aws-sdk/client-ecs")).ECS(given));
  const logs = lazily(
    "logs",
    async (given) => new (await import("@aws-sdk/client-cloudwatch-logs")).CloudWatchLogs(given),
  );
  const secrets = lazily(
    "secretsManager",
    async (given) => new (await import("@aws-sdk/client-secrets-manager")).SecretsManager(given),
  );
  const cloudWatch = lazily(
    "cloudWatch",
    async (given) => new (await import("@aws-sdk/client-cloudwatch")).CloudWatch(given),
  );
  const sqs = lazily("sqs", async (given) => new (await import("@aws-sdk/client-sqs")).SQS(given));

  function renew(): void {
    const now = clock.now();
    if (now - renewedAt < renewMs) return;
    renewedAt = now;
    log.warn({}, "AWS refuses the credentials: they are read again");
    forget();
  }

  function forget(): void {
    const clients = [...made.values()];
    made.clear();
    // One that could not be made has been told of by its call.
    for (const client of clients) client.then((each) => each.destroy()).catch(() => {});
  }

  async function call<T>(
    operation: string,
    urgency: Urgency,
    context: CallContext,
    work: (given: { abortSignal: AbortSignal }) => Promise<T>,
    isSecret = false,
  ): Promise<T> {
    return budget.run(
      operation,
      urgency,
      async (signal) => {
        try {
          return await work({ abortSignal: signal });
        } catch (thrown) {
          const error = awsError(operation, thrown, isSecret);
          if (isErrorKind(error, "Unauthorized")) renew();
          throw error;
        }
      },
      context,
    );
  }

  return {
    budget,
    runTask: (input, context, urgency = "now") =>
      call("RunTask", urgency, context, async (given) => (await ecs()).runTask(input, given)),
    stopTask: (input, context, urgency = "now") =>
      call("StopTask", urgency, context, async (given) => (await ecs()).stopTask(input, given)),
    listTasks: (input, context, urgency = "soon") =>
      call("ListTasks", urgency, context, async (given) => (await ecs()).listTasks(input, given)),
    describeTasks: (input, context, urgency = "soon") =>
      call("DescribeTasks", urgency, context, async (given) => (await ecs()).describeTasks(input, given)),
    registerTaskDefinition: (input, context, urgency = "now") =>
      call("RegisterTaskDefinition", urgency, context, async (given) =>
        (await ecs()).registerTaskDefinition(input, given),
      ),
    describeTaskDefinition: (input, context, urgency = "soon") =>
      call("DescribeTaskDefinition", urgency, context, async (given) =>
        (await ecs()).describeTaskDefinition(input, given),
      ),
    listTaskDefinitions: (input, context, urgency = "now") =>
      call("ListTaskDefinitions", urgency, context, async (given) => (await ecs()).listTaskDefinitions(input, given)),
    listTaskDefinitionFamilies: (input, context, urgency = "later") =>
      call("ListTaskDefinitionFamilies", urgency, context, async (given) =>
        (await ecs()).listTaskDefinitionFamilies(input, given),
      ),
    deregisterTaskDefinition: (input, context, urgency = "later") =>
      call("DeregisterTaskDefinition", urgency, context, async (given) =>
        (await ecs()).deregisterTaskDefinition(input, given),
      ),
    deleteTaskDefinitions: (input, context, urgency = "later") =>
      call("DeleteTaskDefinitions", urgency, context, async (given) =>
        (await ecs()).deleteTaskDefinitions(input, given),
      ),
    tagResource: (input, context, urgency = "soon") =>
      call("TagResource", urgency, context, async (given) => (await ecs()).tagResource(input, given)),
    executeCommand: (input, context, urgency = "now") =>
      call("ExecuteCommand", urgency, context, async (given) => (await ecs()).executeCommand(input, given)),
    isAnswered: (operation, withinMs) => budget.isAnswered(operation, withinMs),
    describeClusters: (input, context, urgency = "now") =>
      call("DescribeClusters", urgency, context, async (given) => (await ecs()).describeClusters(input, given)),
    createCluster: (input, context, urgency = "now") =>
      call("CreateCluster", urgency, context, async (given) => (await ecs()).createCluster(input, given)),
    createSecret: (input, context, urgency = "now") =>
      call("CreateSecret", urgency, context, async (given) => (await secrets()).createSecret(input, given), true),
    putSecretValue: (input, context, urgency = "now") =>
      call("PutSecretValue", urgency, context, async (given) => (await secrets()).putSecretValue(input, given), true),
    deleteSecret: (input, context, urgency = "soon") =>
      call("DeleteSecret", urgency, context, async (given) => (await secrets()).deleteSecret(input, given)),
    listSecrets: (input, context, urgency = "later") =>
      call("ListSecrets", urgency, context, async (given) => (await secrets()).listSecrets(input, given)),
    getLogEvents: (input, context, urgency = "now") =>
      call("GetLogEvents", urgency, context, async (given) => (await logs()).getLogEvents(input, given)),
    createLogGroup: (input, context, urgency = "now") =>
      call("CreateLogGroup", urgency, context, async (given) => (await logs()).createLogGroup(input, given)),
    describeLogGroups: (input, context, urgency = "now") =>
      call("DescribeLogGroups", urgency, context, async (given) => (await logs()).describeLogGroups(input, given)),
    getMetricData: (input, context, urgency = "later") =>
      call("GetMetricData", urgency, context, async (given) => (await cloudWatch()).getMetricData(input, given)),
    receiveMessage: (input, context, urgency = "soon") =>
      call("ReceiveMessage", urgency, context, async (given) => (await sqs()).receiveMessage(input, given)),
    deleteMessageBatch: (input, context, urgency = "soon") =>
      call("DeleteMessageBatch", urgency, context, async (given) => (await sqs()).deleteMessageBatch(input, given)),
    [Symbol.asyncDispose]: async () => forget(),
  };
}
