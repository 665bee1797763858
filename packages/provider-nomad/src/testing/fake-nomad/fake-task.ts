// One task of an allocation: its runs, its restarts by its policy, its state and events as Nomad's client tells them.
import { type Clock, errorText, isErrorKind, pause } from "@virtual-kubelet/virtual-kubelet";
import type { RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { NomadTaskEvent, NomadTaskState } from "../../wire.ts";
import { configFault } from "./driver-config.ts";
import type { FakeJob, FakeRestartPolicy, FakeTask } from "./job-schema.ts";
import { NomadRefusal } from "./refusal.ts";
import { durationText, RestartTracker } from "./restart-tracker.ts";

export interface FakeTaskOptions {
  readonly task: FakeTask;
  readonly jobType: FakeJob["Type"];
  readonly policy: FakeRestartPolicy;
  readonly clock: Clock;
  /** How long a second of restarts lasts, milliseconds. */
  readonly secondMs: number;
  /** What runs it; throws NotFound for an image that is not there. */
  readonly group: () => Promise<RunningGroup>;
  readonly changed: () => void;
}

const lastEvents = 10;
const building = "Building Task Directory";
const second = 1_000_000_000;
/** Of clients that say nothing else. */
const maxKillNs = 30 * second;

export class FakeTaskRunner {
  readonly name: string;
  readonly #options: FakeTaskOptions;
  readonly #tracker: RestartTracker;
  readonly #killed = new AbortController();
  #isTriggered = false;
  #state: NomadTaskState = {
    ...{ State: "pending", Failed: false, Restarts: 0, LastRestart: null, StartedAt: null, FinishedAt: null },
  };
  #events: readonly NomadTaskEvent[] = [];
  #lastTime = 0;
  #running: RunningGroup | undefined;

  constructor(options: FakeTaskOptions) {
    const { task, jobType, clock, secondMs, policy } = options;
    this.#options = options;
    this.name = task.Name;
    const isOnSuccess = task.Lifecycle === undefined ? jobType === "service" : task.Lifecycle.Sidecar;
    this.#tracker = new RestartTracker(policy, isOnSuccess, () => (clock.now() / secondMs) * second);
  }

  get task(): FakeTask {
    return this.#options.task;
  }

  get state(): NomadTaskState {
    return { ...this.#state, Events: this.#events };
  }

  get hasStarted(): boolean {
    return this.#state.StartedAt !== null;
  }

  /** Where it runs now. */
  get running(): RunningGroup | undefined {
    return this.#state.State === "running" ? this.#running : undefined;
  }

  /** Resolves when it is dead. */
  async run(): Promise<void> {
    for (let isFirst = true; !this.#killed.signal.aborted; isFirst = false) {
      if (isFirst)
        this.tell("Task Setup", { DisplayMessage: building, Message: building, Details: { message: building } });
      const outcome = await this.#once();
      const isKilled = this.#killed.signal.aborted;
      const decision = this.#tracker.next({ ...outcome, isKilled, isTriggered: this.#isTriggered });
      this.#isTriggered = false;
      if (decision.type === "terminated" || decision.type === "killed") {
        if (decision.type === "killed") this.tell("Killed", { DisplayMessage: "Task successfully killed" });
        break;
      }
      if (decision.type === "notRestarting") {
        const { reason } = decision;
        this.#state = { ...this.#state, Failed: true };
        this.tell("Not Restarting", {
          DisplayMessage: reason,
          Details: { restart_reason: reason, fails_task: "true" },
        });
        break;
      }
      this.#restarting(decision.reason, decision.delayNs);
      await pause(this.#options.clock, (decision.delayNs / second) * this.#options.secondMs, this.#killed.signal);
    }
    this.#set({ State: "dead", FinishedAt: this.#state.FinishedAt ?? now() });
  }

  tell(Type: string, more: Partial<NomadTaskEvent> = {}): void {
    // No two of the same time.
    this.#lastTime = Math.max(this.#lastTime + 1000, Date.now() * 1_000_000);
    const event = { Type, Time: this.#lastTime, Message: "", DisplayMessage: "", Details: {}, ExitCode: 0, Signal: 0 };
    this.#events = [...this.#events, { ...event, ...more }].slice(-lastEvents);
    this.#options.changed();
  }

  /** Ends it for good; resolves when its process has ended. */
  async kill(): Promise<void> {
    if (this.#killed.signal.aborted) return;
    if (this.#state.FinishedAt === null) {
      const wait = durationText(this.#killNs);
      this.tell("Killing", { DisplayMessage: `Sent interrupt. Waiting ${wait} before force killing` });
    }
    this.#killed.abort();
    await this.#stop();
  }

  async restart(): Promise<void> {
    if (this.#state.State !== "running") throw new NomadRefusal(500, "Task not running");
    this.tell("Restart Signaled", { DisplayMessage: "User requested task to restart" });
    this.#isTriggered = true;
    await this.#stop();
  }

  signal(name: string): void {
    if (this.#state.State !== "running") throw new NomadRefusal(500, "Task not running");
    this.tell("Signaling", { DisplayMessage: "Task being sent a signal", Details: {} });
    // Its process ends by itself, or not; what runs it may be removed or gone before that.
    this.#running?.stop(this.name, name === "SIGKILL" ? 0 : 2 ** 31 - 1).catch((error: unknown) => {
      if (!this.#killed.signal.aborted && !isErrorKind(error, "NotFound"))
        this.tell("Driver Failure", { DisplayMessage: `signal ${name}: ${errorText(error)}` });
    });
  }

  get #killNs(): number {
    return Math.min(this.task.KillTimeout, maxKillNs);
  }

  async #once(): Promise<{ readonly startError?: { readonly isRecoverable: boolean }; readonly exitCode?: number }> {
    const { task } = this;
    const fault = configFault(task);
    if (fault !== undefined) {
      this.tell("Failed Validation", { DisplayMessage: fault, Details: { validation_error: fault } });
      return { startError: { isRecoverable: false } };
    }
    const isImage = task.Driver === "docker" || task.Driver === "podman";
    let group: RunningGroup;
    try {
      if (isImage) this.tell("Driver", { DisplayMessage: "Downloading image" });
      group = await this.#options.group();
      if (this.#killed.signal.aborted) return {};
      await group.start(this.name);
    } catch (error) {
      const isPull = isImage && isErrorKind(error, "NotFound");
      const message = isPull
        ? `Failed to pull \`${String(task.Config["image"])}\`: ${errorText(error)}`
        : error instanceof Error
          ? error.message
          : String(error);
      this.tell("Driver Failure", { DisplayMessage: message, Details: { driver_error: message } });
      return { startError: { isRecoverable: isPull } };
    }
    this.#running = group;
    this.#set({ State: "running", StartedAt: now() });
    this.tell("Started", { DisplayMessage: "Task started by client" });
    // It may have been killed while it started.
    if (this.#killed.signal.aborted) await this.#stop();
    const { exitCode = 0, oomKilled = false } = await group.ended(this.name);
    const signal = !isImage && exitCode > 128 && exitCode < 160 ? exitCode - 128 : 0;
    const said = isImage && exitCode !== 0 ? `Docker container exited with non-zero exit code: ${exitCode}` : "";
    this.tell("Terminated", {
      DisplayMessage: [
        `Exit Code: ${exitCode}`,
        ...(signal === 0 ? [] : [`Signal: ${signal}`]),
        ...(said === "" ? [] : [`Exit Message: "${said}"`]),
      ].join(", "),
      Details: {
        ...{ exit_code: `${exitCode}`, signal: `${signal}`, oom_killed: `${oomKilled}` },
        ...(said === "" ? {} : { exit_message: said }),
      },
      ...{ ExitCode: exitCode, Signal: signal, Message: said },
    });
    return { exitCode };
  }

  #restarting(reason: string, delayNs: number): void {
    const wait = `Task restarting in ${durationText(delayNs)}`;
    this.#set({ State: "pending", Restarts: this.#state.Restarts + 1, LastRestart: now() });
    this.tell("Restarting", {
      DisplayMessage: reason === "" || reason === "Restart within policy" ? wait : `${reason} - ${wait}`,
      Details: { restart_reason: reason, start_delay: `${delayNs}` },
    });
  }

  async #stop(): Promise<void> {
    if (this.#running?.state(this.name).state === "running")
      await this.#running.stop(this.name, this.#killNs / 1_000_000);
  }

  #set(state: Partial<NomadTaskState>): void {
    this.#state = { ...this.#state, ...state };
    this.#options.changed();
  }
}

function now(): string {
  return new Date().toISOString();
}
