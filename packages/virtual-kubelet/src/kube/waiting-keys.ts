// Where the keys of a work queue wait: those that are due in two lanes, fresh ones before retries; the others until their time.
import { DueHeap } from "./due-heap.ts";
import { Lane } from "./lane.ts";

/** A key is known while it waits, is delayed, is worked on or has failures to remember; else it has no entry. */
export interface QueueEntry {
  readonly key: string;
  /** When it was or will be due, while waiting or delayed. */
  due: number;
  heapIndex: number;
  /** The lane it waits in. */
  lane: Lane<QueueEntry> | undefined;
  /** While delayed: was it put back after a failure? Decides its lane when due. */
  retry: boolean;
  active: boolean;
  /** When the work under way began. */
  begunAt: number;
  /** Added while active: runs again at once. */
  dirty: boolean;
  /** addAfter while active. */
  after: number | undefined;
  failures: number;
}

/** One retry is taken after so many fresh keys, however many wait. */
const freshPerRetry = 9;

export function newQueueEntry(key: string): QueueEntry {
  return {
    key,
    due: 0,
    heapIndex: -1,
    lane: undefined,
    retry: false,
    active: false,
    begunAt: 0,
    dirty: false,
    after: undefined,
    failures: 0,
  };
}

export class WaitingKeys {
  readonly #fresh = new Lane<QueueEntry>();
  readonly #retry = new Lane<QueueEntry>();
  readonly #delayed = new DueHeap<QueueEntry>();
  #freshInRow = 0;

  /** Keys that are due. */
  get waiting(): number {
    return this.#fresh.size + this.#retry.size;
  }

  get delayed(): number {
    return this.#delayed.size;
  }

  /** When the first of the delayed ones is due. */
  get nextDue(): number | undefined {
    return this.#delayed.peek()?.due;
  }

  isFresh(entry: QueueEntry): boolean {
    return entry.lane === this.#fresh;
  }

  /** It waits; `due` is since when. */
  wait(entry: QueueEntry, due: number, retry: boolean): void {
    this.remove(entry);
    const lane = retry ? this.#retry : this.#fresh;
    entry.due = due;
    entry.lane = lane;
    lane.add(entry);
  }

  delay(entry: QueueEntry, due: number, retry: boolean): void {
    this.remove(entry);
    entry.due = due;
    entry.retry = retry;
    this.#delayed.push(entry);
  }

  remove(entry: QueueEntry): void {
    entry.lane?.delete(entry);
    entry.lane = undefined;
    this.#delayed.remove(entry);
  }

  /** Those that fell due wait from now on. */
  promote(now: number): void {
    for (let entry = this.#delayed.peek(); entry !== undefined && entry.due <= now; entry = this.#delayed.peek())
      this.wait(entry, entry.due, entry.retry);
  }

  /** The one whose turn it is, for its caller to remove. */
  take(): QueueEntry | undefined {
    const retryFirst = this.#freshInRow >= freshPerRetry || this.#fresh.size === 0;
    const entry = retryFirst ? (this.#retry.first() ?? this.#fresh.first()) : this.#fresh.first();
    this.#freshInRow = entry?.lane === this.#fresh ? this.#freshInRow + 1 : 0;
    return entry;
  }

  /** Fresh ones, then retries, each in the order in which they came. */
  *values(): Iterable<QueueEntry> {
    yield* this.#fresh.values();
    yield* this.#retry.values();
  }

  /** Since when the one that has waited longest has; undefined when none waits. */
  oldest(): number | undefined {
    const [fresh] = this.#fresh.values();
    const [retry] = this.#retry.values();
    if (fresh === undefined || retry === undefined) return (fresh ?? retry)?.due;
    return Math.min(fresh.due, retry.due);
  }
}
