// How often each probe of each container said what, and how long it took: what /metrics/probes shows.
import type { ProbeLabels, ProbeMetrics } from "../provider/node.ts";
import type { PodOwner } from "../provider/pods.ts";
import { probeTypeText } from "./probe-outcome.ts";
import type { ProbeType } from "./probe-results.ts";

/** "unknown": the probe itself failed. */
export type CountedResult = ProbeMetrics["results"][number]["result"];

const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Containers that wait to be restarted are not probed meanwhile, for five minutes at most: their counts go on after that. */
const keptMs = 10 * 60_000;
const mostIdle = 1000;

interface Counted {
  readonly labels: ProbeLabels;
  readonly results: Map<CountedResult, number>;
  readonly within: number[];
  count: number;
  sumSeconds: number;
}

export class ProbeCounts {
  readonly #pods = new Map<string, Map<string, Counted>>();
  /** Pods without probes under way, and since when; the longest first. */
  readonly #idle = new Map<string, number>();

  add(owner: PodOwner, container: string, type: ProbeType, result: CountedResult, seconds: number): void {
    const counted = this.#counted(owner, container, type);
    counted.results.set(result, (counted.results.get(result) ?? 0) + 1);
    counted.count += 1;
    counted.sumSeconds += seconds;
    const at = bounds.findIndex((bound) => seconds <= bound);
    if (at >= 0) counted.within[at] = (counted.within[at] ?? 0) + 1;
  }

  /** The pod is probed, or not any more. */
  active(podUid: string, isActive: boolean, now: number): void {
    if (isActive) this.#idle.delete(podUid);
    else if (this.#pods.has(podUid) && !this.#idle.has(podUid)) this.#idle.set(podUid, now);
    this.#sweep(now);
  }

  view(now: number): ProbeMetrics {
    this.#sweep(now);
    const all = [...this.#pods.values()].flatMap((pod) => [...pod.values()]);
    return {
      results: all.flatMap(({ labels, results }) =>
        [...results].map(([result, count]) => ({ ...labels, result, count })),
      ),
      durations: all.map(({ labels, within, count, sumSeconds }) => {
        let sum = 0;
        const buckets = bounds.map((bound, at) => {
          sum += within[at] ?? 0;
          return [bound, sum] as const;
        });
        return { ...labels, buckets, count, sumSeconds };
      }),
    };
  }

  #counted({ name, namespace, uid }: PodOwner, container: string, type: ProbeType): Counted {
    const pod = this.#pods.get(uid) ?? new Map<string, Counted>();
    this.#pods.set(uid, pod);
    const key = `${type}/${container}`;
    let counted = pod.get(key);
    if (counted === undefined) {
      const labels = { probeType: probeTypeText[type], container, pod: name, namespace, podUID: uid };
      counted = { labels, results: new Map(), within: bounds.map(() => 0), count: 0, sumSeconds: 0 };
      pod.set(key, counted);
    }
    return counted;
  }

  #sweep(now: number): void {
    for (const [uid, since] of this.#idle) {
      if (now - since < keptMs && this.#idle.size <= mostIdle) return;
      this.#idle.delete(uid);
      this.#pods.delete(uid);
    }
  }
}
