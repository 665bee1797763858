// What this host has and uses, as /proc and its file systems tell.
import { readdirSync, readFileSync, statfsSync } from "node:fs";
import type { FsStats, InterfaceStats, NodeStats } from "../stats-summary.ts";

/** Of the kernel's clock ticks; the same on all of Linux that node runs on. */
export const ticksPerSecond = 100;
export const pageBytes = 4096;

export interface MemoryFigures {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly freeBytes: number;
  readonly swapTotalBytes: number;
  readonly swapFreeBytes: number;
  readonly anonBytes: number;
}

/** Pure: of /proc/meminfo. */
export function parseMeminfo(text: string): MemoryFigures {
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  return {
    totalBytes: field("MemTotal"),
    availableBytes: field("MemAvailable"),
    freeBytes: field("MemFree"),
    swapTotalBytes: field("SwapTotal"),
    swapFreeBytes: field("SwapFree"),
    anonBytes: field("AnonPages"),
  };
}

export function memoryFigures(): MemoryFigures {
  return parseMeminfo(readFileSync("/proc/meminfo", "utf8"));
}

/** Pure: of /proc/stat; nanoseconds that all cores have worked. */
export function parseCpu(text: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (/^cpu +(.*)$/m.exec(text)?.[1] ?? "")
    .split(" ")
    .map(Number);
  return (user + nice + system + irq + softirq + steal) * (1e9 / ticksPerSecond);
}

export interface DiskFigures {
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly inodes: number;
  readonly inodesFree: number;
}

export function diskFigures(path: string): DiskFigures {
  const { bsize, blocks, bavail, files, ffree } = statfsSync(path);
  return { totalBytes: blocks * bsize, availableBytes: bavail * bsize, inodes: files, inodesFree: ffree };
}

export function fsStats(path: string, time: string): FsStats {
  const { totalBytes, availableBytes, inodes, inodesFree } = diskFigures(path);
  return {
    ...{ time, availableBytes, capacityBytes: totalBytes, usedBytes: totalBytes - availableBytes },
    ...(inodes > 0 && { inodes, inodesFree, inodesUsed: inodes - inodesFree }),
  };
}

export interface PidFigures {
  readonly max: number;
  readonly current: number;
}

export function pidFigures(): PidFigures {
  const limit = (file: string): number => Number(readFileSync(`/proc/sys/kernel/${file}`, "utf8"));
  const tasks = Number(/\/(\d+) /.exec(readFileSync("/proc/loadavg", "utf8"))?.[1] ?? 0);
  return { max: Math.min(limit("pid_max"), limit("threads-max")), current: tasks };
}

/** Pure: of /proc/net/dev; the loopback left out. */
export function parseInterfaces(text: string): readonly InterfaceStats[] {
  return text.split("\n").flatMap((line) => {
    const [, name, rest] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined || name === "lo") return [];
    const fields = rest.trim().split(/\s+/).map(Number);
    const [rxBytes, , rxErrors] = fields;
    return [{ name, rxBytes, rxErrors, txBytes: fields[8], txErrors: fields[10] }];
  });
}

function defaultInterface(): string | undefined {
  const route = readFileSync("/proc/net/route", "utf8")
    .split("\n")
    .map((line) => line.split("\t"))
    .find((fields) => fields[1] === "00000000");
  return route?.[0];
}

/** All but the rate of cpu, which takes two looks. */
export function hostStats(node: string, directory: string, now: number): NodeStats {
  const time = new Date(now).toISOString();
  const stat = readFileSync("/proc/stat", "utf8");
  const memory = memoryFigures();
  const interfaces = parseInterfaces(readFileSync("/proc/net/dev", "utf8"));
  const first = interfaces.find(({ name }) => name === defaultInterface()) ?? interfaces[0];
  const pids = pidFigures();
  return {
    nodeName: node,
    startTime: new Date(Number(/^btime (\d+)$/m.exec(stat)?.[1] ?? 0) * 1000).toISOString(),
    cpu: { time, usageCoreNanoSeconds: parseCpu(stat) },
    memory: {
      time,
      availableBytes: memory.availableBytes,
      usageBytes: memory.totalBytes - memory.freeBytes,
      workingSetBytes: memory.totalBytes - memory.availableBytes,
      rssBytes: memory.anonBytes,
    },
    ...(first !== undefined && { network: { time, ...first, interfaces } }),
    fs: fsStats(directory, time),
    runtime: { imageFs: fsStats(directory, time), containerFs: fsStats(directory, time) },
    rlimit: { time, maxpid: pids.max, curproc: pids.current },
    swap: {
      time,
      swapAvailableBytes: memory.swapFreeBytes,
      swapUsageBytes: memory.swapTotalBytes - memory.swapFreeBytes,
    },
  };
}

/** Sum of the sizes of a directory's own files, as they take space. */
export function directoryBytes(path: string, sizeOf: (path: string) => number): number {
  try {
    return readdirSync(path).reduce((sum, name) => sum + sizeOf(`${path}/${name}`), 0);
  } catch {
    return 0;
  }
}
