// CloudWatch Logs: groups, streams, and pages of their events by tokens. Streams of containers are filled from what the runner has.
import * as logs from "@aws-sdk/client-cloudwatch-logs";
import type { RunnerLogLine } from "@virtual-kubelet/virtual-kubelet/testing";
import { operation, type Service } from "./aws-operation.ts";
import { refusal } from "./aws-refusal.ts";
import { type FakeAccount, page } from "./fake-ecs-account.ts";

interface LogStream {
  readonly created: number;
  readonly events: logs.OutputLogEvent[];
  /** Lines of the source that were looked at. */
  taken: number;
  /** All lines so far of the container that writes to it; absent when it will write no more. */
  source: (() => Promise<readonly RunnerLogLine[]>) | undefined;
}

const largestPage = 1024 * 1024;

export class FakeCloudWatchLogs {
  readonly groups: Map<string, Map<string, LogStream>> = new Map();
  /** Events come to be seen so much later than they were written. */
  delayMs: number = 0;
  /** Every other page of a reader that goes on is empty although there is more. */
  emptyPages: boolean = false;
  readonly #account: FakeAccount;

  constructor(account: FakeAccount) {
    this.#account = account;
  }

  /** What the awslogs driver does as a container starts; throws what it stops a task with. */
  open(group: string, stream: string, createGroup: boolean, source: LogStream["source"]): void {
    const streams = this.groups.get(group) ?? (createGroup ? new Map<string, LogStream>() : undefined);
    if (streams === undefined) throw refusal("ResourceNotFoundException", "The specified log group does not exist.");
    this.groups.set(group, streams);
    streams.set(stream, { created: this.#account.clock.now(), events: [], taken: 0, source });
  }

  /** The container writes no more: what it has written is kept. */
  async close(group: string, stream: string): Promise<void> {
    const found = this.groups.get(group)?.get(stream);
    if (found === undefined) return;
    await this.#fill(found);
    found.source = undefined;
  }

  readonly service: Service = {
    target: "Logs_20140328",
    name: "logs",
    operations: {
      CreateLogGroup: operation<logs.CreateLogGroupRequest, object>(logs.CreateLogGroup$, ({ logGroupName = "" }) => {
        if (this.groups.has(logGroupName))
          throw refusal("ResourceAlreadyExistsException", "The specified log group already exists");
        this.groups.set(logGroupName, new Map());
        return {};
      }),
      CreateLogStream: operation<logs.CreateLogStreamRequest, object>(
        logs.CreateLogStream$,
        ({ logGroupName = "", logStreamName = "" }) => {
          if (this.groups.get(logGroupName)?.has(logStreamName))
            throw refusal("ResourceAlreadyExistsException", "The specified log stream already exists");
          this.open(logGroupName, logStreamName, false, undefined);
          return {};
        },
      ),
      DescribeLogGroups: operation<logs.DescribeLogGroupsRequest, logs.DescribeLogGroupsResponse>(
        logs.DescribeLogGroups$,
        ({ logGroupNamePrefix = "", nextToken, limit }) => {
          const names = [...this.groups.keys()].filter((name) => name.startsWith(logGroupNamePrefix)).sort();
          const found = page(names, nextToken, limit, 50);
          const arn = (name: string): string => this.#account.arn("logs", `log-group:${name}:*`);
          return {
            logGroups: found.items.map((name) => ({ logGroupName: name, arn: arn(name) })),
            nextToken: found.nextToken,
          };
        },
      ),
      DescribeLogStreams: operation<logs.DescribeLogStreamsRequest, logs.DescribeLogStreamsResponse>(
        logs.DescribeLogStreams$,
        ({ logGroupName = "", logStreamNamePrefix = "", nextToken, limit }) => {
          const names = [...this.#group(logGroupName).keys()]
            .filter((name) => name.startsWith(logStreamNamePrefix))
            .sort();
          const found = page(names, nextToken, limit, 50);
          return { logStreams: found.items.map((logStreamName) => ({ logStreamName })), nextToken: found.nextToken };
        },
      ),
      GetLogEvents: operation<logs.GetLogEventsRequest, logs.GetLogEventsResponse>(logs.GetLogEvents$, (input) =>
        this.#read(input),
      ),
    },
  };

  #group(name: string): Map<string, LogStream> {
    const found = this.groups.get(name);
    if (found === undefined) throw refusal("ResourceNotFoundException", "The specified log group does not exist.");
    return found;
  }

  async #fill(stream: LogStream): Promise<void> {
    const lines = (await stream.source?.()) ?? [];
    const now = this.#account.clock.now();
    // The driver does not send empty lines.
    for (const { time, text } of lines.slice(stream.taken)) {
      stream.taken += 1;
      // The driver sends no empty lines.
      if (text !== "") stream.events.push({ timestamp: Number(time / 1_000_000n), message: text, ingestionTime: now });
    }
  }

  async #read(input: logs.GetLogEventsRequest): Promise<logs.GetLogEventsResponse> {
    const {
      limit = 10_000,
      startTime = 0,
      endTime = Number.POSITIVE_INFINITY,
      nextToken,
      startFromHead = false,
    } = input;
    if (startTime >= endTime) throw refusal("InvalidParameterException", "startTime must be before endTime");
    if (limit < 1 || limit > 10_000) throw refusal("InvalidParameterException", "limit must be between 1 and 10000");
    const stream = this.#group(input.logGroupName ?? "").get(input.logStreamName ?? "");
    if (stream === undefined) throw refusal("ResourceNotFoundException", "The specified log stream does not exist.");
    await this.#fill(stream);
    const visible = stream.events.filter(
      ({ ingestionTime = 0 }) => ingestionTime + this.delayMs <= this.#account.clock.now(),
    );
    const [, direction, place, mark] =
      /^([fb])\/(\d{1,15})\/(s|e)$/.exec(nextToken ?? (startFromHead ? "f/0/s" : "b/999999999999999/s")) ?? [];
    if (direction === undefined) throw refusal("InvalidParameterException", "The specified nextToken is invalid.");
    const forward = direction === "f";
    const from = Math.min(Number(place), visible.length);
    if (this.emptyPages && forward && nextToken !== undefined && mark === "s" && from < visible.length)
      return { events: [], nextForwardToken: `f/${from}/e`, nextBackwardToken: `b/${from}/s` };
    const { events, first, last } = cut(visible, from, forward, limit, (time) => time >= startTime && time < endTime);
    // At an end the token that was given comes back.
    const ahead = forward && last === from && nextToken !== undefined ? nextToken : `f/${last}/s`;
    return { events, nextForwardToken: ahead, nextBackwardToken: `b/${first}/s` };
  }
}

/** Events on a page, and where it begins and ends in the stream. */
function cut(
  all: readonly logs.OutputLogEvent[],
  from: number,
  forward: boolean,
  limit: number,
  wanted: (time: number) => boolean,
): { readonly events: logs.OutputLogEvent[]; readonly first: number; readonly last: number } {
  const events: logs.OutputLogEvent[] = [];
  let size = 0;
  let place = from;
  while (forward ? place < all.length : place > 0) {
    const event = all[forward ? place : place - 1];
    if (event === undefined) break;
    if (wanted(event.timestamp ?? 0)) {
      size += Buffer.byteLength(event.message ?? "") + 26;
      if (events.length >= limit || size > largestPage) break;
      events.push(event);
    }
    place += forward ? 1 : -1;
  }
  return forward ? { events, first: from, last: place } : { events: events.reverse(), first: place, last: from };
}
