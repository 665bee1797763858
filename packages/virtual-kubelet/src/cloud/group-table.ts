// The groups of one node: what is known of each, and the looks that keep it so. Few calls: batches, seldom for what is steady.
import { type Clock, jitter } from "../clock.ts";
import { timedCall } from "../engine/timed-call.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { DueHeap } from "../kube/due-heap.ts";
import type { Logger } from "../log.ts";
import type { PodOwner, PodRequest } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import type { CloudBackend, CloudEvent, CloudGroup } from "./cloud-backend.ts";
import { type GroupEntry, isRestarting, refOf, wake } from "./group-entry.ts";
import { nextLookMs, type PollPace } from "./poll-schedule.ts";
import { ToldEvents } from "./told-events.ts";

export interface GroupTableOptions {
  readonly backend: CloudBackend;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly pace: PollPace;
  /** The cloud may not show a group for so long after its creation, milliseconds. */
  readonly consistencyMs: number;
  /** A group was looked at, or something of it changed here. */
  readonly seen: (entry: GroupEntry) => void;
  readonly told: (owner: PodOwner, event: CloudEvent) => void;
  /** The cloud has it no more; the entry is out of the table. */
  readonly gone: (entry: GroupEntry) => void;
}

const callTimeoutMs = 60_000;
/** Looks side by side; those at steady groups leave room for the others. */
const mostLooks = 8;
const mostSteadyLooks = 4;
/** A batch takes along what is due so soon. */
const batchSlackMs = 1000;

export class GroupTable {
  readonly #options: GroupTableOptions;
  readonly #entries = new Map<string, GroupEntry>();
  readonly #heap = new DueHeap<GroupEntry>();
  readonly #underWay = new Set<Promise<void>>();
  #steadyLooks = 0;
  #alarm: () => void = () => {};
  #signal: AbortSignal | undefined;
  #troubled = false;
  /** The cloud pushes changes now. */
  pushed = false;

  constructor(options: GroupTableOptions) {
    this.#options = options;
  }

  get(uid: string): GroupEntry | undefined {
    return this.#entries.get(uid);
  }

  all(): Iterable<GroupEntry> {
    return this.#entries.values();
  }

  /** Looks from now on, until the signal aborts. */
  start(signal: AbortSignal): void {
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#alarm(), { once: true });
    this.#begin();
  }

  /** Resolves when no look is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** The entry, a new one if need be; `isNew`: this process creates it. */
  add(owner: PodOwner, request: PodRequest | undefined, isNew: boolean): GroupEntry {
    const now = this.#options.clock.now();
    let entry = this.#entries.get(owner.uid);
    if (entry === undefined) {
      entry = {
        ...{ owner, request, id: undefined, group: undefined, lookedAt: 0, stageSince: now, failures: 0 },
        ...{ createdAt: isNew ? now : undefined, told: new ToldEvents(isNew), waiters: new Set() },
        ...{
          ending: undefined,
          endingWork: undefined,
          ended: new Map(),
          postStarted: new Map(),
          restarted: new Map(),
          backoff: new Map(),
        },
        ...{ due: now, heapIndex: -1 },
      };
      this.#entries.set(owner.uid, entry);
    }
    return entry;
  }

  /** It was accepted by the cloud, which may not show it yet. */
  created(entry: GroupEntry, id: string): void {
    entry.id = id;
    entry.stageSince = this.#options.clock.now();
    this.soon(entry);
  }

  forget(entry: GroupEntry): void {
    if (this.#entries.get(entry.owner.uid) === entry) this.#entries.delete(entry.owner.uid);
    this.#heap.remove(entry);
    wake(entry);
  }

  /** A listing. Answers those of whose containers nothing is known yet. */
  listed(groups: readonly CloudGroup[], at: number): readonly GroupEntry[] {
    return groups.flatMap((group) => {
      const entry = this.add(group.owner, undefined, false);
      entry.id ??= group.id;
      if (group.partial !== true) this.#apply(entry, group, at);
      else if (entry.lookedAt === 0) {
        entry.group ??= group;
        return [entry];
      } else if (entry.group?.stage !== group.stage && at > entry.lookedAt) this.soon(entry);
      return [];
    });
  }

  /** Looks at these now, for who waits for it. Throws what the cloud throws. */
  async describe(entries: readonly GroupEntry[], context: CallContext): Promise<void> {
    const { backend, clock } = this.#options;
    const known = entries.flatMap((entry) => {
      const ref = refOf(entry);
      return ref === undefined ? [] : [{ entry, ref }];
    });
    for (let from = 0; from < known.length; from += backend.describeAtOnce) {
      const part = known.slice(from, from + backend.describeAtOnce);
      const at = clock.now();
      const found = await timedCall(clock, context, callTimeoutMs, (limited) =>
        backend.describe(
          part.map(({ ref }) => ref),
          limited,
        ),
      );
      if (found.length !== part.length)
        throw new VirtualKubeletError("Internal", `${backend.type} described ${found.length} of ${part.length} groups`);
      for (const [index, { entry }] of part.entries()) this.#found(entry, found[index], at);
    }
  }

  /** Something is to happen to it soon, or has. */
  soon(entry: GroupEntry): void {
    if (this.#entries.get(entry.owner.uid) !== entry) return;
    this.#put(entry, this.#options.clock.now());
    this.#begin();
  }

  soonById(id: string): void {
    for (const entry of this.#entries.values()) if (entry.id === id) this.soon(entry);
  }

  #found(entry: GroupEntry, group: CloudGroup | undefined, at: number): void {
    if (this.#entries.get(entry.owner.uid) !== entry) return;
    const { clock, consistencyMs } = this.#options;
    const { createdAt = Number.NEGATIVE_INFINITY } = entry;
    if (group !== undefined) this.#apply(entry, group, at);
    else if (entry.lookedAt === 0 && clock.now() - createdAt < consistencyMs) this.#again(entry);
    else {
      this.forget(entry);
      this.#options.gone(entry);
    }
  }

  #apply(entry: GroupEntry, group: CloudGroup, at: number): void {
    if (at < entry.lookedAt) return;
    if (entry.group?.stage !== group.stage) entry.stageSince = this.#options.clock.now();
    entry.id = group.id;
    entry.group = group;
    entry.lookedAt = at;
    entry.failures = 0;
    for (const event of entry.told.news(group.events ?? [])) this.#options.told(entry.owner, event);
    this.#again(entry);
    this.#options.seen(entry);
    wake(entry);
  }

  /** On the heap for its next look. */
  #again(entry: GroupEntry): void {
    const { clock, pace, random, backend } = this.#options;
    const now = clock.now();
    const state = {
      stage: entry.group?.stage ?? "starting",
      since: entry.stageSince,
      awaited: entry.endingWork !== undefined || isRestarting(entry, now),
      pushed: this.pushed,
      failures: entry.failures,
      steadyCalls: Math.ceil(this.#entries.size / backend.describeAtOnce),
    };
    const inMs = nextLookMs(state, now, pace);
    if (inMs === undefined) this.#heap.remove(entry);
    else this.#put(entry, now + jitter(inMs, 0.1, true, random));
    this.#begin();
  }

  #put(entry: GroupEntry, due: number): void {
    this.#heap.remove(entry);
    entry.due = due;
    this.#heap.push(entry);
  }

  /** Begins the looks that are due, as far as there is room, and sets the timer for the next. */
  #begin(): void {
    const signal = this.#signal;
    this.#alarm();
    if (signal === undefined || signal.aborted) return;
    const { clock } = this.#options;
    while (this.#underWay.size < mostLooks) {
      const now = clock.now();
      const first = this.#heap.peek();
      if (first === undefined || first.due > now) break;
      const isSteady = first.group?.stage === "running" && first.endingWork === undefined;
      if (isSteady && this.#steadyLooks >= mostSteadyLooks) {
        this.#put(first, now + batchSlackMs);
        continue;
      }
      this.#look(this.#batch(now), isSteady, signal);
    }
    const next = this.#heap.peek();
    if (next === undefined || this.#underWay.size >= mostLooks) return;
    this.#alarm = clock.schedule(Math.max(0, next.due - clock.now()), () => this.#begin());
  }

  #batch(now: number): readonly GroupEntry[] {
    const { describeAtOnce } = this.#options.backend;
    const slackMs = describeAtOnce === 1 ? 0 : batchSlackMs;
    const entries: GroupEntry[] = [];
    while (entries.length < describeAtOnce) {
      const entry = this.#heap.peek();
      if (entry === undefined || entry.due > now + slackMs) break;
      this.#heap.remove(entry);
      entries.push(entry);
    }
    return entries;
  }

  #look(entries: readonly GroupEntry[], isSteady: boolean, signal: AbortSignal): void {
    if (isSteady) this.#steadyLooks += 1;
    const work = this.#tried(entries, signal).finally(() => {
      this.#underWay.delete(work);
      if (isSteady) this.#steadyLooks -= 1;
      this.#begin();
    });
    this.#underWay.add(work);
  }

  /** What waits longer for its next look because of failures does so no more. */
  #recovered(): void {
    this.#troubled = false;
    this.#options.log.info({ backend: this.#options.backend.type }, "pods can be looked at again");
    for (const entry of this.#entries.values()) {
      if (entry.failures === 0) continue;
      entry.failures = 0;
      if (entry.heapIndex >= 0) this.#again(entry);
    }
  }

  /** Never rejects. A look that fails says nothing of a group. */
  async #tried(entries: readonly GroupEntry[], signal: AbortSignal): Promise<void> {
    const { log, backend } = this.#options;
    try {
      await this.describe(entries, { signal, log });
      if (this.#troubled) this.#recovered();
    } catch (error) {
      if (signal.aborted) return;
      if (!this.#troubled) log.warn({ backend: backend.type, err: errorText(error) }, "pods cannot be looked at");
      this.#troubled = true;
      for (const entry of entries) {
        if (this.#entries.get(entry.owner.uid) !== entry || entry.heapIndex >= 0) continue;
        entry.failures += 1;
        this.#again(entry);
      }
    }
  }
}
