// One task of a fake ECS, from PROVISIONING to STOPPED, with a group of the runner behind it.
import type { Task, TaskDefinition, TaskOverride, TaskStopCode } from "@aws-sdk/client-ecs";
import { errorText, isErrorKind, pause } from "@virtual-kubelet/virtual-kubelet";
import type { GroupRunner, RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { FakeCloudWatchLogs } from "./fake-cloudwatch-logs.ts";
import { type FakeAccount, hexId } from "./fake-ecs-account.ts";
import { type ContainerTiming, FakeEcsContainer } from "./fake-ecs-container.ts";
import { logTarget, runnerGroup } from "./fake-ecs-group.ts";
import type { FakeSecrets } from "./fake-secrets.ts";

export interface TaskWorld {
  readonly account: FakeAccount;
  readonly runner: GroupRunner;
  readonly logs: FakeCloudWatchLogs;
  readonly secrets: FakeSecrets;
  readonly timing: ContainerTiming;
  /** How long each passing state lasts. */
  readonly paceMs: number;
  readonly changed: (task: FakeEcsTask) => void;
  /** What the runner could not do that no real cloud would fail with. */
  readonly fault: (text: string) => void;
}

export class FakeEcsTask {
  readonly arn: string;
  readonly id: string;
  readonly definition: TaskDefinition;
  readonly overrides: TaskOverride;
  /** What RunTask was told of it and does not change. */
  readonly fixed: Task;
  readonly containers: ReadonlyMap<string, FakeEcsContainer>;
  readonly attachment: string = hexId();
  status: "PROVISIONING" | "PENDING" | "RUNNING" | "DEACTIVATING" | "STOPPING" | "DEPROVISIONING" | "STOPPED" =
    "PROVISIONING";
  times: Pick<
    Task,
    "pullStartedAt" | "pullStoppedAt" | "startedAt" | "stoppingAt" | "stoppedAt" | "executionStoppedAt"
  > = {};
  stop: { readonly code: TaskStopCode; readonly reason: string } | undefined;
  group: RunningGroup | undefined;
  version = 1;
  readonly #world: TaskWorld;
  readonly #stopping = new AbortController();
  /** Ends when the task has: never rejects. */
  readonly done: Promise<void>;

  constructor(world: TaskWorld, definition: TaskDefinition, overrides: TaskOverride, fixed: (id: string) => Task) {
    this.#world = world;
    this.definition = definition;
    this.overrides = overrides;
    this.id = hexId();
    this.fixed = fixed(this.id);
    this.arn = this.fixed.taskArn ?? "";
    const all = definition.containerDefinitions ?? [];
    this.containers = new Map(
      all.map((each) => [each.name ?? "", new FakeEcsContainer(each, world.timing, () => this.#changed())]),
    );
    this.done = this.#live().catch((error) => world.fault(`${this.arn}: ${errorText(error)}`));
  }

  get desiredStatus(): "RUNNING" | "STOPPED" {
    return this.stop === undefined ? "RUNNING" : "STOPPED";
  }

  /** The first one counts. */
  end(code: TaskStopCode, reason: string): void {
    if (this.stop !== undefined) return;
    this.stop = { code, reason };
    this.times = { ...this.times, stoppingAt: this.#world.account.now() };
    this.#changed();
    this.#stopping.abort();
  }

  /** Without grace, for the end of a test; resolves when nothing of it runs. */
  async kill(): Promise<void> {
    this.end("UserInitiated", "the test is over");
    const running = [...this.containers.values()].filter(({ status }) => status === "RUNNING");
    for (const { name } of running) await this.group?.stop(name, 0);
    await this.done;
  }

  #changed(): void {
    this.version += 1;
    this.#world.changed(this);
  }

  #is(status: FakeEcsTask["status"]): void {
    this.status = status;
    this.#changed();
  }

  async #live(): Promise<void> {
    // Whoever made it has it before it begins.
    await Promise.resolve();
    try {
      await this.#pass();
      if (this.stop === undefined) await this.#begin();
    } catch (error) {
      this.end("TaskFailedToStart", errorText(error));
    }
    await this.#finish();
  }

  async #pass(): Promise<void> {
    await pause(this.#world.account.clock, this.#world.paceMs, this.#stopping.signal);
  }

  async #begin(): Promise<void> {
    const { account, runner, secrets } = this.#world;
    this.#is("PENDING");
    this.times = { ...this.times, pullStartedAt: account.now() };
    const wanted = runnerGroup(this, secrets);
    try {
      this.group = await runner.create(wanted);
    } catch (error) {
      if (!isErrorKind(error, "NotFound")) throw error;
      for (const each of this.containers.values()) each.reason = `CannotPullContainerError: ${errorText(error)}`;
      this.end("TaskFailedToStart", `CannotPullContainerError: ${errorText(error)}`);
      return;
    }
    this.times = { ...this.times, pullStoppedAt: account.now() };
    this.#openLogs(this.group);
    await this.#pass();
    if (this.stop !== undefined) return;
    await this.#run(this.group);
  }

  #openLogs(group: RunningGroup): void {
    for (const { name, definition } of this.containers.values()) {
      const target = logTarget(definition, this.id);
      if (target === undefined) continue;
      try {
        this.#world.logs.open(target.group, target.stream, target.creates, () => group.logs(name));
      } catch (error) {
        throw new Error(
          `ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ${errorText(error)}`,
        );
      }
    }
  }

  /** Resolves when the task is to stop. */
  async #run(group: RunningGroup): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stopping.signal.addEventListener("abort", () => resolve(), { once: true });
    const all = [...this.containers.values()];
    const runs = all.map(async (container) => {
      const obstacle = await container.released(this.containers);
      if (this.stop !== undefined) return;
      if (obstacle === undefined) {
        const running = container.run(group);
        void container.started.promise.then(() => this.#settled());
        await running;
      } else container.end(undefined, obstacle);
      if (container.essential) this.#essentialEnded(container);
      this.#settled();
    });
    for (const run of runs) run.catch((error) => this.end("TaskFailedToStart", errorText(error)));
    await promise;
  }

  #settled(): void {
    const all = [...this.containers.values()];
    if (this.status !== "PENDING" || this.stop !== undefined) return;
    if (all.some(({ status }) => status === "PENDING") || all.every(({ runs }) => runs === 0)) return;
    this.times = { ...this.times, startedAt: this.#world.account.now() };
    this.#is("RUNNING");
  }

  #essentialEnded({ runs, reason }: FakeEcsContainer): void {
    if (runs === 0) this.end("TaskFailedToStart", reason ?? "Task failed to start");
    else this.end("EssentialContainerExited", "Essential container in task exited");
  }

  async #finish(): Promise<void> {
    const { account } = this.#world;
    if (this.group !== undefined) {
      if (this.times.startedAt !== undefined) {
        this.#is("DEACTIVATING");
        await pause(account.clock, this.#world.paceMs, new AbortController().signal);
      }
      this.#is("STOPPING");
      await this.#stopContainers(this.group);
    }
    for (const each of this.containers.values()) each.end(each.exitCode, each.reason);
    this.times = { ...this.times, executionStoppedAt: account.now() };
    this.#is("DEPROVISIONING");
    for (const { definition } of this.containers.values()) {
      const target = logTarget(definition, this.id);
      if (target !== undefined) await this.#world.logs.close(target.group, target.stream);
    }
    await this.group?.remove();
    await pause(account.clock, this.#world.paceMs, new AbortController().signal);
    this.times = { ...this.times, stoppedAt: account.now() };
    this.#is("STOPPED");
  }

  /** What others depend on is stopped after them. */
  async #stopContainers(group: RunningGroup): Promise<void> {
    const all = [...this.containers.values()];
    await Promise.all(
      all.map(async (container) => {
        const dependents = all.filter(({ definition }) =>
          definition.dependsOn?.some(({ containerName }) => containerName === container.name),
        );
        await Promise.all(dependents.map(({ stopped }) => stopped.promise));
        await container.stop(group);
      }),
    );
  }
}
