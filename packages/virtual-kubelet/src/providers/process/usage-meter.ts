// What runs use: out of their control groups, or of their processes where there are none. Keeps the last figures, for rates, and so
// that no counter falls when a process has gone.
import { statSync } from "node:fs";
import { join } from "node:path";
import { cgroupFigures } from "../../host/cgroup-figures.ts";
import { CpuRates } from "../../host/cpu-rates.ts";
import { directoryBytes, fsStats, hostStats, pageBytes, ticksPerSecond } from "../../host/host-figures.ts";
import { statOf } from "../../host/process-table.ts";
import type { ContainerStats, FsStats, NodeStats } from "../../stats-summary.ts";
import type { LiveRun } from "./live-run.ts";

export class UsageMeter {
  readonly #rates: CpuRates = new CpuRates();

  node(name: string, directory: string, now: number): NodeStats {
    const stats = hostStats(name, directory, now);
    return { ...stats, cpu: this.#rates.of("", stats.cpu?.usageCoreNanoSeconds ?? 0, now) };
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
      ...(cpu > 0 && { cpu: this.#rates.of(container.id, cpu, now) }),
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
    this.#rates.keep(new Set(["", ...ids]));
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
