// One allocation on a client: its tasks in the order of their lifecycle, each one's failure the end of the others.
import { type Clock, errorText, isErrorKind, pause } from "@virtual-kubelet/virtual-kubelet";
import type { GroupRunner, RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { NomadAllocatedPort, NomadAllocation, NomadTaskState } from "../../wire.ts";
import { FakeTaskRunner } from "./fake-task.ts";
import type { FakeGroup, FakeJob } from "./job-schema.ts";
import type { ProcessGroups } from "./process-groups.ts";
import type { ReadVariable } from "./render-template.ts";
import { allocationVolumes, type TaskFile, type TaskPlace, taskContainer, taskFiles } from "./task-directory.ts";

export interface FakeAllocationOptions {
  readonly id: string;
  readonly job: FakeJob;
  readonly group: FakeGroup;
  readonly node: { readonly ID: string; readonly Name: string; readonly Address: string };
  readonly ports: readonly NomadAllocatedPort[];
  /** Runs containers of images. */
  readonly runner: GroupRunner;
  /** Runs programs of the host. */
  readonly processes: ProcessGroups;
  readonly clock: Clock;
  readonly secondMs: number;
  readonly paceMs: number;
  /** How often the client tells the servers of changes, milliseconds. */
  readonly syncMs: number;
  /** What its tasks may read. */
  readonly read: ReadVariable;
  /** Resolves at the next change of a variable. */
  readonly variablesChanged: (signal: AbortSignal) => Promise<void>;
  /** Of a change of the servers' making, or of the client's. */
  readonly changed: (allocation: FakeAllocation) => void;
}

export class FakeAllocation {
  readonly id: string;
  readonly options: FakeAllocationOptions;
  readonly tasks: readonly FakeTaskRunner[];
  /** In Nomad's index. */
  createIndex: number = 0;
  modifyIndex: number = 0;
  desired: NomadAllocation["DesiredStatus"] = "run";
  desiredDescription: string = "";
  /** The client is away. */
  isLost: boolean = false;
  readonly createdAt: number = Date.now();
  modifiedAt: number = Date.now();
  files: readonly TaskFile[] = [];
  /** As the servers know them; none before the client has told any. */
  taskStates: ReadonlyMap<string, NomadTaskState> = new Map();
  readonly #end = new AbortController();
  /** Why tasks have no image, by their name. */
  readonly #missing = new Map<string, Error>();
  #isTelling = false;
  #made: Promise<RunningGroup> | undefined;
  #group: RunningGroup | undefined;
  #isOver = false;

  constructor(options: FakeAllocationOptions) {
    this.id = options.id;
    this.options = options;
    const { job, group, clock, secondMs } = options;
    this.tasks = group.Tasks.map((task) => {
      const policy = task.RestartPolicy ?? group.RestartPolicy ?? { Attempts: 0, Interval: 0, Delay: 0, Mode: "fail" };
      const jobType = job.Type;
      return new FakeTaskRunner({
        ...{ task, jobType, policy, clock, secondMs, changed: () => this.#changed() },
        group: () => this.#running(task.Name),
      });
    });
  }

  get clientStatus(): NomadAllocation["ClientStatus"] {
    if (this.isLost) return "lost";
    const states = [...this.taskStates.values()];
    if (states.length === 0) return "pending";
    if (states.some(({ State, Failed }) => State === "dead" && Failed)) return "failed";
    if (states.some(({ State }) => State === "running")) return "running";
    return states.some(({ State }) => State === "pending") ? "pending" : "complete";
  }

  get isTerminal(): boolean {
    return ["complete", "failed", "lost"].includes(this.clientStatus);
  }

  /** Of its network; undefined: it has none of its own, or does not run yet. */
  get address(): string | undefined {
    const mode = this.options.group.Networks?.[0]?.Mode ?? "host";
    return mode === "host" || mode === "none" ? undefined : this.#group?.ip;
  }

  task(name: string): FakeTaskRunner | undefined {
    return this.tasks.find((each) => each.name === name);
  }

  /** All that a task wrote to a stream. */
  async log(name: string, stream: "stdout" | "stderr"): Promise<Buffer> {
    const written = this.options.processes.output(this.id, name, stream);
    if (written !== undefined) return written;
    const lines = (await this.#group?.logs(name)) ?? [];
    return Buffer.from(lines.flatMap((line) => (line.stream === stream ? [`${line.text}\n`] : [])).join(""));
  }

  get group(): RunningGroup | undefined {
    return this.#group;
  }

  /** Resolves when all of it has ended. */
  async run(): Promise<void> {
    const { clock, paceMs } = this.options;
    await pause(clock, paceMs, this.#end.signal);
    for (const task of this.tasks) task.tell("Received", { DisplayMessage: "Task received by client" });
    const hook = (wanted: string | undefined, isSidecar?: boolean): readonly FakeTaskRunner[] =>
      this.tasks.filter(
        ({ task: { Lifecycle } }) =>
          Lifecycle?.Hook === wanted && (isSidecar === undefined || Lifecycle?.Sidecar === isSidecar),
      );
    const [init, sidecars, mains] = [hook("prestart", false), hook("prestart", true), hook(undefined)];
    const poststart = hook("poststart");
    const aside = sidecars.map((task) => this.#runOne(task));
    await Promise.all([...init.map((task) => this.#runOne(task)), this.#started(sidecars)]);
    const main = mains.map((task) => this.#runOne(task));
    const after = this.#started(mains).then(() => Promise.all(poststart.map((task) => this.#runOne(task))));
    const others = poststart.filter(({ task }) => task.Lifecycle?.Sidecar !== true);
    await Promise.all([...main, ...(others.length > 0 ? [after] : [])]);
    const live = [...sidecars, ...poststart].filter(({ state }) => state.State !== "dead");
    if (!this.#end.signal.aborted)
      for (const task of live) task.tell("Main Tasks Dead", { DisplayMessage: "Main tasks in the group died" });
    await Promise.all(live.map((task) => task.kill()));
    await Promise.all([...aside, after]);
    for (const task of hook("poststop")) await task.run();
    this.#isOver = true;
    this.#end.abort();
    this.#changed();
  }

  /** Ends its tasks: main ones first, sidecars last. */
  async stop(desired: "stop" | "evict", description: string): Promise<void> {
    if (this.desired !== "run") return;
    this.desired = desired;
    this.desiredDescription = description;
    this.options.changed(this);
    await this.#kill();
  }

  /** Nothing is left of what ran it. */
  async remove(): Promise<void> {
    await this.#kill();
    // It may be made just now; what could not be made is nothing to remove.
    const group = await this.#made?.catch(() => undefined);
    this.#made = undefined;
    this.#group = undefined;
    await group?.remove();
  }

  async #runOne(task: FakeTaskRunner): Promise<void> {
    if (this.#end.signal.aborted) await task.kill();
    await task.run();
    if (!task.state.Failed || this.#end.signal.aborted) return;
    const name = task.name;
    for (const each of this.tasks)
      if (each.state.State !== "dead" && each.task.Lifecycle?.Hook !== "poststop")
        each.tell("Sibling Task Failed", {
          ...{ DisplayMessage: `Task's sibling "${name}" failed`, Details: { failed_sibling: name } },
        });
    await this.#kill();
  }

  async #kill(): Promise<void> {
    this.#end.abort();
    const alive = this.tasks.filter(({ task }) => task.Lifecycle?.Hook !== "poststop");
    await Promise.all(alive.filter(({ task }) => task.Lifecycle?.Sidecar !== true).map((task) => task.kill()));
    await Promise.all(alive.map((task) => task.kill()));
  }

  /** Resolves when all of them run, or the end has come. */
  async #started(tasks: readonly FakeTaskRunner[]): Promise<void> {
    while (
      !this.#end.signal.aborted &&
      !this.#isOver &&
      tasks.some(({ hasStarted, state }) => !hasStarted && state.State !== "dead")
    )
      await pause(this.options.clock, 5, this.#end.signal);
  }

  /** What runs the tasks, made for all of them at once. Throws NotFound where the image of this one is not there. */
  async #running(name: string): Promise<RunningGroup> {
    this.#made ??= this.#make().catch((error: unknown) => {
      this.#made = undefined;
      throw error;
    });
    const group = await this.#made;
    // One that was left out for want of its image.
    if (this.#missing.has(name)) throw this.#missing.get(name);
    return group;
  }

  async #make(): Promise<RunningGroup> {
    const { group, runner, processes } = this.options;
    const isHost = group.Tasks.every(({ Driver }) => Driver !== "docker" && Driver !== "podman");
    const env = await this.#render(isHost);
    const place = this.#place(isHost);
    const containers = group.Tasks.map((task) => taskContainer(task, place, env.get(task.Name) ?? {}));
    const volumes = allocationVolumes(containers, group.Tasks, this.files);
    for (;;) {
      const left = containers.filter((each) => !this.#missing.has(each.name));
      try {
        this.#group = await (isHost ? processes : runner).create({ id: this.id, containers: left, volumes });
        this.#follow(isHost);
        return this.#group;
      } catch (error) {
        if (!(error instanceof Error) || !isErrorKind(error, "NotFound")) throw error;
        const bad = left.filter(({ image }) => errorText(error).includes(image));
        if (bad.length === 0) throw error;
        for (const each of bad) this.#missing.set(each.name, error);
      }
    }
  }

  /** Waits for the variables that templates need; answers variables of tasks by their name. */
  async #render(isHost: boolean): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>> {
    for (;;) {
      const all = this.options.group.Tasks.map((task) => ({ task, found: taskFiles(task, this.#place(isHost)) }));
      const files: TaskFile[] = [];
      const env = new Map<string, Readonly<Record<string, string>>>();
      for (const { task, found } of all) {
        if ("missing" in found) {
          const message = `Missing: nomad.var.block(${found.missing}@default.global)`;
          this.task(task.Name)?.tell("Template", { DisplayMessage: message });
        } else {
          files.push(...found.files);
          env.set(task.Name, found.env);
        }
      }
      this.files = files;
      if (env.size === all.length || this.#end.signal.aborted) return env;
      await this.options.variablesChanged(this.#end.signal);
    }
  }

  /** Files change with the variables that they are made of. */
  #follow(isHost: boolean): void {
    if (this.files.length === 0) return;
    void (async () => {
      for (;;) {
        await this.options.variablesChanged(this.#end.signal);
        if (this.#end.signal.aborted) return;
        const all = this.options.group.Tasks.map((task) => taskFiles(task, this.#place(isHost)));
        const files = all.flatMap((found) => ("files" in found ? found.files : []));
        if (files.length < this.files.length) continue;
        this.files = files;
        if (isHost) for (const file of files) this.options.processes.write(this.id, file);
      }
    })();
  }

  #place(isHost: boolean): TaskPlace {
    const { id, job, group, node, ports, read, processes } = this.options;
    return {
      ...{ allocation: id, job, group, address: node.Address, ports, read },
      ...(isHost ? { directory: (volume: string) => processes.directory(id, volume) } : {}),
    };
  }

  /** Changes are told together. */
  #changed(): void {
    if (this.#isTelling) return;
    this.#isTelling = true;
    this.options.clock.schedule(this.options.syncMs, () => {
      this.#isTelling = false;
      this.modifiedAt = Date.now();
      this.taskStates = new Map(this.tasks.map((task) => [task.name, task.state]));
      this.options.changed(this);
    });
  }
}
