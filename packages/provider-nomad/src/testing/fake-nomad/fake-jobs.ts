// Jobs of a fake Nomad with their evaluations and allocations: registered, placed, stopped, purged.
import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { errorText, isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import type { NomadEvaluation, NomadPlacementMetric } from "../../wire.ts";
import type { FakeAllocation } from "./fake-allocation.ts";
import type { FakeNode, FakeNodes, Held } from "./fake-nodes.ts";
import type { FakeEvent, FakeState } from "./fake-state.ts";
import { jobFault } from "./job-rules.ts";
import { type FakeJob, readJob } from "./job-schema.ts";
import { NomadRefusal } from "./refusal.ts";

export interface JobEntry {
  job: FakeJob;
  readonly namespace: string;
  readonly createIndex: number;
  /** Of the last change of what it is. */
  jobModifyIndex: number;
  modifyIndex: number;
  version: number;
  submitTime: number;
  evaluations: readonly NomadEvaluation[];
}

export interface Registration {
  readonly EvalID: string;
  readonly JobModifyIndex: number;
  readonly Warnings: string;
}

export interface FakeJobsOptions {
  readonly state: FakeState;
  readonly nodes: FakeNodes;
  readonly namespaces: readonly string[];
  /** Makes an allocation, which is run then. */
  readonly allocate: (job: FakeJob, node: FakeNode) => FakeAllocation;
}

export class FakeJobs {
  /** All that there is of them, in the order of creation. */
  allocations: readonly FakeAllocation[] = [];
  /** How many allocations were ever made, by job. */
  readonly made: Map<string, number> = new Map();
  /** What could not be run or ended. */
  readonly problems: string[] = [];
  readonly #options: FakeJobsOptions;
  readonly #all = new Map<string, JobEntry>();
  readonly #runs = new Set<Promise<void>>();

  constructor(options: FakeJobsOptions) {
    this.#options = options;
  }

  get all(): readonly JobEntry[] {
    return [...this.#all.values()];
  }

  /** Throws NotFound. */
  get(namespace: string, id: string): JobEntry {
    const entry = this.#all.get(`${namespace}/${id}`);
    if (entry === undefined) throw new NomadRefusal(404, "job not found");
    return entry;
  }

  evaluations(namespace: string, id: string): readonly NomadEvaluation[] {
    return this.#all.get(`${namespace}/${id}`)?.evaluations ?? [];
  }

  status({ job, evaluations }: JobEntry): "pending" | "running" | "dead" {
    const own = this.allocations.filter(({ options }) => options.job.ID === job.ID);
    if (own.some(({ isTerminal }) => !isTerminal)) return "running";
    if (job.Stop) return "dead";
    const isBlocked = evaluations.some(({ Status }) => Status === "blocked");
    return own.length > 0 && !isBlocked ? (job.Type === "batch" ? "dead" : "running") : "pending";
  }

  /** `enforced`: only when its index is this, 0 for a job that is not there. `asked`: goes before the job's own namespace. */
  register(value: unknown, asked: string | undefined, enforced: number | undefined): Registration {
    const job = this.#valid(value, asked);
    const namespace = job.Namespace ?? "default";
    const key = `${namespace}/${job.ID}`;
    const there = this.#all.get(key);
    if (enforced !== undefined) enforce(enforced, there);
    const index = this.#options.state.index + 1;
    const entry: JobEntry = there ?? {
      ...{ job, namespace, createIndex: index, jobModifyIndex: index, modifyIndex: index, version: -1 },
      ...{ submitTime: 0, evaluations: [] },
    };
    Object.assign(entry, { job, jobModifyIndex: index, modifyIndex: index, version: entry.version + 1 });
    entry.submitTime = Date.now() * 1_000_000;
    this.#all.set(key, entry);
    this.#tell("JobRegistered", entry);
    const EvalID = this.#evaluate(entry, "job-register");
    return { EvalID, JobModifyIndex: entry.jobModifyIndex, Warnings: "" };
  }

  plan(value: unknown, asked: string | undefined): { readonly FailedTGAllocs: unknown; readonly Warnings: string } {
    const job = this.#valid(value, asked);
    const failed = job.TaskGroups.flatMap((group) => {
      const found = this.#options.nodes.place(job, group, this.#held(job.ID));
      return "ID" in found ? [] : [[group.Name, found] as const];
    });
    return { Warnings: "", FailedTGAllocs: failed.length === 0 ? null : Object.fromEntries(failed) };
  }

  /** One that is not there is nobody's fault. */
  deregister(namespace: string, id: string, purge: boolean): { readonly EvalID: string } {
    const entry = this.#all.get(`${namespace}/${id}`);
    if (entry === undefined) return { EvalID: "" };
    entry.job = { ...entry.job, Stop: true };
    const index = this.#options.state.index + 1;
    Object.assign(entry, { jobModifyIndex: index, modifyIndex: index });
    if (purge) this.#all.delete(`${namespace}/${id}`);
    this.#tell("JobDeregistered", entry);
    const EvalID = this.#evaluate(entry, "job-deregister");
    if (purge) this.#track(this.#forget(id));
    return { EvalID };
  }

  /** What has no place is looked at again: clients have come, or room. */
  reevaluate(): void {
    for (const entry of this.all)
      if (entry.evaluations.some(({ Status }) => Status === "blocked")) {
        entry.evaluations = entry.evaluations.filter(({ Status }) => Status !== "blocked");
        this.#evaluate(entry, "queued-allocs");
      }
  }

  /** Its client is gone: what is to run gets another place. */
  lose(allocation: FakeAllocation): void {
    allocation.isLost = true;
    this.changed(allocation, "AllocationUpdated");
    this.#replace(allocation, "stop", "alloc was rescheduled because its node was lost", "node-update");
  }

  /** Something more important wants its place; the job waits for another. */
  preempt(allocation: FakeAllocation): void {
    this.#replace(allocation, "evict", "alloc was preempted", "preemption");
  }

  /** Its client is drained: it runs elsewhere from now on. */
  migrate(allocation: FakeAllocation): void {
    this.#replace(allocation, "stop", "alloc is being migrated", "node-drain");
  }

  /** Of an allocation. */
  changed(allocation: FakeAllocation, type: "AllocationUpdated" | "PlanResult" = "AllocationUpdated"): void {
    const { state } = this.#options;
    const { job } = allocation.options;
    allocation.modifyIndex = state.change(["allocs"], () => [
      {
        ...{ Topic: "Allocation", Type: type, Key: allocation.id, Namespace: job.Namespace ?? "default" },
        FilterKeys: [job.ID],
        Payload: {
          Allocation: { ID: allocation.id, JobID: job.ID, ClientStatus: allocation.clientStatus, TaskGroup: "pod" },
        },
      },
    ]);
  }

  /** All that runs has ended, also beside what cannot be. */
  async close(): Promise<void> {
    for (const allocation of this.allocations) this.#track(allocation.remove());
    await Promise.all(this.#runs);
  }

  #valid(value: unknown, asked: string | undefined): FakeJob {
    const read = readJob(value);
    if (typeof read === "string") throw new NomadRefusal(400, `Failed to decode body: ${read}`);
    const job = { ...read, Namespace: asked ?? read.Namespace ?? "default" };
    const fault = jobFault(job, this.#options.namespaces);
    if (fault !== undefined) throw new NomadRefusal(500, fault);
    return job;
  }

  /** What an evaluation does at once here; answers its id. */
  #evaluate(entry: JobEntry, TriggeredBy: string): string {
    const { job } = entry;
    const own = this.allocations.filter(({ options }) => options.job.ID === job.ID);
    let failed: Record<string, NomadPlacementMetric> | undefined;
    if (job.Stop)
      for (const allocation of own.filter(({ isTerminal }) => !isTerminal))
        this.#track(allocation.stop("stop", "alloc not needed due to job update"));
    else {
      // Of another meta, which is in the environment of all tasks: that is another job to run.
      for (const allocation of own.filter(({ desired, options }) => desired === "run" && !isSame(options.job, job)))
        this.#track(allocation.stop("stop", "alloc is being updated due to job update"));
      if (own.every(({ desired }) => desired !== "run")) failed = this.#place(entry);
    }
    const { state } = this.#options;
    const index = state.index + 1;
    const evaluation: NomadEvaluation = {
      ...{ ID: randomUUID(), JobID: job.ID, Type: job.Type, TriggeredBy, Status: "complete", StatusDescription: "" },
      ...(failed === undefined ? {} : { FailedTGAllocs: failed }),
      ...{ CreateIndex: index, ModifyIndex: index },
    };
    const blocked: NomadEvaluation = {
      ...{ ...evaluation, ID: randomUUID(), TriggeredBy: "queued-allocs", Status: "blocked" },
      StatusDescription: "created to place remaining allocations",
    };
    entry.evaluations = [...entry.evaluations, evaluation, ...(failed === undefined ? [] : [blocked])];
    state.change(["evals"], () => [evaluationEvent(evaluation, entry.namespace)]);
    return evaluation.ID;
  }

  #place({ job }: JobEntry): Record<string, NomadPlacementMetric> | undefined {
    const [group] = job.TaskGroups;
    if (group === undefined) return undefined;
    const found = this.#options.nodes.place(job, group, this.#held());
    if (!("ID" in found)) return { [group.Name]: found };
    const allocation = this.#options.allocate(job, found);
    this.allocations = [...this.allocations, allocation];
    this.made.set(job.ID, (this.made.get(job.ID) ?? 0) + 1);
    this.changed(allocation, "PlanResult");
    allocation.createIndex = allocation.modifyIndex;
    this.#track(allocation.run());
    return undefined;
  }

  #replace(allocation: FakeAllocation, desired: "stop" | "evict", description: string, trigger: string): void {
    this.#track(allocation.stop(desired, description));
    const { job } = allocation.options;
    const entry = this.#all.get(`${job.Namespace ?? "default"}/${job.ID}`);
    if (entry !== undefined && !entry.job.Stop) this.#evaluate(entry, trigger);
  }

  async #forget(id: string): Promise<void> {
    const own = this.allocations.filter(({ options }) => options.job.ID === id);
    await Promise.all(own.map((allocation) => allocation.remove()));
  }

  #track(work: Promise<void>): void {
    const kept = work
      .catch((error: unknown) => {
        // What runs it may be removed while it ends.
        if (!isErrorKind(error, "NotFound")) this.problems.push(errorText(error));
      })
      .finally(() => this.#runs.delete(kept));
    this.#runs.add(kept);
  }

  #held(but = ""): readonly Held[] {
    return this.allocations
      .filter(({ isTerminal, options }) => !isTerminal && options.job.ID !== but)
      .map(({ options }) => ({ node: options.node.ID, group: options.group }));
  }

  #tell(Type: string, { job, namespace }: JobEntry): void {
    const event: FakeEvent = {
      ...{ Topic: "Job", Type, Key: job.ID, Namespace: namespace, FilterKeys: [] },
      Payload: { Job: { ID: job.ID, Stop: job.Stop } },
    };
    this.#options.state.change(["jobs"], () => [event]);
  }
}

function enforce(index: number, there: JobEntry | undefined): void {
  const prefix = `Enforcing job modify index ${index}`;
  if (there === undefined && index !== 0) throw new NomadRefusal(500, `${prefix}: job does not exist`);
  if (there === undefined) return;
  if (index === 0) throw new NomadRefusal(500, `${prefix}: job already exists`);
  if (index !== there.jobModifyIndex)
    throw new NomadRefusal(500, `${prefix}: job exists with conflicting job modify index: ${there.jobModifyIndex}`);
}

function isSame({ Meta: one, TaskGroups: before }: FakeJob, { Meta: other, TaskGroups: after }: FakeJob): boolean {
  return isDeepStrictEqual([one, before], [other, after]);
}

function evaluationEvent(evaluation: NomadEvaluation, namespace: string): FakeEvent {
  const { ID, JobID, Status } = evaluation;
  return {
    ...{ Topic: "Evaluation", Type: "EvaluationUpdated", Key: ID, Namespace: namespace, FilterKeys: [JobID] },
    Payload: { Evaluation: { ID, JobID, Status } },
  };
}
