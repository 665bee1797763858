// The log of a container in CloudWatch: its stream is known by name, is read in pages, and followed by the token of the next one.
import type { OutputLogEvent } from "@aws-sdk/client-cloudwatch-logs";
import {
  type CallContext,
  type Clock,
  type ContainerLogOptions,
  type ContainerLogs,
  isErrorKind,
  pause,
} from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";

export interface LogStream {
  readonly group: string;
  readonly name: string;
  /** No line before and none after is wanted, epoch milliseconds; undefined: from its begin, to its end. */
  readonly from?: number | undefined;
  readonly to?: number | undefined;
  /** Undefined: nothing is written any more, it cannot be followed. */
  readonly following?: LogFollowing | undefined;
}

export interface LogFollowing {
  /** Nothing will be written any more. */
  readonly hasEnded: (context: CallContext) => Promise<boolean>;
  /** The last time of what is followed, where another run has begun since: epoch milliseconds. */
  readonly endsAt: () => number | undefined;
}

/** Lines of a page, and the most that are kept to find the last ones: more is left to the core. */
const pageLines = 10_000;
/** Between two looks for more, milliseconds: longer while nothing comes. */
const followMs = { least: 1_000, most: 5_000 };
/** CloudWatch shows a line some seconds after it was written: so many looks that find nothing are the end. */
const looksAfterEnd = 3;

type Page = {
  readonly events: readonly OutputLogEvent[];
  readonly forward: string | undefined;
  readonly backward: string | undefined;
};

/** Throws NotFound when there is no such stream, unless it is followed: then it may come yet. */
export async function taskLogs(
  { aws, clock }: { readonly aws: Pick<AwsApi, "getLogEvents">; readonly clock: Clock },
  stream: LogStream,
  options: ContainerLogOptions,
  context: CallContext,
): Promise<ContainerLogs> {
  const { sinceTime, tailLines } = options;
  const { from, to } = stream;
  const following = options.follow === true ? stream.following : undefined;
  const since = sinceTime === undefined ? undefined : Math.floor(Date.parse(sinceTime));
  const base = {
    ...{ logGroupName: stream.group, logStreamName: stream.name },
    ...(to === undefined ? {} : { endTime: to + 1 }),
  };
  const isTail = tailLines !== undefined && tailLines <= pageLines;
  // The last lines are counted before it is looked at when they were written.
  const startTime = isTail || since === undefined ? from : Math.max(since, from ?? since);

  const page = async (input: {
    startFromHead: boolean;
    nextToken?: string | undefined;
    limit?: number;
  }): Promise<Page | undefined> => {
    // CloudWatch refuses times that leave nothing between them.
    if (startTime !== undefined && to !== undefined && startTime > to)
      return { events: [], forward: input.nextToken, backward: undefined };
    try {
      const answer = await aws.getLogEvents({ ...base, startTime, ...input }, context);
      return { events: answer.events ?? [], forward: answer.nextForwardToken, backward: answer.nextBackwardToken };
    } catch (error) {
      if (!isErrorKind(error, "NotFound") || following === undefined) throw error;
      return undefined;
    }
  };

  async function lastPage(
    lines: number,
  ): Promise<{ readonly events: readonly OutputLogEvent[]; readonly forward: string | undefined }> {
    let found: readonly OutputLogEvent[] = [];
    let nextToken: string | undefined;
    let forward: string | undefined;
    for (;;) {
      const one = await page({ startFromHead: false, nextToken, limit: Math.max(1, lines - found.length) });
      if (one === undefined) return { events: [], forward: undefined };
      forward ??= one.forward;
      found = [...one.events, ...found];
      if (found.length >= lines || one.backward === undefined || one.backward === nextToken) break;
      nextToken = one.backward;
    }
    const last = lines === 0 ? [] : found.slice(-lines);
    return { events: last.filter(({ timestamp = 0 }) => since === undefined || timestamp >= since), forward };
  }

  const first = isTail ? await lastPage(tailLines) : await page({ startFromHead: true });

  async function* data(): AsyncGenerator<Uint8Array> {
    let token = first?.forward;
    if (first !== undefined && first.events.length > 0) yield bytesOf(first.events);
    if (isTail && following === undefined) return;
    let waitMs = followMs.least;
    let quietLooks = 0;
    let ended = false;
    while (!context.signal.aborted) {
      const endsAt = following?.endsAt();
      const next = await page({ startFromHead: true, ...(token === undefined ? {} : { nextToken: token }) });
      const isLast = next === undefined || next.forward === token;
      const events = (next?.events ?? []).filter(({ timestamp = 0 }) => endsAt === undefined || timestamp <= endsAt);
      if (events.length > 0) {
        yield bytesOf(events);
        waitMs = followMs.least;
        quietLooks = 0;
      }
      // The lines of the run that began since are those of another log.
      if (events.length < (next?.events.length ?? 0)) return;
      token = next?.forward ?? token;
      if (!isLast) continue;
      if (following === undefined) return;
      if (events.length === 0) quietLooks += 1;
      if (ended && quietLooks >= looksAfterEnd) return;
      if (!ended && quietLooks % looksAfterEnd === 0 && quietLooks > 0) {
        ended = endsAt !== undefined || (await following.hasEnded(context));
        if (ended) {
          quietLooks = 0;
          waitMs = followMs.least;
        }
      }
      await pause(clock, waitMs, context.signal);
      if (!ended) waitMs = Math.min(waitMs * 1.5, followMs.most);
    }
  }
  return {
    format: "timestamped",
    data: data(),
    applied: ["follow", "sinceTime", ...(isTail ? (["tailLines"] as const) : [])],
  };
}

function bytesOf(events: readonly OutputLogEvent[]): Uint8Array {
  const lines = events.flatMap(({ timestamp = 0, message = "" }) => {
    const time = new Date(timestamp).toISOString();
    return message
      .replace(/\r?\n$/, "")
      .split("\n")
      .map((text) => `${time} ${text}\n`);
  });
  return new TextEncoder().encode(lines.join(""));
}
