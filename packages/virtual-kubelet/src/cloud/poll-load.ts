// How many calls looks at the groups of a node take, by how far these are.
import type { Clock } from "../clock.ts";
import type { CloudBackend } from "./cloud-backend.ts";
import { type GroupEntry, isAwaited } from "./group-entry.ts";
import { busyMs, type PollPace, type PollState } from "./poll-schedule.ts";

export type PollLoad = Pick<PollState, "steadyCalls" | "changingCalls" | "freshCalls">;

/** Groups that start or end, and those that have begun to run lately. Pure. */
function pollCounts(entries: Iterable<GroupEntry>, now: number): { readonly changing: number; readonly fresh: number } {
  let [changing, fresh] = [0, 0];
  for (const entry of entries) {
    const { group, stageSince } = entry;
    const stage = group?.stage ?? "starting";
    if (isAwaited(entry, now) || stage === "starting" || stage === "ending") changing += 1;
    else if (stage === "running" && now - stageSince < busyMs) fresh += 1;
  }
  return { changing, fresh };
}

export interface CountedLoadOptions {
  readonly backend: Pick<CloudBackend, "describeAtOnce">;
  readonly clock: Clock;
  readonly pace: PollPace;
}

/** All are counted at any time, the others no more often than one group is looked at. */
export class CountedLoad {
  readonly #entries: ReadonlyMap<string, GroupEntry>;
  readonly #options: CountedLoadOptions;
  #counts: ReturnType<typeof pollCounts> = { changing: 0, fresh: 0 };
  #until = Number.NEGATIVE_INFINITY;

  constructor(entries: ReadonlyMap<string, GroupEntry>, options: CountedLoadOptions) {
    this.#entries = entries;
    this.#options = options;
  }

  now(): PollLoad {
    const { clock, backend, pace } = this.#options;
    const now = clock.now();
    if (now >= this.#until) {
      this.#counts = pollCounts(this.#entries.values(), now);
      this.#until = now + pace.fastMs / 2;
    }
    const calls = (count: number): number => Math.ceil(count / backend.describeAtOnce);
    const { changing, fresh } = this.#counts;
    return { steadyCalls: calls(this.#entries.size), changingCalls: calls(changing), freshCalls: calls(fresh) };
  }
}
