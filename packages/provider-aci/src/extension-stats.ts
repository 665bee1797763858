// Figures of a pod from the metrics extension in its group, which answers at the pod's address.
import {
  type ContainerStats,
  type CPUStats,
  type MemoryStats,
  type PodStats,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";

const port = 18_899;
const longestAnswer = 1024 * 1024;

const count = v.pipe(v.number(), v.minValue(0));
const optional = v.optional(count);
const cpu = v.object({ usageCoreNanoSeconds: optional });
const memory = v.object({ usageBytes: optional, workingSetBytes: optional, rssBytes: optional });
const network = v.object({
  name: v.optional(v.string(), ""),
  ...{ rxBytes: optional, rxErrors: optional, txBytes: optional, txErrors: optional },
});
const answer: v.GenericSchema<unknown, ExtensionAnswer> = v.object({
  timestamp: count,
  containers: v.array(v.object({ name: v.string(), cpu: v.optional(cpu, {}), memory: v.optional(memory, {}) })),
  cpu: v.optional(cpu, {}),
  memory: v.optional(memory, {}),
  network: v.optional(v.object({ ...network.entries, interfaces: v.optional(v.array(network), []) })),
});

interface CPUFigures {
  readonly usageCoreNanoSeconds?: number | undefined;
}

interface MemoryFigures {
  readonly usageBytes?: number | undefined;
  readonly workingSetBytes?: number | undefined;
  readonly rssBytes?: number | undefined;
}

interface InterfaceFigures {
  readonly name: string;
  readonly rxBytes?: number | undefined;
  readonly rxErrors?: number | undefined;
  readonly txBytes?: number | undefined;
  readonly txErrors?: number | undefined;
}

/** Counters since the start. */
export interface ExtensionAnswer {
  /** Epoch nanoseconds. */
  readonly timestamp: number;
  readonly containers: readonly { readonly name: string; readonly cpu: CPUFigures; readonly memory: MemoryFigures }[];
  readonly cpu: CPUFigures;
  readonly memory: MemoryFigures;
  readonly network?: (InterfaceFigures & { readonly interfaces: readonly InterfaceFigures[] }) | undefined;
}

/** Throws Unavailable where nobody answers, or answers something else. */
export async function askExtension(address: string, signal: AbortSignal): Promise<ExtensionAnswer> {
  const host = address.includes(":") ? `[${address}]` : address;
  const response = await fetch(`http://${host}:${port}/v1/stats`, { signal, redirect: "error" });
  const text = await limitedText(response);
  if (!response.ok) throw new VirtualKubeletError("Unavailable", `the metrics extension answered ${response.status}`);
  return parseExtension(text);
}

async function limitedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > longestAnswer)
      throw new VirtualKubeletError("Unavailable", "the metrics extension answers without end");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Throws Unavailable for what is no answer of it. Pure. */
export function parseExtension(text: string): ExtensionAnswer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new VirtualKubeletError("Unavailable", "the metrics extension answered no JSON");
  }
  const result = v.safeParse(answer, value);
  if (result.success) return result.output;
  throw new VirtualKubeletError(
    "Unavailable",
    `the metrics extension answered what is not expected: ${v.getDotPath(result.issues[0]) ?? ""}`,
  );
}

export interface PodRuns {
  readonly startTime: string;
  /** Names of running containers of the pod, with the start of their run: the extension knows others, too. */
  readonly containers: ReadonlyMap<string, string>;
}

/** `before`: an answer of a while ago, for the present rate. Pure. */
export function extensionStats(
  now: ExtensionAnswer,
  before: ExtensionAnswer | undefined,
  { startTime, containers }: PodRuns,
): Omit<PodStats, "podRef"> {
  const time = new Date(now.timestamp / 1e6).toISOString();
  const seconds = before === undefined ? 0 : (now.timestamp - before.timestamp) / 1e9;
  const cpuOf = (used: number | undefined, usedBefore: number | undefined): CPUStats => ({
    time,
    ...(used !== undefined && { usageCoreNanoSeconds: used }),
    // A counter that fell is that of another run.
    ...(used !== undefined &&
      usedBefore !== undefined &&
      seconds > 0 &&
      used >= usedBefore && { usageNanoCores: Math.round((used - usedBefore) / seconds) }),
  });
  const memoryOf = (figures: MemoryFigures): MemoryStats => ({ time, ...figures });
  return {
    startTime,
    containers: now.containers.flatMap((each): ContainerStats[] => {
      const since = containers.get(each.name);
      if (since === undefined) return [];
      const old = before?.containers.find(({ name }) => name === each.name);
      return [
        {
          ...{ name: each.name, startTime: since },
          cpu: cpuOf(each.cpu.usageCoreNanoSeconds, old?.cpu.usageCoreNanoSeconds),
          memory: memoryOf(each.memory),
        },
      ];
    }),
    cpu: cpuOf(now.cpu.usageCoreNanoSeconds, before?.cpu.usageCoreNanoSeconds),
    memory: memoryOf(now.memory),
    ...(now.network !== undefined && { network: { time, ...now.network } }),
  };
}
