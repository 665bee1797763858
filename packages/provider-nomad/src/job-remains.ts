// What is to become of jobs: those whose pods are deleted go when their tasks have ended, with what they were given; those that are over
// are stopped, those that could not be started are tried again.
import { type CallContext, errorText, type Logger } from "@virtual-kubelet/virtual-kubelet";
import type { JobWrites } from "./job-writes.ts";
import { attemptKey, overKey } from "./names.ts";
import type { NomadClient } from "./nomad-client.ts";
import type { NomadAllocation } from "./wire.ts";

type Asked = Pick<NomadClient, "deregisterJob" | "stopJob" | "rerunJob" | "listVariables" | "deleteVariable">;

export class JobRemains implements AsyncDisposable {
  readonly #client: Asked;
  readonly #log: Logger;
  readonly #writes: JobWrites;
  readonly #deleted = new Set<string>();
  readonly #ending = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();

  constructor(client: Asked, log: Logger, writes: JobWrites) {
    this.#client = client;
    this.#log = log;
    this.#writes = writes;
  }

  /** It was registered: what was asked of another one of its name is over. */
  begin(id: string): void {
    this.#deleted.delete(id);
    this.#writes.begin(id);
  }

  /** Has its tasks end, and is gone at once where none runs. */
  async remove(id: string, allocations: readonly NomadAllocation[], context: CallContext): Promise<void> {
    this.#deleted.add(id);
    if (allocations.every(hasEnded)) await this.#purge(id, context);
    else await this.#client.deregisterJob(id, { purge: false }, context);
  }

  /** One whose pod was deleted is to go when all of it has ended, and that was seen: this is the last look at it. */
  look(id: string, isStopped: boolean, allocations: readonly NomadAllocation[]): void {
    if (this.#deleted.has(id) && isStopped && allocations.every(hasEnded))
      this.#begin(id, "a job whose pod is deleted cannot be removed yet", (context) => this.#purge(id, context));
  }

  /** Those that Nomad still has. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this.#deleted) if (!ids.has(id)) this.#deleted.delete(id);
  }

  /** Stops it; tried again when it is next seen to be over. */
  end(id: string): void {
    this.#begin(id, "a job that is over cannot be stopped yet", (context) =>
      this.#client.stopJob(id, { [overKey]: "true" }, context),
    );
  }

  /** Nothing of it could be started: it is placed anew. */
  rerun(id: string, attempt: number): void {
    this.#begin(id, "a job that could not be started cannot be tried again yet", (context) =>
      this.#client.rerunJob(id, { [attemptKey]: String(attempt) }, context),
    );
  }

  /** The variables of its tasks. */
  async forget(id: string, context: CallContext): Promise<void> {
    for (const path of await this.#client.listVariables(`nomad/jobs/${id}/`, context))
      await this.#client.deleteVariable(path, context);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#ending.values());
  }

  /** Unless something is under way with it. */
  #begin(id: string, failing: string, work: (context: CallContext) => Promise<void>): void {
    if (this.#ending.has(id)) return;
    const { signal } = this.#closing;
    const running = work({ signal, log: this.#log })
      .catch((error: unknown) => {
        if (!signal.aborted) this.#log.warn({ job: id, err: errorText(error) }, failing);
      })
      .finally(() => this.#ending.delete(id));
    this.#ending.set(id, running);
  }

  /** Its variables first: without its job nobody would find them again. */
  async #purge(id: string, context: CallContext): Promise<void> {
    await this.#writes.leave(id);
    await this.forget(id, context);
    await this.#client.deregisterJob(id, { purge: true }, context);
  }
}

function hasEnded({ ClientStatus }: NomadAllocation): boolean {
  return ClientStatus === "complete" || ClientStatus === "failed" || ClientStatus === "lost";
}
