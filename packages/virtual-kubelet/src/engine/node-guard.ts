// Ends pods for the node's sake: one at a time under pressure, as long as that lasts; and those that use more of its disk than
// they may.
import { type Clock, pause } from "../clock.ts";
import { errorText } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type Quantities, quantities } from "../status/pod-resources.ts";
import type { ContainerRuntime } from "./container-runtime.ts";
import { type EvictionCandidate, evictionMessage, evictionOrder, type Pressure, scarce } from "./eviction.ts";
import type { PodActor } from "./pod-actor.ts";
import type { PodTable } from "./pod-table.ts";
import { guardStorage } from "./storage-guard.ts";

export interface NodeGuardOptions {
  readonly runtime: ContainerRuntime;
  readonly pods: PodTable;
  readonly clock: Clock;
  readonly log: Logger;
}

const pressures: readonly Pressure[] = ["MemoryPressure", "DiskPressure", "PIDPressure"];
const intervalMs = 10_000;
const retryMs = 5000;
/** Between two looks at a pod that was evicted. */
const endingMs = 1000;
/** So long one that is not over holds up the next, as with the kubelet: it may never end. */
const mostEndingMs = 30_000;
/** Of an eviction: its pods have had their chance. */
const evictionGraceSeconds = 1;

export class NodeGuard {
  readonly #options: NodeGuardOptions;
  #pressed: readonly Pressure[] = [];
  #allocatable: Quantities | undefined;
  #wake: () => void = () => {};

  constructor(options: NodeGuardOptions) {
    this.#options = options;
  }

  /** What the node has for its pods; undefined until the runtime has said so. */
  get allocatable(): Quantities | undefined {
    return this.#allocatable;
  }

  /** Heeds the pressure that the runtime reports, and the limits of pods, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const storage = guardStorage(this.#options, signal);
    if (this.#options.runtime.watchNode === undefined) return storage;
    await Promise.all([storage, this.#watch(signal), this.#relieve(signal)]);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { runtime, clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        for await (const { capacity, allocatable = capacity, conditions } of runtime.watchNode?.({ signal, log }) ??
          []) {
          if (signal.aborted) return;
          if (allocatable !== undefined) this.#allocatable = quantities(allocatable);
          if (conditions === undefined) continue;
          this.#pressed = pressures.filter((type) =>
            conditions.some((condition) => condition.type === type && condition.status === "True"),
          );
          this.#wake();
        }
      } catch (error) {
        if (!signal.aborted) log.warn({ err: errorText(error) }, "the runtime's node cannot be watched");
      }
      await pause(clock, retryMs, signal);
    }
  }

  async #relieve(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      const pressure = this.#pressed[0];
      try {
        if (pressure !== undefined) await this.#evictOne(pressure, signal);
      } catch (error) {
        if (!signal.aborted) log.warn({ err: errorText(error) }, "no pod could be evicted");
      }
      const woken = new AbortController();
      this.#wake = () => woken.abort();
      if (pressure === undefined && this.#pressed.length > 0) continue;
      const either = AbortSignal.any([signal, ...(pressure === undefined ? [woken.signal] : [])]);
      await pause(clock, pressure === undefined ? 3_600_000 : intervalMs, either);
    }
  }

  /** What its end frees is to be seen before another one goes; pods that end for other reasons are not waited for. */
  async #evictOne(pressure: Pressure, signal: AbortSignal): Promise<void> {
    const { clock, runtime, pods, log } = this.#options;
    if (pressure === "DiskPressure" && ((await runtime.freeDisk?.({ signal, log })) ?? 0) > 0) return;
    const stats = await runtime.stats?.({ signal, log });
    const candidates = [...pods.all()].flatMap((actor): (EvictionCandidate & { readonly actor: PodActor })[] =>
      actor.pod === undefined || actor.isEnding
        ? []
        : [
            {
              ...{ actor, pod: actor.pod, stats: stats?.containers.get(actor.owner.uid) ?? [] },
              storageBytes: stats?.pods?.get(actor.owner.uid)?.["ephemeral-storage"]?.usedBytes,
            },
          ],
    );
    const first = evictionOrder(pressure, candidates)[0];
    const chosen = candidates.find((one) => one === first);
    if (chosen === undefined) return;
    const message = evictionMessage(pressure, chosen);
    log.warn({ pod: chosen.actor.owner.name, uid: chosen.actor.owner.uid, resource: scarce[pressure] }, "pod evicted");
    chosen.actor.evict(evictionGraceSeconds, message, "TerminationByKubelet");
    const until = clock.now() + mostEndingMs;
    while (!signal.aborted && !chosen.actor.isOver && clock.now() < until) await pause(clock, endingMs, signal);
  }
}
