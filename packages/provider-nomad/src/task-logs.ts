// Logs of a task: Nomad keeps two files without times, for all runs of the task together. Both are read and merged line by line, in the
// order in which they come.
import {
  type CallContext,
  type Clock,
  type ContainerLogOptions,
  type ContainerLogs,
  isErrorKind,
  pause,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { leavable } from "@virtual-kubelet/virtual-kubelet/host";
import type { NomadClient } from "./nomad-client.ts";

export interface TaskLog {
  readonly client: Pick<NomadClient, "logs" | "allocation">;
  readonly clock: Clock;
  readonly allocation: string;
  readonly task: string;
  /** Between two looks at whether the task has ended, milliseconds; default 2000. */
  readonly everyMs?: number | undefined;
}

const newline = 10;
/** A line that is longer is passed on in parts. */
const longestLine = 256 * 1024;

/** Throws NotFound for a run before the present one when there was none. */
export async function taskLogs(
  log: TaskLog,
  options: ContainerLogOptions,
  context: CallContext,
): Promise<ContainerLogs> {
  const { TaskStates } = await log.client.allocation(log.allocation, context);
  const state = TaskStates?.[log.task];
  if (state === undefined || state.StartedAt === null || state.StartedAt === undefined)
    throw new VirtualKubeletError("NotFound", `container ${log.task} has not started yet`);
  if (options.previous === true && state.Restarts === 0)
    throw new VirtualKubeletError("NotFound", `previous terminated container ${log.task} not found`);
  const streams =
    options.stream === undefined ? (["stdout", "stderr"] as const) : ([ofStream(options.stream)] as const);
  const follow = options.follow === true && options.previous !== true && state.State !== "dead";
  return {
    format: "plain",
    data: leavable(context.signal, (signal) =>
      merged(streams.map((stream) => read(log, stream, follow, { ...context, signal }))),
    ),
    applied: ["follow", "stream"],
  };
}

function ofStream(stream: "Stdout" | "Stderr"): "stdout" | "stderr" {
  return stream === "Stdout" ? "stdout" : "stderr";
}

/** A stream that was never written to has no file. */
async function* read(
  { client, clock, allocation, task, everyMs = 2000 }: TaskLog,
  stream: "stdout" | "stderr",
  follow: boolean,
  context: CallContext,
): AsyncGenerator<Uint8Array> {
  const end = new AbortController();
  const signal = AbortSignal.any([context.signal, end.signal]);
  const request = { allocation, task, stream, follow, origin: "start" as const, offset: 0 };
  // Nomad goes on to wait for lines of a task that has ended.
  const watching = follow ? endOf({ client, clock, allocation, task, everyMs }, { ...context, signal }) : undefined;
  void watching?.then(
    () => end.abort(),
    () => end.abort(),
  );
  let offset = 0;
  try {
    for await (const chunk of client.logs(request, { ...context, signal })) {
      offset += chunk.length;
      yield chunk;
    }
  } catch (error) {
    // Who left wants no more of it.
    if (context.signal.aborted) return;
    if (!end.signal.aborted && !isErrorKind(error, "NotFound")) throw error;
  } finally {
    end.abort();
  }
  if (!follow || context.signal.aborted) return;
  // What was written between the last chunk and the end.
  try {
    yield* client.logs({ ...request, follow: false, offset }, context);
  } catch (error) {
    if (!isErrorKind(error, "NotFound", "Invalid")) throw error;
  }
}

/** Resolves when the task has ended or is gone. */
async function endOf(
  { client, clock, allocation, task, everyMs }: TaskLog & { readonly everyMs: number },
  context: CallContext,
): Promise<void> {
  while (!context.signal.aborted) {
    await pause(clock, everyMs, context.signal);
    if (context.signal.aborted) return;
    try {
      const { TaskStates, ClientStatus } = await client.allocation(allocation, context);
      if (TaskStates?.[task]?.State === "dead" || ["complete", "failed", "lost"].includes(ClientStatus)) return;
    } catch (error) {
      if (isErrorKind(error, "NotFound", "Aborted")) return;
      context.log.debug({ err: String(error) }, "whether a container whose log is followed has ended is not known now");
    }
  }
}

/** Whole lines of each, as they come. */
async function* merged(streams: readonly AsyncGenerator<Uint8Array>[]): AsyncGenerator<Uint8Array, undefined> {
  const [only] = streams;
  if (streams.length === 1 && only !== undefined) {
    yield* only;
    return undefined;
  }
  const sources = streams.map((stream) => lines(stream));
  const waiting = new Map(sources.map((source) => [source, source.next()]));
  try {
    while (waiting.size > 0) {
      const { source, result } = await Promise.race(
        [...waiting].map(async ([each, next]) => ({ source: each, result: await next })),
      );
      if (result.done === true) {
        waiting.delete(source);
        continue;
      }
      waiting.set(source, source.next());
      yield result.value;
    }
  } finally {
    for (const next of waiting.values()) next.catch(() => {});
    await Promise.all(sources.map((source) => source.return(undefined).catch(() => {})));
  }
  return undefined;
}

/** Cut after the last whole line of what has come. */
async function* lines(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of stream) {
    const whole = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = whole.lastIndexOf(newline) + 1;
    const cut = whole.length - end > longestLine ? whole.length : end;
    if (cut > 0) yield whole.subarray(0, cut);
    rest = whole.subarray(cut);
  }
  if (rest.length > 0) yield Buffer.concat([rest, Buffer.from([newline])]);
}
