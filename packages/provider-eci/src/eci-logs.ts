// Logs of containers as the cloud keeps them: up to 2000 lines and 1 MiB of the end of the present run and of the one before, with times.
import {
  type CallContext,
  type Clock,
  type ContainerLogOptions,
  type ContainerLogs,
  isErrorKind,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { followedByPolling, type GroupContainer, timedLines } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { EciCall, EciClient } from "./eci-client.ts";

/** Of one answer. */
const mostLines = 2_000;
const lookEveryMs = 5_000;

export interface LogReaderOptions {
  readonly client: Pick<EciClient, "log" | "describe">;
  readonly clock: Clock;
  /** Milliseconds between two looks at a log that is followed. */
  readonly followEveryMs: number;
}

export async function readLogs(
  reader: LogReaderOptions,
  target: GroupContainer,
  options: ContainerLogOptions,
  context: CallContext,
): Promise<ContainerLogs> {
  const previous = isPrevious(target, options);
  const { tailLines, follow = false, sinceTime } = options;
  const applied: NonNullable<ContainerLogs["applied"]> = [
    ...(tailLines === undefined ? [] : (["tailLines"] as const)),
    ...(follow ? (["follow"] as const) : []),
  ];
  if (follow && !previous)
    return { format: "timestamped", data: followed(reader, target, tailLines, context), applied };
  // Lines are counted from the end before their times are looked at.
  const from = tailLines === undefined && sinceTime !== undefined ? { startTime: startOf(sinceTime) } : {};
  const asked = { tail: Math.min(tailLines ?? mostLines, mostLines), previous, ...from };
  const text = tailLines === 0 ? "" : await textOf(reader, target, asked, { ...context, urgency: "now" });
  return { format: "timestamped", data: once(Buffer.from(text)), applied };
}

/** Throws NotFound for runs that the cloud keeps nothing of, and for containers that have not run. */
export function isPrevious({ group, container }: GroupContainer, options: ContainerLogOptions): boolean {
  const report = group.containers.find(({ name }) => name === container);
  const notFound = (message: string): VirtualKubeletError => new VirtualKubeletError("NotFound", message);
  if (report === undefined) throw notFound(`container ${container} is not there`);
  const { state, lastState, containerID } = report;
  const before = lastState?.terminated?.containerID;
  const wanted = options.containerID;
  if (wanted !== undefined && containerID !== undefined && wanted !== containerID) {
    if (lastState !== undefined && isRunBefore(wanted, containerID, before)) return true;
    throw notFound(`the cloud keeps no log of the run ${wanted}`);
  }
  if (options.previous === true && wanted === undefined) {
    if (lastState === undefined) throw notFound(`previous terminated container ${container} not found`);
    return true;
  }
  if (state.running === undefined && state.terminated === undefined) {
    // It waits to start anew: what it wrote is that of the run before.
    if (lastState !== undefined) return true;
    throw notFound(`container ${container} is waiting to start: ${state.waiting?.reason ?? "ContainerCreating"}`);
  }
  return false;
}

/** IDs end with the number of their run. */
function isRunBefore(wanted: string, present: string, before: string | undefined): boolean {
  const number = (id: string): number => Number(/\/(\d+)$/.exec(id)?.[1] ?? Number.NaN);
  return wanted === before || number(wanted) === number(present) - 1;
}

function followed(
  reader: LogReaderOptions,
  target: GroupContainer,
  tailLines: number | undefined,
  { log, signal }: CallContext,
): AsyncIterable<Uint8Array> {
  const { clock, followEveryMs } = reader;
  let lookedAt = Number.NEGATIVE_INFINITY;
  return followedByPolling({
    ...{ clock, signal, tailLines, everyMs: followEveryMs },
    read: async (since, limited) => {
      const call = { log, signal: limited, urgency: "now" } as const;
      const tail = since === undefined ? Math.min(Math.max(1, tailLines ?? mostLines), mostLines) : mostLines;
      const from = since === undefined ? {} : { startTime: startOf(since) };
      return { lines: timedLines(await textOf(reader, target, { tail, previous: false, ...from }, call)) };
    },
    ended: async (limited) => {
      if (clock.now() - lookedAt < Math.min(lookEveryMs, 3 * followEveryMs)) return false;
      lookedAt = clock.now();
      return hasRunEnded(reader, target, { log, signal: limited });
    },
  });
}

async function hasRunEnded(
  { client }: LogReaderOptions,
  { group, container }: GroupContainer,
  context: CallContext,
): Promise<boolean> {
  try {
    const [found] = await client.describe({ ids: [group.id] }, context);
    const views = [...(found?.InitContainers ?? []), ...(found?.Containers ?? [])];
    const view = views.find(({ Name }) => Name === container);
    const before = group.containers.find(({ name }) => name === container)?.restartCount ?? 0;
    return view?.CurrentState?.State !== "Running" || (view.RestartCount ?? 0) > before;
  } catch (error) {
    if (isErrorKind(error, "NotFound")) return true;
    throw error;
  }
}

function textOf(
  { client }: LogReaderOptions,
  { group, container }: GroupContainer,
  asked: { readonly tail: number; readonly previous: boolean; readonly startTime?: string },
  call: EciCall,
): Promise<string> {
  const { previous, ...others } = asked;
  return client.log(group.id, container, { ...others, timestamps: true, ...(previous && { previous }) }, call);
}

/** To the whole second before: the cloud's answers reach into one another then. */
function startOf(time: string): string {
  return new Date(Math.floor(Date.parse(time) / 1000) * 1000).toISOString().replace(/\.\d+Z$/, "Z");
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
