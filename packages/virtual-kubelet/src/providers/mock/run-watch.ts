// Tells when a run of a container ends. All that wait share one watch of the backend, which lasts as long as somebody waits.
import { type Clock, pause } from "../../clock.ts";
import { isErrorKind } from "../../errors.ts";
import type { PodOwner, PodReport } from "../../provider/pods.ts";
import type { BackendConnection } from "./connection.ts";
import type { ContainerRun } from "./runs.ts";

/** Between two tries to reach a backend whose watch broke off. */
const retryMs = 1000;

interface Waiter {
  readonly uid: string;
  /** The newest report since it was last looked at. */
  report: PodReport | undefined;
  wake: () => void;
}

export class RunWatch {
  readonly #connection: BackendConnection;
  readonly #node: string;
  readonly #clock: Clock;
  readonly #waiters = new Map<string, Set<Waiter>>();
  #stop: AbortController | undefined;

  constructor(connection: BackendConnection, node: string, clock: Clock) {
    this.#connection = connection;
    this.#node = node;
    this.#clock = clock;
  }

  /**
   * Resolves with the run as it ended, or as it is when the signal aborts. A pod that is gone without a word has ended its
   * runs with 137. Throws Unavailable when the backend cannot be asked.
   */
  async ended(owner: PodOwner, container: string, run: ContainerRun, signal: AbortSignal): Promise<ContainerRun> {
    if (run.ended !== undefined) return run;
    const { promise, resolve } = Promise.withResolvers<void>();
    const waiter: Waiter = { uid: owner.uid, report: undefined, wake: resolve };
    let woken = promise;
    const onAbort = (): void => waiter.wake();
    signal.addEventListener("abort", onAbort, { once: true });
    this.#add(waiter);
    try {
      while (!signal.aborted) {
        const { report } = waiter;
        waiter.report = undefined;
        const now = await this.look(owner, container, run, signal, report);
        if (now.ended !== undefined) return now;
        await woken;
        const next = Promise.withResolvers<void>();
        woken = next.promise;
        waiter.wake = next.resolve;
      }
      return run;
    } catch (error) {
      if (signal.aborted) return run;
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#remove(waiter);
    }
  }

  /**
   * The run as the backend has it. `report` is the last word that was heard of the pod: it has the exit code when the pod is gone.
   * Throws Unavailable when the backend cannot be asked.
   */
  async look(
    owner: PodOwner,
    container: string,
    run: ContainerRun,
    signal: AbortSignal,
    report?: PodReport,
  ): Promise<ContainerRun> {
    const over = (exitCode: number): ContainerRun => ({ ...run, ended: { at: this.#clock.now(), exitCode } });
    try {
      const all = await this.#connection.runs(owner.uid, signal);
      const runs = all.find(({ name }) => name === container);
      const same = [runs?.latest, runs?.previous].find((candidate) => candidate?.attempt === run.attempt);
      return same ?? over(137);
    } catch (error) {
      if (!isErrorKind(error, "NotFound")) throw error;
      const state = report?.containers.find(({ name }) => name === container)?.state;
      return over(state?.terminated?.exitCode ?? 137);
    }
  }

  #add(waiter: Waiter): void {
    const same = this.#waiters.get(waiter.uid) ?? new Set();
    this.#waiters.set(waiter.uid, same.add(waiter));
    if (this.#stop !== undefined) return;
    this.#stop = new AbortController();
    void this.#run(this.#stop.signal);
  }

  #remove(waiter: Waiter): void {
    const same = this.#waiters.get(waiter.uid);
    same?.delete(waiter);
    if (same?.size === 0) this.#waiters.delete(waiter.uid);
    if (this.#waiters.size > 0) return;
    this.#stop?.abort();
    this.#stop = undefined;
  }

  /** Never throws: who waits finds out by asking. */
  async #run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        for await (const update of this.#connection.watch(this.#node, signal)) {
          const { uid } = update.type === "report" ? update.report.owner : update.owner;
          for (const waiter of this.#waiters.get(uid) ?? []) {
            if (update.type === "report") waiter.report = update.report;
            waiter.wake();
          }
        }
      } catch {
        // As an end that was not asked for: who waits looks, and gets this very error if it lasts.
      }
      await pause(this.#clock, signal.aborted ? 0 : retryMs, signal);
      if (!signal.aborted) for (const same of this.#waiters.values()) for (const waiter of same) waiter.wake();
    }
  }
}
