// Tasks under way of one pod: each key once, those no longer wanted are ended where they can be, those that failed wait.
import type { Clock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { CallContext } from "../provider.ts";
import type { Task } from "./task.ts";
import { timedCall } from "./timed-call.ts";

export interface TaskTableOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Longest time of a call that is no pull, hook or stop. */
  readonly callTimeoutMs: number;
  /** Resolves when the task is done; what it throws is tried again after a while. */
  readonly perform: (task: Task, context: CallContext) => Promise<void>;
  readonly ended: () => void;
}

interface UnderWay {
  task: Task;
  readonly call: AbortController;
}

const firstRetryMs = 1000;
const lastRetryMs = 30_000;

export class TaskTable {
  readonly #options: TaskTableOptions;
  readonly #underWay = new Map<string, UnderWay>();
  readonly #failures = new Map<string, { readonly count: number; readonly againAt: number }>();
  #stopped = false;

  constructor(options: TaskTableOptions) {
    this.#options = options;
  }

  get keys(): ReadonlySet<string> {
    return new Set(this.#underWay.keys());
  }

  get size(): number {
    return this.#underWay.size;
  }

  /** Begins what is wanted and not under way; ends what is under way and neither wanted nor kept. When to ask again, if so. */
  match(wanted: readonly Task[], kept: ReadonlySet<string>): number | undefined {
    if (this.#stopped) return undefined;
    const byKey = new Map(wanted.map((task) => [task.key, task]));
    for (const [key, { task, call }] of this.#underWay) {
      const now = byKey.get(key);
      if (kept.has(key) || now?.type === task.type || task.type === "stop") continue;
      if (task.type !== "remove" && task.type !== "message") call.abort(unwanted());
    }
    const now = this.#options.clock.now();
    let again: number | undefined;
    for (const task of wanted) {
      const running = this.#underWay.get(task.key);
      const failure = this.#failures.get(task.key);
      if (running !== undefined) this.#hasten(running, task);
      else if (failure !== undefined && now < failure.againAt)
        again = Math.min(again ?? failure.againAt, failure.againAt);
      else this.#begin(task);
    }
    for (const key of this.#failures.keys()) if (!byKey.has(key)) this.#failures.delete(key);
    return again;
  }

  /** Ends all that is under way, and begins nothing more. */
  stop(): void {
    this.#stopped = true;
    for (const { call } of this.#underWay.values()) call.abort(unwanted());
  }

  /** A stop under way is asked for again when it is to come sooner. */
  #hasten(running: UnderWay, task: Task): void {
    if (task.type !== "stop" || running.task.type !== "stop" || task.deadline >= running.task.deadline) return;
    running.task = task;
    this.#perform(task, running.call.signal).catch((error: unknown) =>
      this.#options.log.warn({ task: task.key, err: errorText(error) }, "a stop could not be hastened"),
    );
  }

  #begin(task: Task): void {
    const call = new AbortController();
    this.#underWay.set(task.key, { task, call });
    this.#perform(task, call.signal)
      .then(
        () => {
          this.#failures.delete(task.key);
        },
        (error: unknown) => this.#failed(task, call.signal, VirtualKubeletError.from(error)),
      )
      .finally(() => {
        this.#underWay.delete(task.key);
        this.#options.ended();
      });
  }

  async #perform(task: Task, signal: AbortSignal): Promise<void> {
    const { clock, callTimeoutMs, log, perform } = this.#options;
    const stopMs = task.type === "stop" ? Math.max(0, task.deadline - clock.now()) : 0;
    const limitMs =
      task.type === "image" || task.type === "preStop" || task.type === "postStart"
        ? undefined
        : callTimeoutMs + stopMs;
    await timedCall(
      clock,
      { signal, log },
      limitMs,
      (context) => perform(task, context),
      task.type === "createSandbox",
    );
  }

  #failed(task: Task, signal: AbortSignal, error: VirtualKubeletError): void {
    if (signal.aborted) return;
    const count = (this.#failures.get(task.key)?.count ?? 0) + 1;
    const delayMs = Math.max(
      Math.min(lastRetryMs, firstRetryMs * 2 ** Math.min(count - 1, 10)),
      error.retryAfterMs ?? 0,
    );
    this.#failures.set(task.key, { count, againAt: this.#options.clock.now() + delayMs });
    this.#options.log.warn(
      { task: task.key, err: errorText(error), retryInMs: delayMs },
      "a task failed, will be retried",
    );
  }
}

function unwanted(): VirtualKubeletError {
  return new VirtualKubeletError("Aborted", "no longer wanted");
}
