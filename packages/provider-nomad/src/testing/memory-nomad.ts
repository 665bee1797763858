// Nomad in memory, as its client sees it, over a runner of groups: for tests of all that is above the wire.
import {
  type CallContext,
  type ContainerIO,
  type ExecResult,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { GroupRunner } from "@virtual-kubelet/virtual-kubelet/testing";
import type { Indexed, LogRequest, NomadClient } from "../nomad-client.ts";
import type {
  NomadAgentSelf,
  NomadAllocation,
  NomadAllocationStats,
  NomadEvalAnswer,
  NomadEvaluation,
  NomadEvent,
  NomadJob,
  NomadJobAnswer,
  NomadNode,
  NomadPlanAnswer,
  NomadVariable,
} from "../wire.ts";
import { MemoryAllocation } from "./memory-allocation.ts";
import { notFound } from "./memory-task.ts";

interface Entry {
  job: NomadJob;
  stop: boolean;
  index: number;
  readonly submitted: number;
  readonly allocations: MemoryAllocation[];
}

export class MemoryNomad implements NomadClient {
  /** No leader: nothing can be changed. */
  leaderAddress: string = "127.0.0.1:4647";
  /** Why no job has a place; undefined: it has. */
  unplacedBy: string | undefined;
  readonly variables: Map<string, NomadVariable> = new Map();
  readonly #runner: GroupRunner;
  readonly #jobs = new Map<string, Entry>();
  readonly #listeners = new Set<(event: NomadEvent) => void>();
  readonly #runs = new Set<Promise<void>>();
  #index = 1;

  constructor(runner: GroupRunner) {
    this.#runner = runner;
  }

  get jobIDs(): readonly string[] {
    return [...this.#jobs.keys()];
  }

  async registerJob(
    job: NomadJob,
    { jobModifyIndex }: { readonly jobModifyIndex?: number | undefined },
  ): Promise<NomadEvalAnswer> {
    if (this.#jobs.has(job.ID) && jobModifyIndex === 0)
      throw new VirtualKubeletError("Conflict", "Enforcing job modify index 0: job exists");
    const entry: Entry = { job, stop: false, index: ++this.#index, submitted: Date.now() * 1_000_000, allocations: [] };
    this.#jobs.set(job.ID, entry);
    if (this.unplacedBy === undefined) this.#place(entry);
    this.#tell(job.ID);
    return { EvalID: `e-${job.ID}` };
  }

  async planJob(): Promise<NomadPlanAnswer> {
    return {};
  }

  async deregisterJob(id: string, { purge }: { readonly purge: boolean }): Promise<NomadEvalAnswer> {
    const entry = this.#entry(id);
    this.#stop(entry);
    if (purge) this.#jobs.delete(id);
    this.#tell(id);
    return { EvalID: "e" };
  }

  async stopJob(id: string, meta: Readonly<Record<string, string>>): Promise<void> {
    const entry = this.#entry(id);
    entry.job = { ...entry.job, Meta: { ...entry.job.Meta, ...meta } };
    this.#stop(entry);
    this.#tell(id);
  }

  async listJobs({ filter }: { readonly filter: string }): Promise<readonly NomadJobAnswer[]> {
    const wanted = [...filter.matchAll(/Meta\["([^"]+)"\] == ("[^"]*")/g)];
    const views = [...this.#jobs.values()].map((entry) => this.#view(entry));
    return views.filter(({ Meta }) => wanted.every(([, key = "", text = ""]) => JSON.stringify(Meta?.[key]) === text));
  }

  async job(id: string): Promise<NomadJobAnswer | undefined> {
    const entry = this.#jobs.get(id);
    return entry === undefined ? undefined : this.#view(entry);
  }

  async jobAllocations(id: string): Promise<readonly NomadAllocation[]> {
    return (this.#jobs.get(id)?.allocations ?? []).map(({ view }) => view);
  }

  async jobEvaluations(id: string): Promise<readonly NomadEvaluation[]> {
    const { unplacedBy } = this;
    if (unplacedBy === undefined) return [];
    const DimensionExhausted = { [unplacedBy]: 1 };
    return [
      {
        ...{ ID: "e", JobID: id, TriggeredBy: "job-register", Status: "complete", CreateIndex: 1, ModifyIndex: 1 },
        FailedTGAllocs: { pod: { NodesEvaluated: 1, DimensionExhausted } },
      },
    ];
  }

  async listAllocations(): Promise<Indexed<readonly NomadAllocation[]>> {
    const all = [...this.#jobs.values()].flatMap(({ allocations }) => allocations.map(({ view }) => view));
    return { value: all, index: this.#index };
  }

  async allocation(id: string): Promise<NomadAllocation> {
    return this.#allocation(id).view;
  }

  async restartTask(id: string, task: string): Promise<void> {
    await this.#allocation(id).task(task)?.restart();
  }

  async signalTask(id: string, task: string): Promise<void> {
    await this.#allocation(id).task(task)?.signal();
  }

  async allocationStats(id: string): Promise<NomadAllocationStats> {
    const { group, view } = this.#allocation(id);
    const Timestamp = Date.now() * 1_000_000;
    const running = Object.entries(view.TaskStates ?? {}).filter(([, { State }]) => State === "running");
    const tasks = running.map(async ([name]) => {
      const { memoryBytes = 0 } = (await group?.stats(name)) ?? {};
      return [name, { Timestamp, ResourceUsage: { MemoryStats: { RSS: memoryBytes }, CpuStats: { Percent: 5 } } }];
    });
    return { Timestamp, Tasks: Object.fromEntries(await Promise.all(tasks)) };
  }

  async *logs(request: LogRequest, { signal }: CallContext): AsyncGenerator<Uint8Array> {
    const { allocation, task, stream, follow, offset } = request;
    const { group } = this.#allocation(allocation);
    for (let sent = offset; !signal.aborted; ) {
      const lines = ((await group?.logs(task)) ?? []).filter((line) => line.stream === stream);
      const all = Buffer.from(lines.map(({ text }) => `${text}\n`).join(""));
      if (all.length > sent) yield all.subarray(sent);
      sent = Math.max(sent, all.length);
      if (!follow) return;
      await new Promise((resolve) => {
        setTimeout(resolve, 10);
      });
    }
  }

  async exec(
    { allocation, task }: { readonly allocation: string; readonly task: string },
    command: readonly string[],
    io: ContainerIO,
    { signal }: CallContext,
  ): Promise<ExecResult> {
    const { group } = this.#allocation(allocation);
    return { exitCode: (await group?.exec(task, command, io, signal)) ?? 127 };
  }

  async listNodes(): Promise<Indexed<readonly NomadNode[]>> {
    const node: NomadNode = {
      ...{ ID: "n", Name: "client-1", Datacenter: "dc1", NodePool: "default", Status: "ready" },
      ...{ SchedulingEligibility: "eligible", Drain: false, Drivers: { docker: { Detected: true, Healthy: true } } },
      NodeResources: { Cpu: { CpuShares: 9600, TotalCpuCores: 4 }, Memory: { MemoryMB: 8192 }, Disk: { DiskMB: 9000 } },
      ModifyIndex: 1,
    };
    return { value: [node], index: this.#index };
  }

  async *events(
    _options: { readonly index: number },
    { signal }: CallContext,
  ): AsyncGenerator<Indexed<readonly NomadEvent[]>> {
    let queue: NomadEvent[] = [];
    let wake = (): void => {};
    const listener = (event: NomadEvent): void => {
      queue.push(event);
      wake();
    };
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => wake(), { once: true });
    try {
      while (!signal.aborted) {
        const value = queue;
        queue = [];
        if (value.length > 0) yield { value, index: this.#index };
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }

  async variable(path: string): Promise<NomadVariable | undefined> {
    return this.variables.get(path);
  }

  async putVariable(variable: NomadVariable): Promise<void> {
    this.variables.set(variable.Path, variable);
  }

  async deleteVariable(path: string): Promise<void> {
    this.variables.delete(path);
  }

  async listVariables(prefix: string): Promise<readonly string[]> {
    return [...this.variables.keys()].filter((path) => path.startsWith(prefix));
  }

  async agentSelf(): Promise<NomadAgentSelf> {
    return { config: { Region: "global" } };
  }

  async leader(): Promise<string> {
    return this.leaderAddress;
  }

  async memoryOversubscription(): Promise<boolean> {
    return true;
  }

  /** Clients come and go: what runs goes on. */
  async [Symbol.asyncDispose](): Promise<void> {}

  /** Ends all that runs. */
  async close(): Promise<void> {
    for (const entry of this.#jobs.values()) this.#stop(entry);
    await Promise.all(this.#runs);
  }

  #place(entry: Entry): void {
    const allocation = new MemoryAllocation({
      ...{ id: `a${++this.#index}-${entry.job.ID.toLowerCase()}`, job: entry.job, runner: this.#runner, secondMs: 20 },
      nextIndex: () => ++this.#index,
      changed: () => this.#tell(entry.job.ID),
    });
    entry.allocations.push(allocation);
    this.#track(allocation.run());
  }

  #stop(entry: Entry): void {
    entry.stop = true;
    for (const allocation of entry.allocations) this.#track(allocation.stop());
  }

  #track(work: Promise<void>): void {
    this.#runs.add(work);
    void work.finally(() => this.#runs.delete(work));
  }

  #view({ job, stop, index, submitted, allocations }: Entry): NomadJobAnswer {
    const isLive = allocations.some(({ view }) => view.ClientStatus === "running" || view.ClientStatus === "pending");
    return {
      ...{ ID: job.ID, Name: job.Name, Type: job.Type, Stop: stop, SubmitTime: submitted, ModifyIndex: index },
      ...{ Status: isLive ? "running" : stop ? "dead" : "pending", Meta: job.Meta, TaskGroups: job.TaskGroups },
    };
  }

  #entry(id: string): Entry {
    const entry = this.#jobs.get(id);
    if (entry === undefined) throw notFound("job");
    return entry;
  }

  #allocation(id: string): MemoryAllocation {
    for (const { allocations } of this.#jobs.values())
      for (const allocation of allocations) if (allocation.id === id) return allocation;
    throw notFound("allocation");
  }

  #tell(JobID: string): void {
    const event = { Topic: "Allocation", Type: "AllocationUpdated", Key: JobID, Index: ++this.#index, JobID };
    for (const listener of this.#listeners) listener(event);
  }
}
