// Which jobs change, as Nomad tells it: by its event stream, taken up again after the last event that was seen; where that cannot be
// had, by blocking queries for allocations.
import { type CallContext, type Clock, errorText, isErrorKind, pause } from "@virtual-kubelet/virtual-kubelet";
import { jobPrefix } from "./names.ts";
import type { NomadClient } from "./nomad-client.ts";

type Asked = Pick<NomadClient, "events" | "listAllocations">;

const waitMs = 60_000;
/** Between two answers of blocking queries at least. */
const leastMs = 500;

export class JobWatch {
  readonly #client: Asked;
  readonly #clock: Clock;
  /** Of the last event seen; 0: none yet. */
  #index = 0;
  /** Allocations as they were last asked for, by their index: what changes during a break is told after it. */
  #seen: ReadonlyMap<string, number> | undefined;

  constructor(client: Asked, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** Ids of jobs. Throws when Nomad is away. */
  async *changes(context: CallContext): AsyncGenerator<{ readonly id: string }> {
    try {
      yield* this.#events(context);
    } catch (error) {
      // What this token or this version cannot have, it will not have later.
      if (!isErrorKind(error, "Forbidden", "NotFound", "Invalid", "Unsupported")) throw error;
      context.log.info({ err: errorText(error) }, "Nomad gives no event stream: changes come by blocking queries");
      yield* this.#queries(context);
    }
  }

  async *#events(context: CallContext): AsyncGenerator<{ readonly id: string }> {
    // Those of the last index may not all have been seen.
    for await (const { value, index } of this.#client.events({ index: this.#index }, context)) {
      // A smaller one: Nomad was restored from an older state.
      this.#index = index;
      const ids = new Set(value.flatMap(({ JobID }) => (JobID?.startsWith(jobPrefix) === true ? [JobID] : [])));
      for (const id of ids) yield { id };
    }
  }

  async *#queries(context: CallContext): AsyncGenerator<{ readonly id: string }> {
    const filter = `JobID matches "^${jobPrefix}"`;
    let index = 0;
    while (!context.signal.aborted) {
      const blocking = { index, waitMs: index === 0 ? 1 : waitMs };
      const { value, index: next } = await this.#client.listAllocations({ filter, blocking }, context);
      const before = this.#seen;
      this.#seen = new Map(value.map(({ ID, ModifyIndex }) => [ID, ModifyIndex]));
      const changed = value.filter(({ ID, ModifyIndex }) => before !== undefined && before.get(ID) !== ModifyIndex);
      for (const id of new Set(changed.map(({ JobID }) => JobID))) yield { id };
      index = next < index ? 0 : Math.max(1, next);
      await pause(this.#clock, leastMs, context.signal);
    }
  }
}
