// Variables that no job has any more: of pods that went while this program was away, of jobs that could never be registered. Only those of
// this node are removed, and only when they have been seen so for a while: variables are there before their job is.
import { type CallContext, type Clock, errorText, type Logger } from "@virtual-kubelet/virtual-kubelet";
import { jobPrefix } from "./names.ts";
import type { NomadClient } from "./nomad-client.ts";
import { isOwnedBy, type VariableOwner } from "./variable-owner.ts";
import type { NomadVariable } from "./wire.ts";

type Asked = Pick<NomadClient, "listJobs" | "listVariables" | "variable" | "deleteVariable">;

export interface VariableSweepOptions {
  readonly client: Asked;
  readonly owner: VariableOwner;
  readonly clock: Clock;
  readonly log: Logger;
}

const everyMs = 10 * 60_000;
/** So long another program of this node, which may be about to end, has to register a job. By our own clock alone. */
const waitedMs = 60_000;
/** Of one sweep: the others are looked at by the next ones. */
const mostJobs = 100;

export class VariableSweep implements AsyncDisposable {
  readonly #options: VariableSweepOptions;
  readonly #closing = new AbortController();
  /** Jobs that this program is about to register. */
  readonly #claimed = new Set<string>();
  readonly #removals = new Map<string, Promise<void>>();
  #cancel = (): void => {};
  #dueAt = Number.NEGATIVE_INFINITY;
  /** Jobs of this node whose variables wait: since when, epoch milliseconds, as they were at that index. */
  #waiting: ReadonlyMap<string, { readonly since: number; readonly index: number }> = new Map();
  #work: Promise<void> | undefined;
  /** Those of other nodes. */
  #others: ReadonlySet<string> = new Set();

  constructor(options: VariableSweepOptions) {
    this.#options = options;
  }

  /** Begins a sweep where it is time; the next ones begin by themselves. Never throws. */
  begin(): void {
    const { clock, log } = this.#options;
    if (this.#work !== undefined || this.#closing.signal.aborted || clock.now() < this.#dueAt) return;
    const { signal } = this.#closing;
    this.#work = this.#sweep({ signal, log })
      .catch((error: unknown) => {
        if (!signal.aborted) log.info({ err: errorText(error) }, "variables that no job has cannot be looked for now");
      })
      .finally(() => {
        const delayMs = this.#waiting.size > 0 ? waitedMs : everyMs;
        this.#dueAt = clock.now() + delayMs;
        this.#work = undefined;
        this.#cancel();
        // Listings may be far between.
        if (!signal.aborted) this.#cancel = clock.schedule(delayMs, () => this.#next());
      });
  }

  #next(): void {
    this.#dueAt = Number.NEGATIVE_INFINITY;
    this.begin();
  }

  /** Resolves when no sweep is under way. */
  async done(): Promise<void> {
    await this.#work;
  }

  /** Variables of the job are left alone until the work has ended, which writes them and registers it. */
  async claimed<T>(job: string, work: () => Promise<T>): Promise<T> {
    this.#claimed.add(job);
    try {
      // What of it could not be removed is written anew.
      await this.#removals.get(job)?.catch(() => {});
      return await work();
    } finally {
      this.#claimed.delete(job);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    this.#cancel();
    await this.done();
  }

  async #sweep(context: CallContext): Promise<void> {
    const { client, owner, clock } = this.#options;
    const byJob = new Map<string, string[]>();
    for (const path of await client.listVariables(`nomad/jobs/${jobPrefix}`, context)) {
      const job = path.split("/")[2] ?? "";
      byJob.set(job, [...(byJob.get(job) ?? []), path]);
    }
    if (byJob.size === 0) return;
    const jobs = await client.listJobs({ filter: `ID matches "^${jobPrefix}"` }, context);
    for (const { ID } of jobs) byJob.delete(ID);
    const unknown = [...byJob].filter(([job]) => !this.#others.has(job)).slice(0, mostJobs);
    const others = new Set([...this.#others].filter((job) => byJob.has(job)));
    const waiting = new Map<string, { readonly since: number; readonly index: number }>();
    for (const [job, paths] of unknown) {
      const found = (await Promise.all(paths.map((path) => client.variable(path, context)))).flatMap(
        (each) => each ?? [],
      );
      if (found.length === 0) continue;
      if (!found.some((each) => isOwnedBy(each, owner))) others.add(job);
      else {
        const wait = this.#waitOf(job, found);
        if (clock.now() - wait.since < waitedMs) waiting.set(job, wait);
        else {
          const removal = this.#remove(job, paths, context).finally(() => this.#removals.delete(job));
          this.#removals.set(job, removal);
          await removal;
        }
      }
    }
    this.#others = others;
    this.#waiting = waiting;
  }

  #waitOf(job: string, found: readonly NomadVariable[]): { readonly since: number; readonly index: number } {
    const index = Math.max(...found.map(({ ModifyIndex = 0 }) => ModifyIndex));
    const before = this.#waiting.get(job);
    return before?.index === index && !this.#claimed.has(job) ? before : { since: this.#options.clock.now(), index };
  }

  async #remove(job: string, paths: readonly string[], context: CallContext): Promise<void> {
    for (const path of paths) await this.#options.client.deleteVariable(path, context);
    context.log.info({ job }, "variables of Nomad whose job is gone were removed");
  }
}
