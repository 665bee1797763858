// The map of all pods known, by UID, and the only place where facts from the API and from backends are written into it.
import type { Clock } from "../clock.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { PodOwner, PodReport } from "../provider/pods.ts";
import { graceOf, newEntry, type PodEntry, revisionOf } from "./pod-entry.ts";

export interface PodRecordsOptions {
  /** Owner identity of this cluster: what carries another is never taken in. */
  readonly cluster: string;
  readonly clock: Clock;
  /** A pod may have something to do. */
  readonly onWork: (uid: string) => void;
  /** The same, but no reason to cut a back-off short. */
  readonly onLook: (uid: string) => void;
  /** A pod's status may have to be written. */
  readonly onStatus: (uid: string) => void;
  /** It is the first that is known of this pod. */
  readonly onNew?: ((owner: PodOwner) => void) | undefined;
}

export class PodRecords {
  readonly #options: PodRecordsOptions;
  readonly #entries = new Map<string, PodEntry>();
  readonly #byNode = new Map<string, Set<string>>();
  /** When each node's backend was first listed, epoch ms. */
  readonly #listedAt = new Map<string, number>();

  constructor(options: PodRecordsOptions) {
    this.#options = options;
  }

  get(uid: string): PodEntry | undefined {
    return this.#entries.get(uid);
  }

  get size(): number {
    return this.#entries.size;
  }

  all(): Iterable<PodEntry> {
    return this.#entries.values();
  }

  *ofNode(node: string): Iterable<PodEntry> {
    for (const uid of this.#byNode.get(node) ?? []) {
      const entry = this.#entries.get(uid);
      if (entry !== undefined) yield entry;
    }
  }

  forget(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    this.#entries.delete(uid);
    this.#byNode.get(entry.owner.node)?.delete(uid);
  }

  /** The API shows the pod (added or changed). `ownWrite`: it is the echo of our own status write. */
  seen(pod: Stored<Pod>, ownWrite: boolean): void {
    const { uid } = pod.metadata;
    let entry = this.#entries.get(uid);
    if (entry === undefined) {
      const node = pod.spec?.nodeName ?? "";
      const namespace = pod.metadata.namespace ?? "";
      entry = this.#add({ cluster: this.#options.cluster, node, namespace, name: pod.metadata.name, uid });
      // Not in the listing, and nothing since: no need to ask for this one.
      const at = this.#listedAt.get(node);
      if (at !== undefined) entry.backend = { type: "absent", firstAt: at, lastAt: at };
    }
    const before = entry.inApi ? entry.pod : undefined;
    const hadStart = entry.pod?.status?.startTime !== undefined;
    entry.pod = pod;
    entry.inApi = true;
    entry.wasInApi = true;
    entry.orphanSince = undefined;
    const deleting = pod.metadata.deletionTimestamp !== undefined;
    // A call that hangs must not hold up the deletion.
    if (deleting && isSooner(pod, entry)) entry.call?.abort();
    // The deadline counts from a start that only our own write tells.
    const deadlineBegins =
      pod.spec?.activeDeadlineSeconds !== undefined && pod.status?.startTime !== undefined && !hadStart;
    if (ownWrite && !deleting && !deadlineBegins) return;
    // The echo of our own write may come before its answer: it must not bring a failed call's next try forward.
    if (before !== undefined && wantsTheSame(before, pod)) this.#options.onLook(uid);
    else this.#options.onWork(uid);
    this.#options.onStatus(uid);
  }

  /** The object left the API. */
  left(pod: Stored<Pod>): void {
    const entry = this.#entries.get(pod.metadata.uid);
    if (entry === undefined) return;
    entry.pod = pod;
    entry.inApi = false;
    if (isSooner(pod, entry)) entry.call?.abort();
    this.#options.onWork(pod.metadata.uid);
  }

  /** A report of the backend; `at` is when it was asked for, so that an old listing never replaces a newer push. */
  reported(node: string, report: PodReport, at: number): void {
    const { owner } = report;
    if (owner.cluster !== this.#options.cluster || owner.node !== node) return;
    let entry = this.#entries.get(owner.uid);
    if (entry === undefined) {
      entry = this.#add(owner);
      entry.orphanSince = this.#options.clock.now();
    } else if (this.#isNewer(entry.reportAt, at)) return;
    // Gone by a newer word than this one, which was asked for before.
    else if (entry.backend.type === "absent" && this.#isNewer(entry.backend.lastAt, at)) return;
    entry.report = report;
    entry.reportAt = at;
    const known = entry.backend.type === "present";
    entry.backend = { type: "present", report };
    entry.create = "accepted";
    entry.failure = undefined;
    if (!known || report.evict !== undefined || entry.deletion !== undefined || !entry.inApi)
      this.#options.onWork(owner.uid);
    else if (report.containers.every((container) => container.state.running === undefined))
      this.#options.onWork(owner.uid);
    this.#options.onStatus(owner.uid);
  }

  /** The backend answered "not found" about this very pod; answers from within its consistency delay do not add up. */
  absent(uid: string, at: number, consistencyDelayMs: number): void {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return;
    if (this.#isNewer(entry.reportAt, at)) {
      // A report came in while this was on its way: which of the two is newer, the backend has to say.
      entry.backend = { type: "unknown" };
      this.#options.onWork(uid);
      return;
    }
    const before = entry.backend;
    const settled = before.type === "absent" && before.firstAt >= entry.createdAt + consistencyDelayMs;
    entry.backend = { type: "absent", firstAt: settled ? before.firstAt : at, lastAt: at };
    this.#options.onStatus(uid);
  }

  /** The backend pushed that the pod is gone: the truth where we had it deleted, else a reason to ask. */
  gone(owner: PodOwner, at: number): void {
    const entry = this.#entries.get(owner.uid);
    if (entry === undefined) return;
    this.#missing(entry, at);
  }

  /** A complete listing of a node's backend that was asked for at `startedAt`. */
  listed(node: string, reports: readonly PodReport[], startedAt: number): void {
    if (!this.#listedAt.has(node)) this.#listedAt.set(node, startedAt);
    const present = new Set<string>();
    for (const report of reports) {
      present.add(report.owner.uid);
      this.reported(node, report, startedAt);
    }
    for (const entry of this.ofNode(node)) {
      if (present.has(entry.owner.uid) || this.#isNewer(entry.reportAt, startedAt)) continue;
      // Created, or being created, after the listing was asked for: it says nothing about it.
      if (entry.call !== undefined || entry.createdAt >= startedAt) continue;
      if (entry.backend.type === "absent" && entry.create !== "accepted") continue;
      this.#missing(entry, startedAt);
    }
  }

  #missing(entry: PodEntry, at: number): void {
    const { uid } = entry.owner;
    const deleted = entry.deletion !== undefined && entry.deletion.at <= at;
    if (entry.create === "never" || deleted) this.absent(uid, at, 0);
    else if (entry.backend.type === "present") entry.backend = { type: "unknown" };
    this.#options.onWork(uid);
  }

  /** Is a fact of the time `known` newer than one of `at`? One from the future is none: the clock was set back. */
  #isNewer(known: number, at: number): boolean {
    return known > at && known <= this.#options.clock.now();
  }

  #add(owner: PodOwner): PodEntry {
    const entry = newEntry(owner, this.#options.clock.now());
    this.#entries.set(owner.uid, entry);
    this.#options.onNew?.(owner);
    const uids = this.#byNode.get(owner.node);
    if (uids === undefined) this.#byNode.set(owner.node, new Set([owner.uid]));
    else uids.add(owner.uid);
    return entry;
  }
}

/** Does the object ask for an earlier end than the backend was told of? */
function isSooner(pod: Stored<Pod>, { deletion }: PodEntry): boolean {
  return deletion === undefined || graceOf(pod) < deletion.gracePeriodSeconds;
}

/** Do both ask the same of the backend, whatever else of the status differs? */
function wantsTheSame(before: Stored<Pod>, after: Stored<Pod>): boolean {
  const [from, to] = [before.metadata, after.metadata];
  return (
    revisionOf(before) === revisionOf(after) &&
    before.status?.phase === after.status?.phase &&
    from.deletionTimestamp === to.deletionTimestamp &&
    from.deletionGracePeriodSeconds === to.deletionGracePeriodSeconds
  );
}
