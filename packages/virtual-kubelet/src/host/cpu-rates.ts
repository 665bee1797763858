// From counters of used time to rates, and counters that never fall though a process went that was counted.
import type { CPUStats } from "../stats-summary.ts";

interface Sample {
  /** Milliseconds. */
  readonly at: number;
  readonly coreNanoSeconds: number;
  readonly rate?: number | undefined;
}

/** Rates over less are left as they were. */
const leastIntervalMs = 1000;

export class CpuRates {
  readonly #samples = new Map<string, Sample>();

  /** The rate since the last call for the same id; none at the first. */
  of(id: string, measured: number, now: number): CPUStats {
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

  /** Forgets all others. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#samples.keys()) if (!ids.has(id)) this.#samples.delete(id);
  }
}
