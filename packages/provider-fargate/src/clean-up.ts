// Removes what tasks have left in the account and no task needs: now and then, beside all else, never more than this node's own.
import { type CallContext, type Clock, errorText, type Logger } from "@virtual-kubelet/virtual-kubelet";
import { familyOfArn } from "./names.ts";
import type { TaskDefinitions } from "./task-definitions.ts";
import type { OwnedTask } from "./task-reader.ts";
import type { TaskSecrets } from "./task-secrets.ts";

export interface CleanUpOptions {
  readonly definitions: Pick<TaskDefinitions, "clean">;
  readonly secrets: Pick<TaskSecrets, "clean">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds between two; default ten minutes. */
  readonly everyMs?: number | undefined;
}

export class CleanUp {
  readonly #options: CleanUpOptions;
  readonly #stop = new AbortController();
  #doneAt = Number.NEGATIVE_INFINITY;
  #work: Promise<void> | undefined;

  constructor(options: CleanUpOptions) {
    this.#options = options;
  }

  /** After a listing, with the tasks that live or are to be run again: begins it where it is time. Never throws. */
  begin(tasks: readonly OwnedTask[]): void {
    const { clock, everyMs = 10 * 60_000 } = this.#options;
    if (this.#work !== undefined || clock.now() - this.#doneAt < everyMs || this.#stop.signal.aborted) return;
    this.#doneAt = clock.now();
    this.#work = this.#clean(tasks).finally(() => {
      this.#work = undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#work;
  }

  async #clean(living: readonly OwnedTask[]): Promise<void> {
    const { definitions, secrets, log } = this.#options;
    const context: CallContext = { signal: this.#stop.signal, log };
    try {
      await secrets.clean(new Set(living.map(({ owner }) => owner.owner.uid)), context);
      await definitions.clean(new Set(living.map(({ task }) => familyOfArn(task.taskDefinitionArn ?? ""))), context);
    } catch (error) {
      if (!this.#stop.signal.aborted) log.warn({ err: errorText(error) }, "what tasks have left cannot be removed now");
    }
  }
}
