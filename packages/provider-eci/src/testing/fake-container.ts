// A container of the fake: its runs, how they look in answers, its hooks, its probes.
import { type Clock, errorText, isErrorKind, pause } from "@virtual-kubelet/virtual-kubelet";
import type { RunnerLogLine, RunnerState, RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { Container } from "../wire.ts";
import type { ContainerState } from "../wire-answers.ts";
import { type FakeEvents, secondOf } from "./fake-events.ts";
import { hookHandler, perform, probeHandler } from "./fake-handlers.ts";
import { probe } from "./fake-probes.ts";

export interface ContainerWorld {
  readonly clock: Clock;
  readonly events: FakeEvents;
  /** Before the first restart; doubles from one to the next, to 64 times. */
  readonly restartMs: number;
  readonly graceMs: number;
  readonly changed: () => void;
  /** Told of what should not happen. */
  readonly onFault: (text: string) => void;
}

/** Kubelet's: how much of a log becomes the message of its end. */
const messageLines = 80;
const messageBytes = 2048;

export class FakeContainer {
  readonly name: string;
  readonly spec: Container;
  current: ContainerState = { State: "Waiting", Reason: "ContainerCreating", DetailStatus: "" };
  previous: ContainerState | undefined;
  restarts = 0;
  ready = false;
  /** When each run began, epoch milliseconds. */
  readonly starts: number[] = [];
  readonly #world: ContainerWorld;
  #probes: AbortController = new AbortController();
  #probing: Promise<void> = Promise.resolve();

  constructor(spec: Container, world: ContainerWorld) {
    this.name = spec.Name;
    this.spec = spec;
    this.#world = world;
  }

  get isRunning(): boolean {
    return this.current.State === "Running";
  }

  waits(reason: string, message: string): void {
    this.#is({ State: "Waiting", Reason: reason, Message: message, DetailStatus: "" }, false);
  }

  /** Its group is made anew: it counts as one run more, and what was written before is gone. */
  reset(): void {
    if (this.starts.length > 0) this.restarts += 1;
    this.starts.length = 0;
    if (this.current.State === "Terminated") this.previous = this.current;
    this.waits("ContainerCreating", "");
  }

  /** Begins a run; its probes go on until it ends. A start that fails is a run that has ended with 128. */
  async begin(running: RunningGroup, signal: AbortSignal): Promise<void> {
    const { clock, events } = this.#world;
    const begun = clock.now();
    try {
      await running.start(this.name);
    } catch (error) {
      if (!isErrorKind(error, "Invalid", "NotFound")) throw error;
      const why = errorText(error);
      events.tell("Failed", `Error: failed to start container "${this.name}": ${why}`, "Warning");
      this.starts.push(begun);
      const ended = { state: "exited", restarts: 0, startedAt: begun, exitCode: 128 } as const;
      this.#is(this.#ended(ended, "StartError", why), false);
      return;
    }
    const startedAt = running.state(this.name).startedAt ?? begun;
    this.starts.push(startedAt);
    events.tell("Started", `Started container ${this.name}`);
    this.#is({ State: "Running", StartTime: secondOf(startedAt), DetailStatus: "" }, false);
    this.#probes = new AbortController();
    const alive = AbortSignal.any([signal, this.#probes.signal]);
    this.#probing = this.#care(running, alive).catch((error: unknown) => this.#world.onFault(errorText(error)));
  }

  /** Resolves with the code of the present run when it has ended, with undefined when the signal aborts before. */
  async ended(running: RunningGroup, signal: AbortSignal): Promise<number | undefined> {
    if (this.current.State === "Terminated") return this.current.ExitCode;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const stop = (): void => resolve(undefined);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const state = await Promise.race([running.ended(this.name), promise]);
    signal.removeEventListener("abort", stop);
    await this.#stopProbes();
    if (state === undefined) return undefined;
    await this.#terminated(running, state);
    return state.exitCode ?? 0;
  }

  /** Waits until its next run may begin. */
  async backOff(signal: AbortSignal): Promise<void> {
    const { clock, events, restartMs } = this.#world;
    const delay = restartMs * 2 ** Math.min(6, this.restarts);
    this.previous = this.current;
    const message = `back-off ${Math.ceil(delay / 1000)}s restarting failed container=${this.name}`;
    this.waits("CrashLoopBackOff", message);
    events.tell("BackOff", `Back-off restarting failed container ${this.name}`, "Warning");
    await pause(clock, delay, signal);
    if (!signal.aborted) this.restarts += 1;
  }

  /** Its hook, TERM, and KILL after the grace; with 0 it is killed at once. */
  async stop(running: RunningGroup, graceMs: number, why: string): Promise<void> {
    await this.#stopProbes();
    if (running.state(this.name).state === "running") {
      this.#world.events.tell("Killing", `Stopping container ${this.name}${why}`);
      await this.#stopRun(running, graceMs);
    }
    if (running.state(this.name).state === "exited" && this.current.State !== "Terminated")
      await this.#terminated(running, running.state(this.name));
  }

  /** Of its present run, or of the one before it; undefined where there was none. Pure. */
  runLines(lines: readonly RunnerLogLine[], which: "present" | "previous"): readonly RunnerLogLine[] | undefined {
    const last = this.starts.length - 1;
    // While it waits for its next run, the last one is both.
    const index = which === "present" || this.current.State === "Waiting" ? last : last - 1;
    const from = this.starts[index];
    if (from === undefined) return undefined;
    const until = this.starts[index + 1];
    return lines.filter(
      ({ time }) => time >= BigInt(from) * 1_000_000n && (until === undefined || time < BigInt(until) * 1_000_000n),
    );
  }

  /** Its hook, then its probes, for one run. */
  async #care(running: RunningGroup, signal: AbortSignal): Promise<void> {
    const { events, clock, graceMs } = this.#world;
    const { LivenessProbe, ReadinessProbe } = this.spec;
    const hook = hookHandler(this.spec, "PostStart");
    if (hook !== undefined) {
      const fault = await perform(hook, running, this.name, signal);
      if (signal.aborted) return;
      if (fault !== undefined) {
        events.tell("FailedPostStartHook", `PostStartHook failed: ${fault}`, "Warning");
        events.tell("Killing", `FailedPostStartHook: container ${this.name} is killed`);
        await running.stop(this.name, graceMs);
        return;
      }
    }
    if (ReadinessProbe === undefined) this.#isReady(true);
    const ask = (of: NonNullable<typeof LivenessProbe>) => (end: AbortSignal) =>
      perform(probeHandler(of), running, this.name, end);
    const readiness =
      ReadinessProbe === undefined
        ? Promise.resolve()
        : probe(ReadinessProbe, ask(ReadinessProbe), { clock, signal }, (isGood, why) => {
            if (why !== undefined) events.tell("Unhealthy", `Readiness probe failed: ${why}`, "Warning");
            if (isGood !== undefined) this.#isReady(isGood);
            return "go on";
          });
    if (LivenessProbe !== undefined) {
      let isDead = false;
      await probe(LivenessProbe, ask(LivenessProbe), { clock, signal }, (isGood, why) => {
        if (why !== undefined) events.tell("Unhealthy", `Liveness probe failed: ${why}`, "Warning");
        isDead = isGood === false;
        return isDead ? "end" : "go on";
      });
      if (isDead && !signal.aborted) {
        events.tell("Killing", `Container ${this.name} failed liveness probe, will be restarted`);
        this.#isReady(false);
        await this.#stopRun(running, graceMs);
      }
    }
    await readiness;
  }

  async #stopRun(running: RunningGroup, graceMs: number): Promise<void> {
    const { clock, events } = this.#world;
    const begun = clock.now();
    const hook = hookHandler(this.spec, "PreStop");
    if (hook !== undefined && graceMs > 0) {
      const fault = await perform(hook, running, this.name, AbortSignal.timeout(graceMs));
      if (fault !== undefined) events.tell("FailedPreStopHook", `PreStopHook failed: ${fault}`, "Warning");
    }
    const left = graceMs - (clock.now() - begun);
    // Kubelet's: some time is left to it in any case.
    await running.stop(this.name, graceMs <= 0 ? 0 : Math.max(2000, left));
  }

  async #stopProbes(): Promise<void> {
    this.#probes.abort();
    await this.#probing;
  }

  async #terminated(running: RunningGroup, state: RunnerState): Promise<void> {
    const isGood = state.exitCode === 0;
    const reason = state.oomKilled === true ? "OOMKilled" : isGood ? "Completed" : "Error";
    const { TerminationMessagePolicy } = this.spec;
    const wantsLog = TerminationMessagePolicy === "FallbackToLogsOnError" && !isGood;
    this.#is(this.#ended(state, reason, wantsLog ? await this.#lastLines(running) : ""), false);
  }

  /** Kubelet's message where the container has written none; the runner cannot read files of one that has ended. */
  async #lastLines(running: RunningGroup): Promise<string> {
    const lines = this.runLines(await running.logs(this.name), "present") ?? [];
    const text = lines.slice(-messageLines).map((line) => `${line.text}\n`);
    return Buffer.from(text.join("")).subarray(-messageBytes).toString();
  }

  #ended({ startedAt, finishedAt, exitCode = 0 }: RunnerState, reason: string, message: string): ContainerState {
    return {
      State: "Terminated",
      ExitCode: exitCode,
      ...(startedAt !== undefined && { StartTime: secondOf(startedAt) }),
      FinishTime: secondOf(finishedAt ?? this.#world.clock.now()),
      Reason: reason,
      Message: message,
      DetailStatus: reason,
    };
  }

  #is(state: ContainerState, ready: boolean): void {
    this.current = state;
    this.ready = ready;
    this.#world.changed();
  }

  #isReady(ready: boolean): void {
    if (this.ready === ready || !this.isRunning) return;
    this.ready = ready;
    this.#world.changed();
  }
}
