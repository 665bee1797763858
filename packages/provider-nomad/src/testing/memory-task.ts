// One task of an allocation in memory: its runs, its restarts by its policy, its states and events as Nomad tells them.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { NomadTask, NomadTaskEvent, NomadTaskState } from "../wire.ts";

export interface MemoryTaskOptions {
  readonly task: NomadTask;
  readonly jobType: "batch" | "service";
  readonly group: RunningGroup;
  /** How long a second lasts, milliseconds. */
  readonly secondMs: number;
  readonly changed: () => void;
}

const lastEvents = 10;

export class MemoryTask {
  readonly name: string;
  readonly #options: MemoryTaskOptions;
  readonly #killed = Promise.withResolvers<void>();
  #isKilled = false;
  #isRestarted = false;
  #state: NomadTaskState = { State: "pending", Failed: false, Restarts: 0, StartedAt: null, FinishedAt: null };
  #events: readonly NomadTaskEvent[] = [];

  constructor(options: MemoryTaskOptions) {
    this.#options = options;
    this.name = options.task.Name;
    this.#tell("Received");
  }

  get state(): NomadTaskState {
    return { ...this.#state, Events: this.#events };
  }

  /** Resolves when it is dead. */
  async run(): Promise<void> {
    const { group, task, secondMs } = this.#options;
    const { Attempts = 0, Mode = "fail", Interval = 0, Delay = 0 } = task.RestartPolicy ?? {};
    for (let count = 1; !this.#isKilled; count++) {
      this.#tell("Task Setup");
      await group.start(this.name);
      this.#set({ State: "running", StartedAt: now() });
      this.#tell("Started");
      const { exitCode = 0, oomKilled = false } = await group.ended(this.name);
      const Details = { exit_code: String(exitCode), signal: "0", oom_killed: String(oomKilled) };
      this.#tell("Terminated", { Details });
      if (this.#isKilled) break;
      if (this.#isRestarted) {
        this.#isRestarted = false;
        this.#set({ State: "pending", Restarts: this.#state.Restarts + 1 });
        this.#tell("Restarting");
        continue;
      }
      if (exitCode === 0 && !this.#restartsOnSuccess()) return this.#dead(false);
      if (Attempts === 0 || (count > Attempts && Mode === "fail")) {
        this.#tell("Not Restarting", { DisplayMessage: "Policy allows no restarts" });
        return this.#dead(true);
      }
      this.#set({ State: "pending", Restarts: this.#state.Restarts + 1 });
      this.#tell("Restarting", { DisplayMessage: "Task restarting" });
      await this.#wait(((count > Attempts ? Interval : Delay) / 1_000_000_000) * secondMs);
    }
    this.#tell("Killed");
    this.#dead(this.#state.Failed);
  }

  /** With the failure of a sibling as the reason, where there is one. */
  async kill(sibling?: string): Promise<void> {
    if (this.#state.State === "dead" || this.#isKilled) return;
    this.#isKilled = true;
    if (sibling !== undefined)
      this.#tell("Sibling Task Failed", { DisplayMessage: `Task's sibling "${sibling}" failed` });
    this.#tell("Killing");
    this.#killed.resolve();
    await this.#stop();
    if (this.#state.StartedAt === null) this.#dead(false);
  }

  async restart(): Promise<void> {
    this.#isRestarted = true;
    await this.#stop();
  }

  async signal(): Promise<void> {
    await this.#options.group.stop(this.name, 60_000);
  }

  fail(message: string): void {
    this.#tell("Driver Failure", { DisplayMessage: message, Details: { driver_error: message } });
    this.#dead(true);
  }

  async #stop(): Promise<void> {
    const { group, task } = this.#options;
    if (group.state(this.name).state === "running") await group.stop(this.name, task.KillTimeout / 1_000_000);
  }

  #restartsOnSuccess(): boolean {
    const { Lifecycle } = this.#options.task;
    return Lifecycle === undefined ? this.#options.jobType === "service" : Lifecycle.Sidecar;
  }

  async #wait(delayMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, Math.min(delayMs, 2 ** 31 - 1)).unref();
    await Promise.race([promise, this.#killed.promise]);
    clearTimeout(timer);
  }

  #dead(failed: boolean): void {
    this.#set({ State: "dead", Failed: failed, FinishedAt: now() });
  }

  #set(state: Partial<NomadTaskState>): void {
    this.#state = { ...this.#state, ...state };
    this.#options.changed();
  }

  #tell(Type: string, more: Partial<NomadTaskEvent> = {}): void {
    this.#events = [...this.#events, { Type, Time: Date.now() * 1_000_000, ...more }].slice(-lastEvents);
    this.#options.changed();
  }
}

function now(): string {
  return new Date().toISOString();
}

export function notFound(what: string): VirtualKubeletError {
  return new VirtualKubeletError("NotFound", `${what} not found`);
}
