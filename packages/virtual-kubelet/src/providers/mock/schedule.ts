// Many due times over one timer: thousands of pods share one entry in the clock.
import type { Clock } from "../../clock.ts";

interface Entry {
  readonly at: number;
  readonly key: string;
}

/** Calls `onDue` with each key when its time has come. A key has one due time: setting it again replaces it. */
export class Schedule {
  readonly #clock: Clock;
  readonly #onDue: (key: string) => void;
  readonly #due = new Map<string, number>();
  /** A binary heap; entries that `#due` no longer knows are skipped. */
  #heap: Entry[] = [];
  #armedFor = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, onDue: (key: string) => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** `at` in epoch milliseconds; Infinity: not at all. */
  set(key: string, at: number): void {
    if (this.#due.get(key) === at) return;
    if (at === Number.POSITIVE_INFINITY) {
      this.#due.delete(key);
      return;
    }
    this.#due.set(key, at);
    this.#push({ at, key });
    this.#arm();
  }

  /** Forgets everything and holds no timer. */
  close(): void {
    this.#due.clear();
    this.#heap = [];
    this.#cancel?.();
    this.#cancel = undefined;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || first.at >= this.#armedFor) return;
    this.#cancel?.();
    this.#armedFor = first.at;
    this.#cancel = this.#clock.schedule(first.at - this.#clock.now(), () => this.#fire());
  }

  #fire(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#cancel = undefined;
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      const isStale = this.#due.get(first.key) !== first.at;
      if (!isStale && first.at > this.#clock.now()) break;
      this.#pop();
      if (isStale) continue;
      this.#due.delete(first.key);
      this.#onDue(first.key);
    }
    this.#arm();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(entry);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || above.at <= entry.at) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let index = 0;
    for (;;) {
      const left = 2 * index + 1;
      const [first, second] = [heap[left], heap[left + 1]];
      if (first === undefined) break;
      const isSecond = second !== undefined && second.at < first.at;
      const child = isSecond ? second : first;
      if (child.at >= last.at) break;
      heap[index] = child;
      index = isSecond ? left + 1 : left;
    }
    heap[index] = last;
  }
}
