// The sizes that Fargate has, and which of them a pod gets. Pure.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { CreateNote } from "@virtual-kubelet/virtual-kubelet/cloud";

/** In units of ECS: 1024 are a vCPU; MiB. */
export interface TaskSize {
  readonly cpu: number;
  readonly memory: number;
}

interface Row {
  readonly cpu: number;
  readonly memory: readonly number[];
  /** There for Linux alone. */
  readonly linuxOnly?: true;
}

const steps = (from: number, to: number, step: number): readonly number[] =>
  Array.from({ length: (to - from) / step + 1 }, (_, index) => from + index * step);

const table: readonly Row[] = [
  { cpu: 256, memory: [512, 1024, 2048] },
  { cpu: 512, memory: steps(1024, 4096, 1024) },
  { cpu: 1024, memory: steps(2048, 8192, 1024) },
  { cpu: 2048, memory: steps(4096, 16_384, 1024) },
  { cpu: 4096, memory: steps(8192, 30_720, 1024) },
  { cpu: 8192, memory: steps(16_384, 61_440, 4096), linuxOnly: true },
  { cpu: 16_384, memory: steps(32_768, 122_880, 8192), linuxOnly: true },
];
/** Windows begins here. */
const smallestWindows = 1024;

export interface WantedSize {
  /** Thousandths of a core. */
  readonly milliCPU: number;
  readonly bytes: number;
}

/** The smallest that is enough: least CPU first, then least memory. Throws Invalid for what none is. */
export function taskSize(
  wanted: WantedSize,
  operatingSystem: string,
  field = "spec.containers[*].resources",
): TaskSize {
  const linux = operatingSystem === "LINUX";
  const rows = table.filter(({ cpu, linuxOnly }) => (linux ? true : linuxOnly !== true && cpu >= smallestWindows));
  const cpu = Math.ceil((wanted.milliCPU * 1024) / 1000);
  const memory = Math.ceil(wanted.bytes / 1024 ** 2);
  for (const row of rows) {
    const enough = row.memory.find((size) => size >= memory);
    if (row.cpu >= cpu && enough !== undefined) return { cpu: row.cpu, memory: enough };
  }
  const largest = rows.at(-1);
  throw new VirtualKubeletError(
    "Invalid",
    `the pod needs ${wanted.milliCPU}m of cpu and ${memory}Mi of memory; a Fargate task has at most ${(largest?.cpu ?? 0) / 1024} vCPU and ${(largest?.memory.at(-1) ?? 0) / 1024}Gi`,
    { field },
  );
}

/** What is told of a size that is not what was asked for; nothing of a pod that asks for nothing. */
export function sizeNotes({ milliCPU, bytes }: WantedSize, size: TaskSize): readonly CreateNote[] {
  const cpu = Math.ceil((milliCPU * 1024) / 1000);
  const memory = Math.ceil(bytes / 1024 ** 2);
  if ((cpu === size.cpu && memory === size.memory) || cpu + memory === 0) return [];
  const message = `${milliCPU}m of cpu and ${memory}Mi of memory became Fargate's next size: ${size.cpu / 1024} vCPU and ${size.memory}Mi`;
  return [{ eventType: "Normal", reason: "ResourcesRounded", message }];
}

/** GiB that Fargate gives without being asked, and between which it can be asked. */
export const ephemeralStorage: { readonly free: number; readonly least: number; readonly most: number } = {
  free: 20,
  least: 21,
  most: 200,
};

/** GiB to ask for; undefined: what there is anyway is enough. Throws Invalid beyond 200 GiB. */
export function storageSize(bytes: number, field: string): number | undefined {
  const wanted = Math.ceil(bytes / 1024 ** 3);
  if (wanted > ephemeralStorage.most)
    throw new VirtualKubeletError(
      "Invalid",
      `the pod needs ${wanted}Gi of ephemeral storage; Fargate has at most ${ephemeralStorage.most}Gi`,
      { field },
    );
  return wanted <= ephemeralStorage.free ? undefined : wanted;
}
