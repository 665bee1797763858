// What runs use: out of their control groups, or of their processes where there are none. Keeps the last figures, for rates, and so
// that no counter falls when a process has gone.
import { statSync } from "node:fs";
import { join } from "node:path";
import { cgroupFigures } from "../../host/cgroup-figures.ts";
import { directoryBytes, fsStats, hostStats, pageBytes, ticksPerSecond } from "../../host/host-figures.ts";
import { statOf } from "../../host/process-table.ts";
import type { ContainerStats, CPUStats, FsStats, NodeStats } from "../../stats-summary.ts";
import type { LiveRun } from "./live-run.ts";

interface Sample {
  /** Milliseconds. */
  readonly at: number;
  readonly coreNanoSeconds: number;
  readonly rate?: number | undefined;
}

/** Rates over less are left as they were. */
const leastIntervalMs = 1000;

export class UsageMeter {
  readonly #samples = new Map<string, Sample>();

  node(name: string, directory: string, now: number): NodeStats {
    const stats = hostStats(name, directory, now);
    return { ...stats, cpu: this.#cpu("", stats.cpu?.usageCoreNanoSeconds ?? 0, now) };
  }

  /** undefined: it does not run, or has no figures yet. */
  container(run: LiveRun, now: number, rootfs?: FsStats): ContainerStats | undefined {
    const container = run.container();
    if (container.state !== "running" || container.startedAt === undefined) return undefined;
    const time = new Date(now).toISOString();
    const figures = run.record.description.cgroups.length > 0 ? cgroupFigures(run.record.description.cgroups) : {};
    const tree = figures.cpuNanoseconds === undefined ? treeFigures(run.processes()) : undefined;
    const cpu = figures.cpuNanoseconds ?? tree?.cpuNanoseconds ?? 0;
    const workingSetBytes = figures.workingSetBytes ?? tree?.rssBytes ?? 0;
    if (workingSetBytes === 0) return undefined;
    const logs = directoryBytes(
      join(run.record.directory, "log"),
      (path) => (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) * 512,
    );
    return {
      name: container.name,
      startTime: new Date(container.startedAt).toISOString(),
      // Less than a tick so far.
      ...(cpu > 0 && { cpu: this.#cpu(container.id, cpu, now) }),
      memory: {
        time,
        workingSetBytes,
        usageBytes: figures.memoryBytes ?? tree?.rssBytes,
        rssBytes: figures.rssBytes ?? tree?.rssBytes,
      },
      ...(rootfs !== undefined && { rootfs }),
      logs: { ...fsStats(run.record.directory, time), usedBytes: logs },
    };
  }

  /** Keeps samples of these alone. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#samples.keys()) if (id !== "" && !ids.has(id)) this.#samples.delete(id);
  }

  #cpu(id: string, measured: number, now: number): CPUStats {
    const before = this.#samples.get(id);
    const coreNanoSeconds = Math.max(measured, before?.coreNanoSeconds ?? 0);
    const elapsed = now - (before?.at ?? now);
    const fresh = before !== undefined && elapsed >= leastIntervalMs;
    const rate = fresh ? Math.round((coreNanoSeconds - before.coreNanoSeconds) / (elapsed / 1000)) : before?.rate;
    if (before === undefined || fresh) this.#samples.set(id, { at: now, coreNanoSeconds, rate });
    return {
      time: new Date(now).toISOString(),
      usageCoreNanoSeconds: coreNanoSeconds,
      ...(rate !== undefined && { usageNanoCores: rate }),
    };
  }
}

function treeFigures(pids: readonly number[]): { readonly cpuNanoseconds: number; readonly rssBytes: number } {
  let [ticks, pages] = [0, 0];
  for (const pid of pids) {
    const stat = statOf(pid);
    ticks += stat?.cpuTicks ?? 0;
    pages += stat?.rssPages ?? 0;
  }
  return { cpuNanoseconds: ticks * (1e9 / ticksPerSecond), rssBytes: pages * pageBytes };
}
