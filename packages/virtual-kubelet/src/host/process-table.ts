// Processes of this host as /proc shows them: who is alive under the same start time, who descends from whom, who bears a mark.
import { readdirSync, readFileSync } from "node:fs";

/** A pid alone may be another's by now; with its start time it is one process for as long as the host is up. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since the host was started (field 22 of /proc/pid/stat). */
  readonly start: string;
}

export interface ProcessStat extends ProcessIdentity {
  readonly state: string;
  readonly parent: number;
  readonly session: number;
  /** Clock ticks, with those of children that were waited for. */
  readonly cpuTicks: number;
  /** Pages. */
  readonly rssPages: number;
}

/** Names one boot of this host. */
export function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

/** The name in parentheses may hold spaces and parentheses itself. */
export function parseStat(text: string): ProcessStat | undefined {
  const close = text.lastIndexOf(")");
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(close + 2).split(" ");
  const [state = "", parent, , session] = fields;
  const start = fields[19];
  if (close < 0 || start === undefined || !Number.isInteger(pid)) return undefined;
  const cpuTicks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return {
    ...{ pid, start, state, cpuTicks },
    parent: Number(parent),
    session: Number(session),
    rssPages: Number(fields[21]),
  };
}

/** undefined when there is none. */
export function statOf(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // Gone, now or while it was read.
    return undefined;
  }
}

/** Is this very process there, and no zombie? */
export function isAlive({ pid, start }: ProcessIdentity): boolean {
  const stat = statOf(pid);
  return stat?.start === start && stat.state !== "Z" && stat.state !== "X";
}

export function allProcesses(): readonly ProcessStat[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const stat = statOf(Number(name));
    return stat === undefined ? [] : [stat];
  });
}

/** Those that descend from `pid`, itself not included. */
export function descendants(pid: number, all: readonly ProcessStat[] = allProcesses()): readonly ProcessStat[] {
  const found = new Set([pid]);
  // Pids do not ascend from parent to child once they have wrapped around: go on until nobody is added.
  for (let before = 0; before !== found.size; ) {
    before = found.size;
    for (const stat of all) if (found.has(stat.parent)) found.add(stat.pid);
  }
  return all.filter((stat) => stat.pid !== pid && found.has(stat.pid));
}

/** Pids of processes with `entry` ("NAME=value") in the environment that they were started with. */
export function bearing(entry: string): readonly number[] {
  const wanted = `\0${entry}\0`;
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      return `\0${readFileSync(`/proc/${name}/environ`, "latin1")}`.includes(wanted) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

/** Sends a signal; no error when there is no such process. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
