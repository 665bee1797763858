// SQS queues that EventBridge fills with the changes of tasks.
import { createHash, randomUUID } from "node:crypto";
import * as sqs from "@aws-sdk/client-sqs";
import { pause } from "@virtual-kubelet/virtual-kubelet";
import { operation, type Service } from "./aws-operation.ts";
import { refusal } from "./aws-refusal.ts";
import { type FakeAccount, hexId } from "./fake-ecs-account.ts";

interface Message {
  readonly id: string;
  readonly body: string;
  receipt: string;
  /** Epoch milliseconds from which it is handed out again. */
  visibleAt: number;
}

export class FakeQueues {
  /** By name; a test adds those that it wants. */
  readonly queues: Map<string, Message[]> = new Map();
  /** "https://127.0.0.1:port", once it is known. */
  base: string = "";
  readonly #account: FakeAccount;
  readonly #waiting = new Set<() => void>();

  constructor(account: FakeAccount) {
    this.#account = account;
  }

  /** Makes it; its address. */
  create(name: string): string {
    this.queues.set(name, []);
    return `${this.base}/${this.#account.account}/${name}`;
  }

  /** To all queues, in EventBridge's envelope, where times are texts. */
  publish(detailType: string, resources: readonly string[], detail: unknown): void {
    const { account, region } = this.#account;
    const envelope = { version: "0", id: randomUUID(), "detail-type": detailType, source: "aws.ecs", account };
    const time = this.#account.now().toISOString();
    const body = JSON.stringify({ ...envelope, time, region, resources, detail });
    for (const queue of this.queues.values()) queue.push({ id: randomUUID(), body, receipt: "", visibleAt: 0 });
    for (const wake of [...this.#waiting]) wake();
  }

  readonly service: Service = {
    target: "AmazonSQS",
    name: "sqs",
    operations: {
      GetQueueUrl: operation<sqs.GetQueueUrlRequest, sqs.GetQueueUrlResult>(sqs.GetQueueUrl$, ({ QueueName = "" }) => {
        this.#queue(QueueName);
        return { QueueUrl: `${this.base}/${this.#account.account}/${QueueName}` };
      }),
      ReceiveMessage: operation<sqs.ReceiveMessageRequest, sqs.ReceiveMessageResult>(
        sqs.ReceiveMessage$,
        (input, { signal }) => this.#receive(input, signal),
      ),
      DeleteMessage: operation<sqs.DeleteMessageRequest, object>(
        sqs.DeleteMessage$,
        ({ QueueUrl = "", ReceiptHandle = "" }) => {
          this.#delete(QueueUrl, ReceiptHandle);
          return {};
        },
      ),
      DeleteMessageBatch: operation<sqs.DeleteMessageBatchRequest, sqs.DeleteMessageBatchResult>(
        sqs.DeleteMessageBatch$,
        ({ QueueUrl = "", Entries = [] }) => {
          if (Entries.length < 1 || Entries.length > 10) throw refusal("EmptyBatchRequest", "1 to 10 entries");
          for (const { ReceiptHandle = "" } of Entries) this.#delete(QueueUrl, ReceiptHandle);
          return { Successful: Entries.map(({ Id = "" }) => ({ Id })), Failed: [] };
        },
      ),
    },
  };

  #queue(url: string): Message[] {
    const found = this.queues.get(url.slice(url.lastIndexOf("/") + 1));
    if (found === undefined) throw refusal("QueueDoesNotExist", "The specified queue does not exist.");
    return found;
  }

  #delete(url: string, receipt: string): void {
    const queue = this.#queue(url);
    const place = queue.findIndex((each) => each.receipt === receipt);
    if (place >= 0) queue.splice(place, 1);
  }

  async #receive(input: sqs.ReceiveMessageRequest, signal: AbortSignal): Promise<sqs.ReceiveMessageResult> {
    const { QueueUrl = "", MaxNumberOfMessages = 1, WaitTimeSeconds = 0, VisibilityTimeout = 30 } = input;
    if (MaxNumberOfMessages < 1 || MaxNumberOfMessages > 10 || WaitTimeSeconds > 20)
      throw refusal("InvalidParameterValue", "1 to 10 messages, a wait of up to 20 seconds");
    const queue = this.#queue(QueueUrl);
    const { clock } = this.#account;
    const end = clock.now() + WaitTimeSeconds * 1000;
    const ready = (): Message[] => queue.filter(({ visibleAt }) => visibleAt <= clock.now());
    while (ready().length === 0 && clock.now() < end && !signal.aborted) {
      const waiting = new AbortController();
      const wake = (): void => waiting.abort();
      this.#waiting.add(wake);
      await pause(clock, Math.min(end - clock.now(), 1000), AbortSignal.any([signal, waiting.signal]));
      this.#waiting.delete(wake);
    }
    const taken = ready().slice(0, MaxNumberOfMessages);
    for (const message of taken) {
      message.receipt = hexId();
      message.visibleAt = clock.now() + VisibilityTimeout * 1000;
    }
    const Messages = taken.map(({ id, body, receipt }) => ({
      ...{ MessageId: id, Body: body, ReceiptHandle: receipt, MD5OfBody: createHash("md5").update(body).digest("hex") },
    }));
    return Messages.length === 0 ? {} : { Messages };
  }
}
