// Logs of containers: as the cloud keeps them, the end of the present run, with times; and what was kept of the run before.
import {
  type CallContext,
  type Clock,
  type ContainerLogOptions,
  type ContainerLogs,
  isErrorKind,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { followedByPolling, type GroupContainer, timedLines } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciClient, ArmCall } from "./arm-client.ts";
import type { EndedLogs } from "./ended-logs.ts";

/**
 * Whose log is meant: "present", or the text that was kept of the run before. Throws NotFound for what nobody keeps, and for
 * containers that have not run.
 */
export function runOf(
  { group, container }: GroupContainer,
  options: ContainerLogOptions,
  ended: Pick<EndedLogs, "of">,
): "present" | { readonly kept: string } {
  const report = group.containers.find(({ name }) => name === container);
  const notFound = (message: string): VirtualKubeletError => new VirtualKubeletError("NotFound", message);
  if (report === undefined) throw notFound(`container ${container} is not there`);
  const { state, lastState, containerID, restartCount = 0 } = report;
  if (options.previous === true) {
    if (lastState === undefined) throw notFound(`previous terminated container ${container} not found`);
    // The next run has not begun.
    if (state.waiting !== undefined) return "present";
    const kept = ended.of(group.owner.uid, container, restartCount - 1);
    if (kept !== undefined) return { kept };
    throw notFound(`the cloud keeps no log of the run before: container ${container} has started anew`);
  }
  if (options.containerID !== undefined && containerID !== undefined && options.containerID !== containerID)
    throw notFound(`the cloud keeps no log of the run ${options.containerID}`);
  if (state.running === undefined && state.terminated === undefined && lastState === undefined)
    throw notFound(`container ${container} is waiting to start: ${state.waiting?.reason ?? "ContainerCreating"}`);
  return "present";
}

export interface LogReaderOptions {
  readonly client: Pick<AciClient, "listLogs" | "get">;
  readonly clock: Clock;
  readonly ended: Pick<EndedLogs, "of">;
  /** Milliseconds between two looks at a log that is followed. */
  readonly followEveryMs: number;
}

/** `name`: of the group. */
export async function readLogs(
  reader: LogReaderOptions,
  target: GroupContainer,
  name: string,
  options: ContainerLogOptions,
  context: CallContext,
): Promise<ContainerLogs> {
  const run = runOf(target, options, reader.ended);
  if (run !== "present") return { format: "timestamped", data: once(Buffer.from(run.kept)), applied: [] };
  const { tailLines, follow = false } = options;
  const applied: NonNullable<ContainerLogs["applied"]> = [
    ...(tailLines === undefined ? [] : (["tailLines"] as const)),
    ...(follow ? (["follow"] as const) : []),
  ];
  if (follow) return { format: "timestamped", data: followed(reader, target, name, tailLines, context), applied };
  // The cloud takes 0 for all.
  const text = tailLines === 0 ? "" : await textOf(reader, target, name, tailLines, { ...context, urgency: "now" });
  return { format: "timestamped", data: once(Buffer.from(text)), applied };
}

/** Of a log that is followed; more where that does not reach the lines that are known. */
const tailOfFollowed = 1_000;
const lookEveryMs = 5_000;

function followed(
  reader: LogReaderOptions,
  target: GroupContainer,
  name: string,
  tailLines: number | undefined,
  { log, signal }: CallContext,
): AsyncIterable<Uint8Array> {
  const { clock, followEveryMs } = reader;
  let lookedAt = Number.NEGATIVE_INFINITY;
  return followedByPolling({
    ...{ clock, signal, tailLines, everyMs: followEveryMs },
    read: async (since, limited) => {
      const call = { log, signal: limited, urgency: "now" } as const;
      if (since === undefined && tailLines === undefined)
        return { lines: timedLines(await textOf(reader, target, name, undefined, call)) };
      const wanted = since === undefined ? Math.max(1, tailLines ?? 0) : tailOfFollowed;
      const lines = timedLines(await textOf(reader, target, name, wanted, call));
      const isCut = since !== undefined && lines.length >= wanted && (lines[0]?.time ?? "") > since;
      return { lines: isCut ? timedLines(await textOf(reader, target, name, undefined, call)) : lines };
    },
    ended: async (limited) => {
      // A command to look costs as much as one to read.
      if (clock.now() - lookedAt < Math.min(lookEveryMs, 3 * followEveryMs)) return false;
      lookedAt = clock.now();
      return hasRunEnded(reader, target, name, { log, signal: limited });
    },
  });
}

async function hasRunEnded(
  { client }: LogReaderOptions,
  { group, container }: GroupContainer,
  name: string,
  context: CallContext,
): Promise<boolean> {
  try {
    const { properties } = await client.get(name, context);
    const found = [...(properties.initContainers ?? []), ...properties.containers].find(
      (each) => each.name === container,
    )?.properties.instanceView;
    const before = group.containers.find((each) => each.name === container)?.restartCount ?? 0;
    return found?.currentState?.state !== "Running" || (found.restartCount ?? 0) > before;
  } catch (error) {
    if (isErrorKind(error, "NotFound")) return true;
    throw error;
  }
}

async function textOf(
  { client }: LogReaderOptions,
  { container }: GroupContainer,
  name: string,
  tail: number | undefined,
  call: ArmCall,
): Promise<string> {
  return client.listLogs(name, container, { tail, timestamps: true }, call);
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes;
}
