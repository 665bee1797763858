// What directories of pods take of the disk. That takes long to measure: it is done at most every ten seconds and a tenth of the
// time, while somebody asks for it, and the figures are kept.
import type { Clock } from "../clock.ts";
import { errorText } from "../errors.ts";
import type { Logger } from "../log.ts";
import { directoryUsage } from "./disk-usage.ts";

export interface Measured {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly bytes: number;
}

/** Between the beginnings of two rounds; a little less than the time between two questions of the engine. */
const leastIntervalMs = 9500;
const leastShare = 10;
/** Where it is urgent, whatever a round takes. */
const urgentIntervalMs = 2000;

export class StorageMeter {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #measure: typeof directoryUsage;
  readonly #end: AbortController = new AbortController();
  #figures = new Map<string, Measured>();
  #round: Promise<void> | undefined;
  #begunAt = Number.NEGATIVE_INFINITY;
  #nextAt = 0;

  constructor(options: {
    readonly clock: Clock;
    readonly log: Logger;
    /** For tests; default directoryUsage. */
    readonly measure?: typeof directoryUsage | undefined;
  }) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#measure = options.measure ?? directoryUsage;
  }

  /** The last figure; undefined: not measured yet. */
  of(path: string): Measured | undefined {
    return this.#figures.get(path);
  }

  /** Begins a round when it is time for one; resolves when none is going on. Never throws. Each group, of one pod, is measured by itself; what is in none is forgotten. `urgent`: the disk is short, and by the figures is decided whose fault it is. */
  async refresh(groups: readonly (readonly string[])[], urgent: boolean = false): Promise<void> {
    const nextAt = urgent ? this.#begunAt + urgentIntervalMs : this.#nextAt;
    if (this.#end.signal.aborted || (this.#round === undefined && this.#clock.now() < nextAt)) return;
    this.#round ??= this.#measureAll(groups).finally(() => {
      this.#round = undefined;
    });
    await this.#round;
  }

  /** Resolves when nothing is being measured any more. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#round;
  }

  async #measureAll(groups: readonly (readonly string[])[]): Promise<void> {
    const begin = this.#clock.now();
    this.#begunAt = begin;
    const wanted = new Set(groups.flat());
    this.#figures = new Map([...this.#figures].filter(([path]) => wanted.has(path)));
    for (const paths of groups) {
      if (this.#end.signal.aborted) return;
      try {
        const found = await this.#measure(paths, this.#end.signal);
        const at = this.#clock.now();
        for (const [path, bytes] of found) this.#figures.set(path, { at, bytes });
      } catch (error) {
        if (!this.#end.signal.aborted) this.#log.warn({ err: errorText(error) }, "a pod's use of the disk is unknown");
      }
    }
    const took = this.#clock.now() - begin;
    this.#nextAt = begin + Math.max(leastIntervalMs, took * leastShare);
  }
}
