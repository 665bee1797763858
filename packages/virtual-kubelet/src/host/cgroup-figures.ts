// What a control group's files tell: figures, kills for want of memory, which groups a process is in. Both versions.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface CgroupMounts {
  /** Mount point by controller. */
  readonly v1: ReadonlyMap<string, string>;
  readonly v2: string | undefined;
}

/** Pure: of /proc/self/mountinfo. */
export function cgroupMounts(mountInfo: string): CgroupMounts {
  const v1 = new Map<string, string>();
  let v2: string | undefined;
  for (const line of mountInfo.split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const point = left.split(" ")[4] ?? "";
    const [type, , options = ""] = right.split(" ");
    if (type === "cgroup2") v2 = point;
    if (type === "cgroup") for (const controller of options.split(",")) v1.set(controller, point);
  }
  return { v1, v2 };
}

/** Pure: of /proc/<pid>/cgroup. Directories of the groups that a process is in, of those controllers that have figures or limits. */
export function processGroups(text: string, { v1, v2 }: CgroupMounts): readonly string[] {
  const found = text.split("\n").flatMap((line) => {
    const [, id, controllers = "", path = ""] = /^(\d+):([^:]*):(\/.*)$/.exec(line) ?? [];
    if (id === "0" && controllers === "") return v2 === undefined || v1.has("memory") ? [] : [join(v2, path)];
    return controllers.split(",").flatMap((controller) => {
      const point = ["cpu", "cpuacct", "memory", "pids"].includes(controller) ? v1.get(controller) : undefined;
      return point === undefined ? [] : [join(point, path)];
    });
  });
  return [...new Set(found)];
}

/** Absent is unknown. Bytes, but for what says something else. */
export interface CgroupFigures {
  readonly cpuNanoseconds?: number | undefined;
  readonly memoryBytes?: number | undefined;
  readonly workingSetBytes?: number | undefined;
  readonly rssBytes?: number | undefined;
  /** Absent where there is no limit. */
  readonly memoryLimitBytes?: number | undefined;
  readonly pageFaults?: number | undefined;
  readonly majorPageFaults?: number | undefined;
  readonly swapBytes?: number | undefined;
  /** Processes and threads. */
  readonly tasks?: number | undefined;
}

/** Version 1 without a limit says nearly 2^63. */
const unlimited = 2 ** 60;

/** Of one group; its directories by controller in version 1. */
export function cgroupFigures(groups: readonly string[]): CgroupFigures {
  const texts = new Map<string, string>();
  const text = (file: string): string => {
    const known = texts.get(file) ?? groups.map((group) => groupFile(group, file)).find((each) => each !== "") ?? "";
    texts.set(file, known);
    return known;
  };
  const number = (found: string | undefined): number | undefined =>
    found === undefined || !/^\d+$/.test(found) ? undefined : Number(found);
  const value = (file: string): number | undefined => number(text(file).trim());
  const field = (file: string, name: string): number | undefined =>
    number(new RegExp(`^${name} (\\d+)$`, "m").exec(text(file))?.[1]);
  const stat = (v1: string, v2: string): number | undefined =>
    field("memory.stat", `total_${v1}`) ?? field("memory.stat", v2);
  const microseconds = field("cpu.stat", "usage_usec");
  const memory = value("memory.usage_in_bytes") ?? value("memory.current");
  const inactive = stat("inactive_file", "inactive_file") ?? 0;
  const limit = value("memory.limit_in_bytes") ?? value("memory.max");
  return {
    cpuNanoseconds: value("cpuacct.usage") ?? (microseconds === undefined ? undefined : microseconds * 1000),
    memoryBytes: memory,
    workingSetBytes: memory === undefined ? undefined : Math.max(0, memory - inactive),
    rssBytes: stat("rss", "anon"),
    memoryLimitBytes: limit === undefined || limit > unlimited ? undefined : limit,
    pageFaults: stat("pgfault", "pgfault"),
    majorPageFaults: stat("pgmajfault", "pgmajfault"),
    swapBytes: field("memory.stat", "total_swap") ?? value("memory.swap.current"),
    tasks: value("pids.current"),
  };
}

/** How many processes of it were killed for want of memory. */
export function outOfMemoryKills(groups: readonly string[]): number {
  return Math.max(
    0,
    ...groups.flatMap((group) =>
      ["memory.events", "memory.oom_control"].map((file) =>
        Number(/^oom_kill (\d+)$/m.exec(groupFile(group, file))?.[1] ?? 0),
      ),
    ),
  );
}

/** Content of a file of a group; "" where there is none. */
export function groupFile(group: string, file: string): string {
  try {
    return readFileSync(join(group, file), "utf8");
  } catch {
    return "";
  }
}
