// Figures of running pods, as new as the source has them and no more calls than that needs.
import { type CallContext, type Clock, errorText, type PodStats } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciClient } from "./arm-client.ts";
import { askExtension, type ExtensionAnswer, extensionStats, type PodRuns } from "./extension-stats.ts";
import { askFrom, type CountedRuns, metricNames, monitorStats } from "./monitor-stats.ts";

type Stats = Omit<PodStats, "podRef">;

interface Kept {
  /** When it was asked for, epoch milliseconds. */
  readonly at: number;
  readonly stats: Stats | undefined;
  readonly extension?: ExtensionAnswer | undefined;
  readonly counted: CountedRuns;
}

export interface AciStatsOptions {
  readonly client: Pick<AciClient, "metrics">;
  readonly clock: Clock;
  /** The extension is in all groups. */
  readonly realTime: boolean;
  readonly ask?: ((address: string, signal: AbortSignal) => Promise<ExtensionAnswer>) | undefined;
}

const atOnce = 10;
const extensionTimeoutMs = 3_000;
/** Within the time that who asks for figures waits; whose turn has not come by then is first the next time. */
const answerWithinMs = 5_000;

export class AciStats {
  readonly #options: AciStatsOptions;
  readonly #kept = new Map<string, Kept>();
  #failing = false;

  constructor(options: AciStatsOptions) {
    this.#options = options;
  }

  /** By UID; one that fails is left out. */
  async of(groups: readonly CloudGroup[], context: CallContext): Promise<ReadonlyMap<string, Stats>> {
    const uids = new Set(groups.map(({ owner }) => owner.uid));
    for (const uid of this.#kept.keys()) if (!uids.has(uid)) this.#kept.delete(uid);
    const lookedAt = ({ owner }: CloudGroup): number => this.#kept.get(owner.uid)?.at ?? 0;
    const waiting = groups.toSorted((one, other) => lookedAt(one) - lookedAt(other));
    const faults: string[] = [];
    const over = new AbortController();
    const cancel = this.#options.clock.schedule(answerWithinMs, () => over.abort());
    const limited = { ...context, signal: AbortSignal.any([context.signal, over.signal]) };
    const work = async (): Promise<void> => {
      for (let group = waiting.shift(); group !== undefined && !over.signal.aborted; group = waiting.shift()) {
        const before = this.#kept.get(group.owner.uid);
        try {
          await this.#look(group, limited);
        } catch (error) {
          context.signal.throwIfAborted();
          if (!over.signal.aborted) faults.push(errorText(error));
          else if (before === undefined) this.#kept.delete(group.owner.uid);
          else this.#kept.set(group.owner.uid, before);
        }
      }
    };
    try {
      await Promise.all(Array.from({ length: Math.min(atOnce, groups.length) }, work));
    } finally {
      cancel();
    }
    if (faults.length > 0 && !this.#failing)
      context.log.warn({ pods: faults.length, err: faults[0] }, "figures of pods cannot be had");
    this.#failing = faults.length > 0;
    return new Map(
      [...this.#kept].flatMap(([uid, { stats }]): [string, Stats][] => (stats === undefined ? [] : [[uid, stats]])),
    );
  }

  async #look(group: CloudGroup, context: CallContext): Promise<void> {
    const { clock, realTime } = this.#options;
    const { uid } = group.owner;
    const now = clock.now();
    const kept = this.#kept.get(uid);
    const address = group.podIPs?.[0];
    const fromExtension = realTime && address !== undefined;
    if (kept !== undefined && now - kept.at < (fromExtension ? 5_000 : 60_000)) return;
    const runs = runsOf(group, now);
    // It is not asked again at once where it fails.
    this.#kept.set(uid, {
      at: now,
      stats: undefined,
      extension: kept?.extension,
      counted: kept?.counted ?? new Map<string, never>(),
    });
    if (fromExtension) {
      const ask = this.#options.ask ?? askExtension;
      const answer = await ask(address, AbortSignal.any([context.signal, AbortSignal.timeout(extensionTimeoutMs)]));
      const stats = extensionStats(answer, kept?.extension, runs);
      this.#kept.set(uid, { at: now, stats, extension: answer, counted: new Map<string, never>() });
      return;
    }
    const counted: CountedRuns = kept?.counted ?? new Map<string, never>();
    const name = group.id.slice(group.id.lastIndexOf("/") + 1);
    const options = { names: metricNames, from: askFrom(counted, now), byContainer: true };
    const series = await this.#options.client.metrics(name, options, { ...context, urgency: "later" });
    this.#kept.set(uid, { at: now, ...monitorStats(series, counted, runs) });
  }
}

function runsOf({ containers, startTime }: CloudGroup, now: number): PodRuns {
  const begun = new Date(now).toISOString();
  return {
    startTime: startTime ?? begun,
    containers: new Map(
      containers.flatMap(({ name, state }): [string, string][] =>
        state.running === undefined ? [] : [[name, state.running.startedAt ?? startTime ?? begun]],
      ),
    ),
  };
}
