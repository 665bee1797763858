// An allocation in memory: prestart tasks first, then the others; a task that fails takes its siblings with it.
import { errorText } from "@virtual-kubelet/virtual-kubelet";
import type { GroupRunner, RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { NomadAllocation, NomadJob, NomadTask } from "../wire.ts";
import { MemoryTask } from "./memory-task.ts";

export interface MemoryAllocationOptions {
  readonly id: string;
  readonly job: NomadJob;
  readonly runner: GroupRunner;
  readonly secondMs: number;
  /** Of the next change. */
  readonly nextIndex: () => number;
  readonly changed: () => void;
}

export class MemoryAllocation {
  readonly id: string;
  group: RunningGroup | undefined;
  readonly #options: MemoryAllocationOptions;
  readonly #created = Date.now() * 1_000_000;
  readonly #createIndex: number;
  #index: number;
  #tasks: readonly MemoryTask[] = [];
  #client: NomadAllocation["ClientStatus"] = "pending";
  #desired: NomadAllocation["DesiredStatus"] = "run";

  constructor(options: MemoryAllocationOptions) {
    this.#options = options;
    this.id = options.id;
    this.#createIndex = options.nextIndex();
    this.#index = this.#createIndex;
  }

  get view(): NomadAllocation {
    return {
      ...{ ID: this.id, JobID: this.#options.job.ID, NodeID: "n", NodeName: "client-1", TaskGroup: "pod" },
      ...{ DesiredStatus: this.#desired, ClientStatus: this.#client },
      ...{ CreateIndex: this.#createIndex, ModifyIndex: this.#index, CreateTime: this.#created },
      TaskStates: Object.fromEntries(this.#tasks.map((task) => [task.name, task.state])),
      NetworkStatus: this.group === undefined ? null : { Address: this.group.ip },
    };
  }

  task(name: string): MemoryTask | undefined {
    return this.#tasks.find((task) => task.name === name);
  }

  /** Resolves when it is over. */
  async run(): Promise<void> {
    const { job, runner, secondMs } = this.#options;
    const specs = job.TaskGroups[0]?.Tasks ?? [];
    try {
      this.group = await runner.create({ id: this.id, containers: specs.map(containerOf), volumes: [] });
    } catch (error) {
      this.#client = "failed";
      const group = await runner.create({ id: `${this.id}-failed`, containers: [], volumes: [] });
      const common = { jobType: job.Type, group, secondMs, changed: () => {} };
      this.#tasks = specs.map((task) => new MemoryTask({ task, ...common }));
      for (const task of this.#tasks) task.fail(`Failed to pull image: ${errorText(error)}`);
      await group.remove();
      this.#changed();
      return;
    }
    const common = { jobType: job.Type, group: this.group, secondMs, changed: () => this.#changed() };
    this.#tasks = specs.map((task) => new MemoryTask({ task, ...common }));
    const of = (wanted: (task: NomadTask) => boolean): readonly MemoryTask[] =>
      this.#tasks.filter(({ name }) => specs.some((spec) => spec.Name === name && wanted(spec)));
    const sidecars = of(({ Lifecycle }) => Lifecycle?.Sidecar === true);
    const init = of(({ Lifecycle }) => Lifecycle?.Sidecar === false);
    const mains = of(({ Lifecycle }) => Lifecycle === undefined);
    this.#client = "running";
    const aside = sidecars.map((task) => this.#runOne(task));
    await Promise.all(init.map((task) => this.#runOne(task)));
    if (init.every(({ state }) => !state.Failed) && this.#desired === "run")
      await Promise.all(mains.map((task) => this.#runOne(task)));
    await Promise.all(this.#tasks.map((task) => task.kill()));
    await Promise.all(aside);
    this.#client = this.#tasks.some(({ state }) => state.Failed) ? "failed" : "complete";
    this.#changed();
  }

  async stop(): Promise<void> {
    this.#desired = "stop";
    this.#changed();
    await Promise.all(this.#tasks.map((task) => task.kill()));
  }

  async #runOne(task: MemoryTask): Promise<void> {
    await task.run();
    if (task.state.Failed)
      await Promise.all(this.#tasks.filter((each) => each !== task).map((each) => each.kill(task.name)));
  }

  #changed(): void {
    this.#index = this.#options.nextIndex();
    this.#options.changed();
  }
}

function containerOf({
  Name,
  Config,
  Env = {},
}: NomadTask): Parameters<GroupRunner["create"]>[0]["containers"][number] {
  const { image, entrypoint, args } = Config;
  return {
    ...{ name: Name, image: typeof image === "string" ? image : "", env: Env, mounts: [] },
    ...(isTexts(entrypoint) && { entrypoint }),
    ...(isTexts(args) && { args }),
  };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
