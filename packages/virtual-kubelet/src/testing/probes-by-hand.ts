// Probes whose results a test says.

import type { ProbeListener, ProbeManager, ProbeResult, RunResults } from "../engine/probe-results.ts";
import type { Container } from "../kube/types.gen.ts";
import type { ProbeMetrics } from "../provider/node.ts";

/** Begins like a kubelet: readiness failed, liveness good, startup unknown, unless it is known better. */
export class ProbesByHand implements ProbeManager {
  readonly #results = new Map<string, RunResults>();
  #listener: ProbeListener | undefined;
  #uid = "";

  listenTo(listener: ProbeListener): ProbeManager {
    this.#listener = listener;
    return this;
  }

  /** What is probed, as "c/0 startup,liveness". */
  probed: readonly string[] = [];
  containers: readonly Container[] = [];

  /** Of the run "c/0". */
  say(run: string, change: Partial<Record<"startup" | "liveness" | "readiness", ProbeResult>>): void {
    const before = this.#results.get(run);
    if (before !== undefined) this.#results.set(run, { ...before, ...change });
    this.#listener?.changed(this.#uid);
  }

  sync(podUid: string, runs: Parameters<ProbeManager["sync"]>[1]): void {
    this.#uid = podUid;
    this.containers = runs.map(({ container }) => container);
    this.probed = runs.map(({ ref, types }) => `${ref.name}/${ref.attempt} ${types.join(",")}`);
    for (const { ref, known } of runs) {
      const key = `${ref.name}/${ref.attempt}`;
      if (!this.#results.has(key))
        this.#results.set(key, {
          startup: known.started === true ? "success" : "unknown",
          liveness: "success",
          readiness: known.ready === true ? "success" : "failure",
        });
    }
  }

  results({ name, attempt }: Parameters<ProbeManager["results"]>[0]): RunResults | undefined {
    return this.#results.get(`${name}/${attempt}`);
  }

  /** Nothing is counted. */
  metrics(): ProbeMetrics {
    return { results: [], durations: [] };
  }

  stop(): void {}
}
