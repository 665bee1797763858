// Changes of tasks that EventBridge brings to a queue: the ARNs of those that changed. The queue is this node's alone.
import type { CallContext } from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";

/** Seconds that a look waits for something to come. */
const waitSeconds = 20;

export async function* taskPushes(
  aws: Pick<AwsApi, "receiveMessage" | "deleteMessageBatch">,
  queueURL: string,
  context: CallContext,
): AsyncGenerator<{ readonly id: string }> {
  while (!context.signal.aborted) {
    const { Messages = [] } = await aws.receiveMessage(
      { QueueUrl: queueURL, MaxNumberOfMessages: 10, WaitTimeSeconds: waitSeconds },
      context,
    );
    for (const { Body = "" } of Messages) {
      const id = changedTask(Body);
      if (id !== undefined) yield { id };
    }
    if (Messages.length === 0) continue;
    const Entries = Messages.flatMap(({ ReceiptHandle }, index) =>
      ReceiptHandle === undefined ? [] : [{ Id: `${index}`, ReceiptHandle }],
    );
    await aws.deleteMessageBatch({ QueueUrl: queueURL, Entries }, context);
  }
}

/** Undefined for what tells of something else, or is none of EventBridge's. Pure. */
export function changedTask(body: string): string | undefined {
  let event: unknown;
  try {
    event = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (memberOf(event, "detail-type") !== "ECS Task State Change") return undefined;
  const arn = memberOf(memberOf(event, "detail"), "taskArn");
  return typeof arn === "string" ? arn : undefined;
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
