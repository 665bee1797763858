// The groups of one node: what is known of each, and the looks that keep it so. Few calls: batches, seldom for what is steady.
import { type Clock, jitter } from "../clock.ts";
import { errorText } from "../errors.ts";
import { DueHeap } from "../kube/due-heap.ts";
import type { Logger } from "../log.ts";
import type { PodOwner, PodRequest } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import type { CloudBackend, CloudEvent, CloudGroup } from "./cloud-backend.ts";
import { GoneGroups } from "./gone-groups.ts";
import { type GroupEntry, isAwaited, newEntry, wake, withEnded } from "./group-entry.ts";
import { describeAll } from "./group-looks.ts";
import { CountedLoad } from "./poll-load.ts";
import { firstLookMs, nextLookMs, type PollPace } from "./poll-schedule.ts";

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
  #pushed = false;
  readonly #gone: GoneGroups = new GoneGroups();
  readonly #load: CountedLoad;

  constructor(options: GroupTableOptions) {
    this.#options = options;
    this.#load = new CountedLoad(this.#entries, options);
  }

  get(uid: string): GroupEntry | undefined {
    return this.#entries.get(uid);
  }

  all(): Iterable<GroupEntry> {
    return this.#entries.values();
  }

  /** Whether the cloud pushes changes now. When it stops to, nobody waits as long as while it did. */
  set pushed(is: boolean) {
    const was = this.#pushed;
    this.#pushed = is;
    if (!was || is) return;
    for (const entry of this.#entries.values()) if (entry.heapIndex >= 0 && entry.failures === 0) this.#again(entry);
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
    const known = this.#entries.get(owner.uid);
    if (known !== undefined) return known;
    const entry = newEntry(owner, request, isNew, now);
    this.#entries.set(owner.uid, entry);
    return entry;
  }

  /** It was accepted by the cloud, which may not show it yet. */
  created(entry: GroupEntry, id: string): void {
    const now = this.#options.clock.now();
    entry.id = id;
    // From here on: the call itself may have taken longer than the cloud needs to show it.
    entry.createdAt = now;
    entry.stageSince = now;
    this.shortly(entry);
  }

  forget(entry: GroupEntry): void {
    if (this.#entries.get(entry.owner.uid) === entry) this.#entries.delete(entry.owner.uid);
    this.#heap.remove(entry);
    wake(entry);
  }

  /** A listing that began at `at`. Answers those of which nothing, or nothing sure, is known yet: they are to be described. */
  listed(groups: readonly CloudGroup[], at: number): readonly GroupEntry[] {
    return groups.flatMap((group) => {
      const { uid } = group.owner;
      const isDoubtful = !this.#entries.has(uid) && this.#gone.wasGone(uid, at, this.#options.consistencyMs);
      const entry = this.add(group.owner, undefined, false);
      entry.id ??= group.id;
      if (isDoubtful) return [entry];
      if (group.partial !== true) this.#apply(entry, group, at);
      else if (entry.lookedAt === 0) {
        entry.group ??= group;
        return [entry];
      } else if (entry.group?.stage !== group.stage && at > entry.lookedAt) this.soon(entry);
      return [];
    });
  }

  /** Looks at these now, for who waits for it, several at a time. Throws what the cloud throws. */
  async describe(entries: readonly GroupEntry[], context: CallContext): Promise<void> {
    await describeAll(this.#options, entries, (entry, group, at) => this.#found(entry, group, at), context);
  }

  /** Something is to happen to it soon, or has. */
  soon(entry: GroupEntry): void {
    if (this.#entries.get(entry.owner.uid) !== entry) return;
    this.#put(entry, this.#options.clock.now());
    this.#begin();
  }

  /** The cloud was told something of it that takes a while. */
  shortly(entry: GroupEntry): void {
    if (this.#entries.get(entry.owner.uid) !== entry) return;
    const { clock, pace } = this.#options;
    this.#put(entry, clock.now() + firstLookMs(this.#load.now(), pace));
    this.#begin();
  }

  /** By its UID, or by the cloud's id of it. */
  soonById(id: string): void {
    const byUid = this.#entries.get(id);
    if (byUid !== undefined) this.soon(byUid);
    else for (const entry of this.#entries.values()) if (entry.id === id) this.soon(entry);
  }

  #found(entry: GroupEntry, group: CloudGroup | undefined, at: number): void {
    // What was asked for before the last look knows less than that.
    if (this.#entries.get(entry.owner.uid) !== entry || at < entry.lookedAt) return;
    const { clock, consistencyMs } = this.#options;
    const { createdAt = Number.NEGATIVE_INFINITY } = entry;
    if (group !== undefined) this.#apply(entry, group, at);
    // One that was shown already may not be by the next answer: it may come from another server of the cloud's.
    else if (!entry.isRemoved && at - createdAt < consistencyMs) this.#again(entry);
    else {
      this.forget(entry);
      this.#gone.add(entry.owner.uid, clock.now());
      // One that was in a late listing alone was told to be gone before.
      if (entry.group !== undefined || entry.createdAt !== undefined) this.#options.gone(entry);
    }
  }

  #apply(entry: GroupEntry, group: CloudGroup, at: number): void {
    if (at < entry.lookedAt) return;
    const isFound = entry.lookedAt === 0 && entry.createdAt === undefined;
    // Of one that was found, its own time counts: what runs for long is not looked at often because this program is new.
    if (isFound) entry.stageSince = Date.parse(group.startTime ?? "") || 0;
    else if (entry.group?.stage !== group.stage) entry.stageSince = this.#options.clock.now();
    entry.id = group.id;
    entry.group = withEnded(group, entry.group);
    entry.lookedAt = at;
    entry.failures = 0;
    for (const event of entry.told.news(group.events)) this.#options.told(entry.owner, event);
    this.#again(entry);
    this.#options.seen(entry);
    wake(entry);
  }

  /** On the heap for its next look. */
  #again(entry: GroupEntry): void {
    const { clock, pace, random } = this.#options;
    const now = clock.now();
    const state = {
      stage: entry.group?.stage ?? "starting",
      since: entry.stageSince,
      awaited: isAwaited(entry, now),
      pushed: this.#pushed,
      failures: entry.failures,
      ...this.#load.now(),
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
