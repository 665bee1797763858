// Logs of a run of a task: Nomad keeps two files without times, for all runs of the task together. Both are read and merged line by
// line, in the order in which they come.
import {
  type CallContext,
  type Clock,
  type ContainerLogOptions,
  type ContainerLogs,
  type ContainerReport,
  isErrorKind,
  pause,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { leavable } from "@virtual-kubelet/virtual-kubelet/host";
import type { NomadClient } from "./nomad-client.ts";
import type { LogRange, LogStream } from "./run-logs.ts";
import { taskReport } from "./task-report.ts";

export interface TaskLog {
  readonly client: Pick<NomadClient, "logs" | "allocation">;
  readonly clock: Clock;
  readonly allocation: string;
  readonly task: string;
  /** Of the run that is asked for. */
  readonly range: (run: number) => Promise<Readonly<Record<LogStream, LogRange>>>;
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
  const report = taskReport({ ...{ name: log.task, allocation: log.allocation, task: state }, ...plain });
  const run = runAsked(report, options);
  if (run === undefined)
    throw new VirtualKubeletError("NotFound", `previous terminated container ${log.task} not found`);
  const ranges = await log.range(run);
  const streams =
    options.stream === undefined ? (["stdout", "stderr"] as const) : ([ofStream(options.stream)] as const);
  const isRunning = state.State === "running" && run === (report.restartCount ?? 0);
  const follow = options.follow === true && isRunning ? state.Restarts : undefined;
  return {
    format: "plain",
    data: leavable(context.signal, (signal) =>
      merged(streams.map((stream) => read({ ...log, range: ranges[stream] }, stream, follow, { ...context, signal }))),
    ),
    applied: ["follow", "stream"],
  };
}

function ofStream(stream: "Stdout" | "Stderr"): LogStream {
  return stream === "Stdout" ? "stdout" : "stderr";
}

const plain = { endsOnce: false, isInitializing: false };

/** Undefined: there was none before the first. */
function runAsked(
  { restartCount = 0, state, lastState }: ContainerReport,
  { containerID, previous }: ContainerLogOptions,
): number | undefined {
  const named = /^nomad:\/\/[^/]+\/.*\/(\d+)$/.exec(containerID ?? "")?.[1];
  if (named !== undefined) return Number(named);
  if (previous !== true) return restartCount;
  if (lastState?.terminated === undefined && restartCount === 0) return undefined;
  return state.waiting === undefined ? restartCount - 1 : restartCount;
}

/** A stream that was never written to has no file. `follow`: while Nomad counts so many restarts. */
async function* read(
  { client, clock, allocation, task, range, everyMs = 2000 }: Omit<TaskLog, "range"> & { readonly range: LogRange },
  stream: LogStream,
  follow: number | undefined,
  context: CallContext,
): AsyncGenerator<Uint8Array> {
  if (follow === undefined) {
    yield* upTo(
      range,
      client.logs({ allocation, task, stream, follow: false, origin: "start", offset: range.from }, context),
    );
    return;
  }
  const end = new AbortController();
  const signal = AbortSignal.any([context.signal, end.signal]);
  const request = { allocation, task, stream, follow: true, origin: "start" as const, offset: range.from };
  // Nomad goes on to wait for lines of a task that has ended.
  const watching = endOf({ client, clock, allocation, task, everyMs, restarts: follow }, { ...context, signal });
  void watching.then(
    () => end.abort(),
    () => end.abort(),
  );
  let offset = range.from;
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
  if (context.signal.aborted) return;
  // What was written between the last chunk and the end.
  try {
    yield* client.logs({ ...request, follow: false, offset }, context);
  } catch (error) {
    if (!isErrorKind(error, "NotFound", "Invalid")) throw error;
  }
}

/** Nothing where there is no file. */
async function* upTo({ from, to }: LogRange, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = to === undefined ? Number.POSITIVE_INFINITY : to - from;
  if (left <= 0) return;
  try {
    for await (const chunk of chunks) {
      yield chunk.length > left ? chunk.subarray(0, left) : chunk;
      left -= chunk.length;
      if (left <= 0) return;
    }
  } catch (error) {
    if (!isErrorKind(error, "NotFound", "Invalid")) throw error;
  }
}

/** Resolves when the run has ended or is gone. */
async function endOf(
  {
    client,
    clock,
    allocation,
    task,
    everyMs,
    restarts,
  }: Omit<TaskLog, "range"> & { readonly everyMs: number; readonly restarts: number },
  context: CallContext,
): Promise<void> {
  while (!context.signal.aborted) {
    await pause(clock, everyMs, context.signal);
    if (context.signal.aborted) return;
    try {
      const { TaskStates, ClientStatus } = await client.allocation(allocation, context);
      const { State, Restarts = 0 } = TaskStates?.[task] ?? {};
      if (State === "dead" || Restarts > restarts || ["complete", "failed", "lost"].includes(ClientStatus)) return;
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
