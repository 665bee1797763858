// What is known of one pod on a cloud: what it is to be, what the cloud last said, what is being done about it.
import type { BackoffStep } from "../engine/backoff.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { HeapItem } from "../kube/due-heap.ts";
import type { PodFailure, PodOwner, PodRequest } from "../provider/pods.ts";
import type { CloudGroup, GroupRef } from "./cloud-backend.ts";
import { ToldEvents } from "./told-events.ts";

/** It is to end: by the API's deletion, or for good and kept. */
export interface GroupEnding {
  readonly why: "deleted" | "stopped";
  /** Epoch milliseconds: what runs then is killed. */
  readonly deadline: number;
  readonly failure: PodFailure | undefined;
}

export interface GroupEntry extends HeapItem {
  readonly owner: PodOwner;
  /** Absent for one that was found on the cloud, until the core hands it over. */
  request: PodRequest | undefined;
  /** The cloud's id. Absent while it is being created. */
  id: string | undefined;
  /** As last described, or as created: without containers. */
  group: CloudGroup | undefined;
  /** When `group` was asked for; 0: never. */
  lookedAt: number;
  /** When this process created it; a cloud may not show it for a while after. */
  createdAt: number | undefined;
  /** When its stage was first seen; of one that was found on the cloud, when that accepted it. */
  stageSince: number;
  failures: number;
  /** The cloud accepted its removal. */
  isRemoved: boolean;
  /** The cloud accepted that it ends, one way or the other. */
  isEndAccepted: boolean;
  /** The last report that was passed on, as JSON. */
  reported: string | undefined;
  readonly told: ToldEvents;
  ending: GroupEnding | undefined;
  /** By container: the attempt that was told to end. One that the cloud begins after it, by the pod's restart policy, counts for nothing. */
  readonly ended: Map<string, number>;
  /** The end was begun; resolved when that work is over. */
  endingWork: Promise<void> | undefined;
  /** Called once each: a look was taken, or its deadline changed, or it is out of the table. */
  readonly waiters: Set<() => void>;
  /** By container: the attempt whose postStart hook has had its turn, and how. */
  readonly postStarted: Map<string, { readonly attempt: number; readonly state: "running" | "done" | "failed" }>;
  /** By container: the attempt that is to start anew for its probe or hook; and when the cloud was told so, epoch milliseconds. */
  readonly restarted: Map<string, { readonly attempt: number; readonly toldAt: number | undefined }>;
  /** By container: how long the next such start has to wait. */
  readonly backoff: Map<string, BackoffStep>;
}

/** `isNew`: this process creates it, from `now` on. */
export function newEntry(owner: PodOwner, request: PodRequest | undefined, isNew: boolean, now: number): GroupEntry {
  return {
    ...{ owner, request, id: undefined, group: undefined, lookedAt: 0, failures: 0, reported: undefined },
    ...{ stageSince: isNew ? now : 0, createdAt: isNew ? now : undefined, told: new ToldEvents(isNew) },
    ...{
      waiters: new Set(),
      isRemoved: false,
      isEndAccepted: false,
      ending: undefined,
      endingWork: undefined,
      ended: new Map(),
    },
    ...{ postStarted: new Map(), restarted: new Map(), backoff: new Map(), due: now, heapIndex: -1 },
  };
}

export function refOf(entry: GroupEntry): GroupRef | undefined {
  return entry.id === undefined ? undefined : { owner: entry.owner, id: entry.id };
}

/** What of the group has ended stays ended, although the cloud shows it no more. Pure. */
export function withEnded(group: CloudGroup, before: CloudGroup | undefined): CloudGroup {
  const kept = (before?.containers ?? []).filter(
    ({ name, state }) => state.terminated !== undefined && !group.containers.some((shown) => shown.name === name),
  );
  return kept.length === 0 ? group : { ...group, containers: [...group.containers, ...kept] };
}

/** Nothing of it runs, nor will. */
export function hasEnded({ group }: Pick<GroupEntry, "group">): boolean {
  return group?.stage === "ended";
}

/** Tells those who wait for something to happen to it. */
export function wake({ waiters }: GroupEntry): void {
  const all = [...waiters];
  waiters.clear();
  for (const waiter of all) waiter();
}

export function notFound({ uid }: PodOwner): VirtualKubeletError {
  return new VirtualKubeletError("NotFound", `there is no pod ${uid}`);
}

/** Something of it happens next: not while its end waits for a call to the cloud. */
export function isAwaited(entry: GroupEntry, now: number): boolean {
  const { ending, endingWork, isEndAccepted } = entry;
  const ends = endingWork !== undefined && (isEndAccepted || now < (ending?.deadline ?? 0));
  return ends || isRestarting(entry, now);
}

/** The cloud was told lately to have a container start anew, and has not yet. */
function isRestarting({ group, restarted }: GroupEntry, now: number): boolean {
  return (group?.containers ?? []).some(({ name, restartCount = 0 }) => {
    const told = restarted.get(name);
    return told?.attempt === restartCount && told.toldAt !== undefined && now - told.toldAt < 60_000;
  });
}
