// What this host is as a node: what it has, and whether it runs short of it. Pure but for `hostNow`.
import { readFileSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { parseQuantity, wholeUnits } from "../kube/quantity.ts";
import type { NodeReport } from "../provider.ts";
import { type DiskFigures, diskFigures, memoryFigures, type PidFigures, pidFigures } from "./host-figures.ts";

export interface NodeConfig {
  /** Quantities by resource; in place of what is found. */
  readonly capacity: Readonly<Record<string, string>>;
  /** Quantities, or shares like "10%": below them the node is under pressure. */
  readonly pressure: Readonly<Record<"memoryAvailable" | "diskAvailable" | "inodesFree" | "pidsAvailable", string>>;
}

export interface HostNow {
  readonly cpus: number;
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number };
  readonly disk: DiskFigures;
  readonly pids: PidFigures;
}

export function hostNow(directory: string): HostNow {
  return { cpus: availableParallelism(), memory: memoryFigures(), disk: diskFigures(directory), pids: pidFigures() };
}

const defaultPods = "110";

export function nodeReport(host: HostNow, config: NodeConfig): NodeReport {
  const { memory, disk, pids } = host;
  const { pressure } = config;
  const short = {
    MemoryPressure: below(memory.availableBytes, memory.totalBytes, pressure.memoryAvailable),
    DiskPressure:
      below(disk.availableBytes, disk.totalBytes, pressure.diskAvailable) ||
      // Some file systems count none.
      (disk.inodes > 0 && below(disk.inodesFree, disk.inodes, pressure.inodesFree)),
    PIDPressure: below(pids.max - pids.current, pids.max, pressure.pidsAvailable),
  };
  return {
    capacity: {
      cpu: String(host.cpus),
      memory: `${Math.floor(memory.totalBytes / 1024)}Ki`,
      "ephemeral-storage": `${Math.floor(disk.totalBytes / 1024)}Ki`,
      pods: defaultPods,
      ...config.capacity,
    },
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

function below(left: number, total: number, threshold: string): boolean {
  const limit = threshold.endsWith("%")
    ? (total * Number.parseFloat(threshold)) / 100
    : Number(wholeUnits(parseQuantity(threshold)));
  return left < limit;
}

export function nodeInfo(version: string, boot: string): NonNullable<NodeReport["nodeInfo"]> {
  const text = (path: string): string => {
    try {
      return readFileSync(path, "utf8").trim();
    } catch {
      return "";
    }
  };
  return {
    bootID: boot,
    containerRuntimeVersion: `process://${version}`,
    kernelVersion: release(),
    machineID: text("/etc/machine-id"),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(text("/etc/os-release"))?.[1] ?? "Linux",
  };
}
