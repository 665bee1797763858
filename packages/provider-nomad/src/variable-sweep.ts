// Variables that no job has any more: of pods that went while this program was away, of jobs that could never be registered. Only those of
// this node are removed, and only when they are old: variables are there before their job is.
import { type CallContext, type Clock, errorText, type Logger } from "@virtual-kubelet/virtual-kubelet";
import { jobPrefix } from "./names.ts";
import type { NomadClient } from "./nomad-client.ts";
import { isOwnedBy, type VariableOwner } from "./variable-owner.ts";

type Asked = Pick<NomadClient, "listJobs" | "listVariables" | "variable" | "deleteVariable">;

export interface VariableSweepOptions {
  readonly client: Asked;
  readonly owner: VariableOwner;
  readonly clock: Clock;
  readonly log: Logger;
}

const everyMs = 10 * 60_000;
const oldMs = 10 * 60_000;
/** Of one sweep: the others are looked at by the next ones. */
const mostJobs = 100;

export class VariableSweep implements AsyncDisposable {
  readonly #options: VariableSweepOptions;
  readonly #closing = new AbortController();
  #doneAt = Number.NEGATIVE_INFINITY;
  #work: Promise<void> | undefined;
  /** Those of other nodes. */
  #others: ReadonlySet<string> = new Set();

  constructor(options: VariableSweepOptions) {
    this.#options = options;
  }

  /** Begins a sweep where it is time. Never throws. */
  begin(): void {
    const { clock, log } = this.#options;
    if (this.#work !== undefined || this.#closing.signal.aborted || clock.now() - this.#doneAt < everyMs) return;
    const { signal } = this.#closing;
    this.#work = this.#sweep({ signal, log })
      .catch((error: unknown) => {
        if (!signal.aborted) log.info({ err: errorText(error) }, "variables that no job has cannot be looked for now");
      })
      .finally(() => {
        this.#doneAt = clock.now();
        this.#work = undefined;
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#work;
  }

  async #sweep(context: CallContext): Promise<void> {
    const { client } = this.#options;
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
    for (const [job, paths] of unknown) if (!(await this.#remove(job, paths, context))) others.add(job);
    this.#others = others;
  }

  /** False: another's. */
  async #remove(job: string, paths: readonly string[], context: CallContext): Promise<boolean> {
    const { client, clock, owner } = this.#options;
    const found = (await Promise.all(paths.map((path) => client.variable(path, context)))).filter(
      (each) => each !== undefined,
    );
    if (!found.some((each) => isOwnedBy(each, owner))) return found.length === 0;
    const changedAt = Math.max(...found.map(({ ModifyTime = Number.POSITIVE_INFINITY }) => ModifyTime / 1_000_000));
    if (!(clock.now() - changedAt >= oldMs)) return true;
    for (const path of paths) await client.deleteVariable(path, context);
    context.log.info({ job }, "variables of Nomad whose job is gone were removed");
    return true;
  }
}
