// Control groups that are ours, where the host lets us make some: limits, and everything that was started in them, wherever it
// went. Version 2, and version 1 with a hierarchy for each controller.
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { VirtualKubeletError } from "../errors.ts";
import { milliUnits, parseQuantity, wholeUnits } from "../kube/quantity.ts";
import type { ResourceRequirements } from "../kube/types.gen.ts";
import { cgroupMounts, groupFile } from "./cgroup-figures.ts";
import { signal } from "./process-table.ts";

export type CgroupHost =
  | { readonly version: 2; readonly mount: string }
  /** Mount point by controller. */
  | { readonly version: 1; readonly mounts: Readonly<Record<"cpu" | "cpuacct" | "memory" | "pids", string>> };

/** What this host has; undefined when there is nothing that we may use. */
export function findCgroups(mountInfo: string = readFileSync("/proc/self/mountinfo", "utf8")): CgroupHost | undefined {
  const { v1, v2 } = cgroupMounts(mountInfo);
  const { cpu, cpuacct, memory, pids } = Object.fromEntries(v1);
  if (cpu !== undefined && cpuacct !== undefined && memory !== undefined && pids !== undefined)
    return writable([cpu, cpuacct, memory, pids]) ? { version: 1, mounts: { cpu, cpuacct, memory, pids } } : undefined;
  if (v2 === undefined || !writable([v2])) return undefined;
  const controllers = readFileSync(join(v2, "cgroup.controllers"), "utf8").trim().split(" ");
  return controllers.includes("memory") && controllers.includes("cpu") ? { version: 2, mount: v2 } : undefined;
}

function writable(paths: readonly string[]): boolean {
  try {
    for (const path of paths) accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Directories of one run's group, from its path below the hierarchy's root. Makes them. */
export function makeCgroups(host: CgroupHost, path: string, resources: ResourceRequirements): readonly string[] {
  if (host.version === 2) {
    const group = join(host.mount, path);
    makeV2(host.mount, dirname(group));
    mkdirSync(group, { recursive: true });
    limitCgroups([group], resources);
    return [group];
  }
  const groups = [...new Set(Object.values(host.mounts))].map((mount) => join(mount, path));
  for (const group of groups) mkdirSync(group, { recursive: true });
  limitCgroups(groups, resources);
  return groups;
}

/** All groups down to `parent` hand their controllers on. */
function makeV2(mount: string, parent: string): void {
  let at = mount;
  for (const part of ["", ...parent.slice(mount.length + 1).split("/")]) {
    at = join(at, part);
    mkdirSync(at, { recursive: true });
    for (const controller of ["+cpu", "+memory", "+pids"]) {
      try {
        writeFileSync(join(at, "cgroup.subtree_control"), controller);
      } catch (cause) {
        if (controller === "+pids") continue;
        throw new VirtualKubeletError("Unavailable", `${at} does not hand on ${controller.slice(1)}`, { cause });
      }
    }
  }
}

/** Writes requests and limits into the groups; of processes, with `pids`, 0 for none. */
export function limitCgroups(
  groups: readonly string[],
  { requests, limits }: ResourceRequirements,
  pids?: number | undefined,
): void {
  const cpuRequest = milli(requests?.["cpu"] ?? limits?.["cpu"]);
  const cpuLimit = milli(limits?.["cpu"]);
  const memory = limits?.["memory"] === undefined ? undefined : wholeUnits(parseQuantity(String(limits["memory"])));
  const shares = Math.min(262_144, Math.max(2, Math.floor((cpuRequest * 1024) / 1000)));
  for (const group of groups) {
    put(group, "cpu.shares", String(shares));
    put(group, "cpu.weight", String(Math.max(1, 1 + Math.floor(((shares - 2) * 9999) / 262_142))));
    put(group, "cpu.cfs_period_us", "100000");
    // Less than a thousandth of a second in each period is not taken.
    const quota = Math.max(1000, cpuLimit * 100);
    put(group, "cpu.cfs_quota_us", cpuLimit === 0 ? "-1" : String(quota));
    put(group, "cpu.max", cpuLimit === 0 ? "max 100000" : `${quota} 100000`);
    put(group, "memory.limit_in_bytes", memory === undefined ? "-1" : String(memory));
    put(group, "memory.max", memory === undefined ? "max" : String(memory));
    if (pids !== undefined) put(group, "pids.max", pids === 0 ? "max" : String(pids));
  }
}

const milli = (quantity: string | number | undefined): number =>
  quantity === undefined ? 0 : Number(milliUnits(parseQuantity(String(quantity))));

function put(group: string, file: string, value: string): void {
  const path = join(group, file);
  if (existsSync(path)) writeFileSync(path, value);
}

export function cgroupPids(groups: readonly string[]): readonly number[] {
  const pids = groups.flatMap((group) => groupFile(group, "cgroup.procs").split("\n").filter(Boolean).map(Number));
  return [...new Set(pids)];
}

export function killCgroups(groups: readonly string[]): void {
  for (const pid of cgroupPids(groups)) signal(pid, "SIGKILL");
}

/** Of a group without processes. No error when it is gone. */
export function removeCgroups(groups: readonly string[]): void {
  for (const group of groups) {
    try {
      rmdirSync(group);
    } catch {
      // Gone, or a process of it is not quite: its pod's removal comes by again.
    }
  }
}

/** Removes groups below these that nobody knows of: of what was removed by a program that was killed before it came to them. */
export function sweepCgroups(parents: readonly string[], isKnown: (name: string) => boolean): void {
  for (const parent of parents) {
    for (const name of groupsIn(parent).filter((each) => !isKnown(each))) {
      const group = join(parent, name);
      removeCgroups([...groupsIn(group).map((run) => join(group, run)), group]);
    }
    removeCgroups([parent, dirname(parent)]);
  }
}

function groupsIn(group: string): readonly string[] {
  try {
    return readdirSync(group, { withFileTypes: true }).flatMap((each) => (each.isDirectory() ? [each.name] : []));
  } catch {
    return [];
  }
}
