// What this host is as a node: what it has, and whether it runs short of it. Pure but for `hostNow`.
import { readFileSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { milliUnits, parseQuantity, wholeUnits } from "../kube/quantity.ts";
import type { NodeReport } from "../provider/node.ts";
import { type DiskFigures, diskFigures, memoryFigures, type PidFigures, pidFigures } from "./host-figures.ts";

export interface NodeConfig {
  /** Quantities by resource; in place of what is found. */
  readonly capacity: Readonly<Record<string, string>>;
  /** Quantities, or shares like "10%": below them the node is under pressure. */
  readonly pressure: Readonly<Record<"memoryAvailable" | "diskAvailable" | "inodesFree" | "pidsAvailable", string>>;
  /** Quantities by resource, kept from pods beside what pressure keeps. Absent: pods may have all that there is. */
  readonly reserved?: Readonly<Record<string, string>> | undefined;
}

export interface HostNow {
  readonly cpus: number;
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number };
  readonly disk: DiskFigures;
  /** Where images and what containers write are kept apart from the rest. */
  readonly imageDisk?: DiskFigures | undefined;
  readonly pids: PidFigures;
}

export function hostNow(directory: string): HostNow {
  return { cpus: availableParallelism(), memory: memoryFigures(), disk: diskFigures(directory), pids: pidFigures() };
}

const defaultPods = "110";

export function nodeReport(host: HostNow, config: NodeConfig): NodeReport {
  const { memory, disk, imageDisk, pids } = host;
  const { pressure } = config;
  const short = {
    MemoryPressure: below(memory.availableBytes, memory.totalBytes, pressure.memoryAvailable),
    DiskPressure: [disk, ...(imageDisk === undefined ? [] : [imageDisk])].some(
      ({ availableBytes, totalBytes, inodes, inodesFree }) =>
        below(availableBytes, totalBytes, pressure.diskAvailable) ||
        // Some file systems count none.
        (inodes > 0 && below(inodesFree, inodes, pressure.inodesFree)),
    ),
    PIDPressure: below(pids.max - pids.current, pids.max, pressure.pidsAvailable),
  };
  const capacity = {
    cpu: String(host.cpus),
    memory: `${Math.floor(memory.totalBytes / 1024)}Ki`,
    "ephemeral-storage": `${Math.floor(disk.totalBytes / 1024)}Ki`,
    pods: defaultPods,
    ...config.capacity,
  };
  return {
    capacity,
    ...(config.reserved !== undefined && { allocatable: allocatable(capacity, config.reserved, pressure) }),
    // Who asks for it has the groups of the pod alone, whatever the image says of its users.
    features: { supplementalGroupsPolicy: true },
    conditions: (["MemoryPressure", "DiskPressure", "PIDPressure"] as const).map((type) => ({
      type,
      status: short[type] ? "True" : "False",
      ...words[type][short[type] ? "short" : "enough"],
    })),
  };
}

/** As kubelets have them. */
const words = {
  MemoryPressure: {
    enough: { reason: "KubeletHasSufficientMemory", message: "kubelet has sufficient memory available" },
    short: { reason: "KubeletHasInsufficientMemory", message: "kubelet has insufficient memory available" },
  },
  DiskPressure: {
    enough: { reason: "KubeletHasNoDiskPressure", message: "kubelet has no disk pressure" },
    short: { reason: "KubeletHasDiskPressure", message: "kubelet has disk pressure" },
  },
  PIDPressure: {
    enough: { reason: "KubeletHasSufficientPID", message: "kubelet has sufficient PID available" },
    short: { reason: "KubeletHasInsufficientPID", message: "kubelet has insufficient PID available" },
  },
} as const;

/** Pods that use all of it do not bring the node under pressure. Never less than nothing. */
function allocatable(
  capacity: Readonly<Record<string, string>>,
  reserved: Readonly<Record<string, string>>,
  pressure: NodeConfig["pressure"],
): Readonly<Record<string, string>> {
  const thresholds: Readonly<Record<string, string>> = {
    memory: pressure.memoryAvailable,
    "ephemeral-storage": pressure.diskAvailable,
  };
  return Object.fromEntries(
    Object.entries(capacity).map(([name, text]) => {
      const [total, kept, threshold] = [parseQuantity(text), reserved[name], thresholds[name]];
      if (kept === undefined && threshold === undefined) return [name, text];
      const evicting = threshold === undefined ? 0n : BigInt(Math.ceil(amountOf(threshold, Number(wholeUnits(total)))));
      const left = total - parseQuantity(kept ?? "0") - evicting * parseQuantity("1");
      if (left <= 0n) return [name, "0"];
      return [name, name === "cpu" ? `${milliUnits(left)}m` : `${wholeUnits(left)}`];
    }),
  );
}

function below(left: number, total: number, threshold: string): boolean {
  return left < amountOf(threshold, total);
}

function amountOf(threshold: string, total: number): number {
  return threshold.endsWith("%")
    ? (total * Number.parseFloat(threshold)) / 100
    : Number(wholeUnits(parseQuantity(threshold)));
}

/** `runtime` is `type://version`. */
export function nodeInfo(runtime: string, boot: string): NonNullable<NodeReport["nodeInfo"]> {
  const text = (path: string): string => {
    try {
      return readFileSync(path, "utf8").trim();
    } catch {
      return "";
    }
  };
  return {
    bootID: boot,
    containerRuntimeVersion: runtime,
    kernelVersion: release(),
    machineID: text("/etc/machine-id"),
    // Of the hardware; machines without one are told by the other.
    systemUUID: text("/sys/class/dmi/id/product_uuid") || text("/etc/machine-id"),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text("/etc/os-release"))?.[1] ?? "Linux",
  };
}
