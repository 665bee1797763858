// The state of a fake Nomad: one index that grows with each change, who waits for a table to change, and the events that are kept.
import { type Clock, pause } from "@virtual-kubelet/virtual-kubelet";

export type Table = "jobs" | "evals" | "allocs" | "nodes" | "variables";

export interface FakeEvent {
  readonly Topic: "Job" | "Evaluation" | "Allocation" | "Node";
  readonly Type: string;
  readonly Key: string;
  readonly Namespace: string;
  readonly FilterKeys: readonly string[];
  readonly Payload: Readonly<Record<string, unknown>>;
}

export interface EventBatch {
  readonly index: number;
  readonly events: readonly FakeEvent[];
}

export class FakeState {
  readonly #clock: Clock;
  /** How many batches of events are kept. */
  readonly #keeps: number;
  readonly #tables = new Map<Table, number>();
  readonly #listeners = new Set<() => void>();
  #batches: EventBatch[] = [];
  #index = 10;
  /** How often it was restored. */
  restorations: number = 0;
  /** Queries that are blocked now. */
  waiting: number = 0;

  constructor(clock: Clock, keeps: number) {
    this.#clock = clock;
    this.#keeps = keeps;
  }

  get index(): number {
    return this.#index;
  }

  indexOf(table: Table): number {
    return this.#tables.get(table) ?? 1;
  }

  /** One change of these tables; answers its index, which the events of it have as well. */
  change(tables: readonly Table[], events: (index: number) => readonly FakeEvent[] = () => []): number {
    this.#index += 1;
    const index = this.#index;
    for (const table of tables) this.#tables.set(table, index);
    const told = events(index);
    if (told.length > 0) this.#batches = [...this.#batches, { index, events: told }].slice(-this.#keeps);
    this.#wake();
    return index;
  }

  /** From a snapshot: indexes are smaller than they were, and nobody knows what happened before. */
  restore(index: number): void {
    this.#index = index;
    this.#tables.clear();
    for (const table of ["jobs", "evals", "allocs", "nodes", "variables"] as const) this.#tables.set(table, index);
    this.#batches = [];
    this.restorations += 1;
    this.#wake();
  }

  /** Events before now are forgotten. */
  forgetEvents(): void {
    this.#batches = [];
  }

  /** Those from `index` on, 0: all that are kept. An index that is gone: the next ones; one that never was: the last one. */
  batchesFrom(index: number): readonly EventBatch[] {
    if (index === 0) return this.#batches;
    const found = this.#batches.filter((batch) => batch.index >= index);
    return found.length > 0 ? found : this.#batches.slice(-1);
  }

  batchesAfter(index: number): readonly EventBatch[] {
    return this.#batches.filter((batch) => batch.index > index);
  }

  /** Resolves when the table has changed after `index`, at the latest after `waitMs`. */
  async newer(table: Table, index: number, waitMs: number, signal: AbortSignal): Promise<void> {
    const { restorations } = this;
    const end = new AbortController();
    const until = AbortSignal.any([signal, end.signal]);
    const listener = (): void => {
      if (this.indexOf(table) > index || this.restorations !== restorations) end.abort();
    };
    listener();
    this.#listeners.add(listener);
    this.waiting += 1;
    await pause(this.#clock, waitMs, until);
    this.waiting -= 1;
    this.#listeners.delete(listener);
  }

  /** Called at each change until the returned function is. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #wake(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
