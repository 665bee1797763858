// A simulated container's log as a stream: the part that is wanted, in the format asked for, and on until the run ends.
import { type Clock, pause } from "../../clock.ts";
import { VirtualKubeletError } from "../../errors.ts";
import type { ContainerLogOptions, ContainerLogs, ContainerTarget } from "../../provider/streams.ts";
import { behaviourOf, defaultBehaviour, rolesOf } from "./behaviour.ts";
import { bulkLines } from "./bulk-lines.ts";
import { runID } from "./container-report.ts";
import { type LogFormat, type LogSettings, mainOf } from "./log-settings.ts";
import { formatTime, type LogLine, parseTime, RunLog } from "./run-log.ts";
import type { RunWatch } from "./run-watch.ts";
import { type ContainerRun, type ContainerRuns, runsOf } from "./runs.ts";

const chunkBytes = 64 * 1024;

export interface LogWorld {
  readonly clock: Clock;
  readonly watch: RunWatch;
}

/** The settings of a container's log, and what writes it. */
export function logOf(target: ContainerTarget): { readonly settings: LogSettings; readonly isSilent: boolean } {
  const { log: settings } = behaviourOf(target.pod, defaultBehaviour, 0).container(target.container);
  const spec = rolesOf(target.pod).find(({ container }) => container.name === target.container)?.container;
  return { settings, isSilent: mainOf(settings, spec) !== "log" };
}

export function runLog(target: ContainerTarget, settings: LogSettings, run: ContainerRun): RunLog {
  const spec = rolesOf(target.pod).find(({ container }) => container.name === target.container)?.container;
  const subject = { uid: target.owner.uid, container: target.container, image: spec?.image ?? "" };
  return new RunLog(settings, subject, run);
}

/** `all`: the pod's runs as they were at that time or later. Throws NotFound when there is no such container or run. */
export function containerLogs(
  target: ContainerTarget,
  options: ContainerLogOptions,
  { all, at }: { readonly all: readonly ContainerRuns[]; readonly at: number },
  world: LogWorld,
  signal: AbortSignal,
): ContainerLogs {
  const { container, owner } = target;
  const { latest, previous } = runsOf(all, container, owner.name);
  const meant = options.previous === true ? previous : latest;
  const { containerID } = options;
  const run =
    containerID === undefined
      ? meant
      : [latest, previous].find((each) => each && containerID === runID(owner, container, each.attempt));
  const named = `container ${JSON.stringify(container)} in pod ${JSON.stringify(owner.name)}`;
  if (run === undefined) {
    const message =
      options.previous === true ? `previous terminated ${named} not found` : `${named} is waiting to start`;
    throw new VirtualKubeletError("NotFound", message);
  }
  const since = options.sinceTime === undefined ? undefined : parseTime(options.sinceTime);
  if (options.sinceTime !== undefined && since === undefined) {
    throw new VirtualKubeletError("Invalid", `sinceTime: ${JSON.stringify(options.sinceTime)} is no time`);
  }
  const { settings, isSilent } = logOf(target);
  const log = runLog(target, settings, run);
  const range = log.range(run, at);
  let from = range.first;
  if (options.tailLines !== undefined) from = Math.max(from, range.end - options.tailLines);
  if (since !== undefined) from = Math.max(from, log.firstSince(run, range, since));
  const stop = new AbortController();
  const ranges = followLog(
    { target, log, run, from, at, isSilent, follow: options.follow === true },
    world,
    AbortSignal.any([signal, stop.signal]),
  );
  const wanted = options.stream === "Stdout" ? "stdout" : options.stream === "Stderr" ? "stderr" : undefined;
  const data = encoded(log, ranges, settings.format, wanted);
  return {
    format: settings.format,
    applied: ["follow", "sinceTime", "tailLines", "stream"],
    data: {
      [Symbol.asyncIterator]: () => ({
        next: () => data.next(),
        // While a line is waited for, the generator would not hear of it.
        return: async () => {
          stop.abort();
          return await data.return(undefined);
        },
      }),
    },
  };
}

export interface Followed {
  readonly target: ContainerTarget;
  readonly log: RunLog;
  readonly run: ContainerRun;
  /** Index of the first line wanted. */
  readonly from: number;
  /** When the run was as it is given; epoch milliseconds. */
  readonly at: number;
  /** Nothing is written, though a run ends. */
  readonly isSilent: boolean;
  readonly follow: boolean;
}

/** Lines by their indices. */
export interface LogRange {
  readonly run: ContainerRun;
  readonly from: number;
  /** Below this. */
  readonly end: number;
}

/** Lines as they come, until the run ends or the signal aborts. Throws Unavailable when the backend is lost. */
export async function* followLog(
  { target, log, run, from, at, isSilent, follow }: Followed,
  { clock, watch }: LogWorld,
  caller: AbortSignal,
): AsyncGenerator<LogRange> {
  const stop = new AbortController();
  const signal = AbortSignal.any([caller, stop.signal]);
  const over = new AbortController();
  let now = at;
  const done = AbortSignal.any([signal, over.signal]);
  const { owner, container } = target;
  let current = run;
  const mayGrow = follow && run.ended === undefined;
  const ending = mayGrow ? watch.ended(owner, container, run, signal).finally(() => over.abort()) : undefined;
  // Awaited below, but for a reader that leaves before.
  ending?.catch(() => {});
  try {
    for (let next = from; ; ) {
      if (ending !== undefined && over.signal.aborted) current = await ending;
      const { first, end } = isSilent ? { first: 0, end: 0 } : log.range(current, now);
      next = Math.max(next, first);
      if (next < end) yield { run: current, from: next, end };
      next = Math.max(next, end);
      if (ending === undefined || current.ended !== undefined || signal.aborted) return;
      const until = isSilent ? Number.POSITIVE_INFINITY : log.nextAt(now);
      await pause(clock, Math.min(until - clock.now(), 2 ** 31 - 1), done);
      if (signal.aborted) return;
      now = clock.now();
      // A backend that is elsewhere may have ended the run before this line, and its word be on its way.
      if (!over.signal.aborted && (await watch.look(owner, container, run, signal)).ended !== undefined) await ending;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop.abort();
  }
}

export function* linesOf(log: RunLog, { run, from, end }: LogRange): Generator<LogLine> {
  for (let index = from; index < end; index++) yield log.line(run, index);
}

async function* encoded(
  log: RunLog,
  ranges: AsyncIterable<LogRange>,
  format: LogFormat,
  stream: LogLine["stream"] | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const { run, from, end } of ranges) {
    const bulk = { from: Math.max(1, from), end: Math.min(log.bulkEnd, end) };
    if (bulk.from >= bulk.end) {
      yield* encodedLines(linesOf(log, { run, from, end }), format, stream);
      continue;
    }
    yield* encodedLines(linesOf(log, { run, from, end: bulk.from }), format, stream);
    if (stream !== "stderr") yield* bulkLines(log, format, bulk.from, bulk.end);
    yield* encodedLines(linesOf(log, { run, from: bulk.end, end }), format, stream);
  }
}

function* encodedLines(
  lines: Iterable<LogLine>,
  format: LogFormat,
  stream: LogLine["stream"] | undefined,
): Generator<Uint8Array> {
  let text = "";
  for (const line of lines) {
    if (stream !== undefined && line.stream !== stream) continue;
    if (format === "plain") text += `${line.text}\n`;
    else if (format === "timestamped") text += `${formatTime(line)} ${line.text}\n`;
    else text += `${formatTime(line)} ${line.stream} F ${line.text}\n`;
    if (text.length < chunkBytes) continue;
    yield Buffer.from(text);
    text = "";
  }
  if (text !== "") yield Buffer.from(text);
}
