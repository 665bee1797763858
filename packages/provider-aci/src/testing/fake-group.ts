// One container group of the fake: what the cloud does with it from its acceptance to its end. Containers run by a GroupRunner; order,
// restarts, states and events are made here, as the cloud makes them.
import { type Clock, errorText, isErrorKind, pause } from "@virtual-kubelet/virtual-kubelet";
import type { GroupRunner, RunnerState, RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { ContainerGroup } from "../wire.ts";
import type { Container, ContainerProperties, InitContainerDefinition } from "../wire-containers.ts";
import type { ContainerFacts, GroupFacts } from "./fake-group-view.ts";
import { probeRun } from "./fake-probes.ts";
import { FakeEvents, FakeRun, runnerContainer, terminated, timeOf } from "./fake-run.ts";

/** Milliseconds that the cloud takes. */
export interface FakePace {
  readonly acceptMs: number;
  readonly pullMs: number;
  readonly removeMs: number;
  /** Before a container's first restart; doubles from one to the next, to 64 times. */
  readonly restartMs: number;
  readonly stopGraceMs: number;
}

export interface FakeGroupOptions {
  readonly id: string;
  readonly name: string;
  /** Unique for the runner. */
  readonly runnerId: string;
  readonly body: ContainerGroup;
  readonly runner: GroupRunner;
  readonly pace: FakePace;
  readonly clock: Clock;
  /** Told of what should not happen: the test is at fault, or the runner. */
  readonly onFault: (text: string) => void;
}

export class FakeGroup {
  readonly name: string;
  readonly options: FakeGroupOptions;
  readonly #runs = new Map<string, FakeRun>();
  readonly #events: FakeEvents;
  body: ContainerGroup;
  provisioningState = "Pending";
  state = "Pending";
  #running: RunningGroup | undefined;
  #life: { readonly end: AbortController; readonly done: Promise<void> } | undefined;
  #isRemoved = false;

  constructor(options: FakeGroupOptions) {
    this.options = options;
    this.name = options.name;
    this.body = options.body;
    this.#events = new FakeEvents(options.clock);
    for (const { name } of this.#all()) this.#runs.set(name, new FakeRun(this.options.clock));
  }

  /** Makes the containers, none of them started. Throws NotFound for an image that is not there. */
  async create(): Promise<void> {
    const { runner, runnerId } = this.options;
    const { volumes = [] } = this.body.properties;
    const made = await runner.create({
      id: runnerId,
      containers: this.#all().map(runnerContainer),
      volumes: volumes.map(({ name, secret }) => ({
        name,
        files: Object.entries(secret ?? {}).map(([path, data]) => ({
          path,
          mode: 0o644,
          data: Buffer.from(data, "base64"),
        })),
      })),
    });
    // The removal did not see it.
    if (this.#isRemoved) await made.remove();
    else this.#running = made;
  }

  get running(): RunningGroup | undefined {
    return this.#running;
  }

  facts(): GroupFacts {
    const containers: ReadonlyMap<string, ContainerFacts> = this.#runs;
    const { id, name } = this.options;
    const ip = this.#running?.ip;
    const { body, provisioningState, state } = this;
    return { id, name, body, provisioningState, state, events: this.#events.all, ip, containers };
  }

  isRunning(container: string): boolean {
    return this.#runs.get(container)?.current.state === "Running";
  }

  /** When the run before the container's last one ended, epoch milliseconds; 0: there was none. */
  runBefore(container: string): number {
    return this.#runs.get(container)?.endBefore ?? 0;
  }

  /** Begins its life; how it goes is seen by its facts. */
  begin(): void {
    // It was removed while it was made, or while it was to start anew.
    if (this.#isRemoved) return;
    const end = new AbortController();
    const done = this.#live(end.signal).catch((error: unknown) => {
      if (end.signal.aborted) return;
      this.provisioningState = "Failed";
      this.state = "Failed";
      this.options.onFault(`${this.name}: ${errorText(error)}`);
    });
    this.#life = { end, done };
  }

  /** Ends all containers and keeps them. */
  async stop(): Promise<void> {
    await this.#end();
    await Promise.all(this.#all().map(({ name }) => this.#stopOne(name, this.options.pace.stopGraceMs)));
    this.state = "Stopped";
  }

  /** Spot capacity was taken away: everything is killed, and stays as it is. */
  async evict(): Promise<void> {
    await this.#end();
    this.#events.tell("Evicted", "The container group was evicted: the capacity is needed elsewhere.", "Warning");
    await Promise.all(this.#all().map(({ name }) => this.#stopOne(name, 0, "Evicted")));
    this.state = "Failed";
  }

  async restart(): Promise<void> {
    await this.stop();
    if (this.#isRemoved) return;
    for (const run of this.#runs.values()) {
      run.restarts = 0;
      run.previous = run.current.state === "Terminated" ? run.current : run.previous;
    }
    this.provisioningState = "Pending";
    this.state = "Pending";
    this.begin();
  }

  async remove(): Promise<void> {
    this.#isRemoved = true;
    await this.#end();
    const running = this.#running;
    this.#running = undefined;
    await running?.remove();
  }

  #all(): readonly (Container | InitContainerDefinition)[] {
    return [...(this.body.properties.initContainers ?? []), ...this.body.properties.containers];
  }

  async #end(): Promise<void> {
    this.#life?.end.abort();
    await this.#life?.done;
  }

  async #stopOne(name: string, graceMs: number, detailStatus?: string): Promise<void> {
    const run = this.#runs.get(name);
    // A removal does not wait for it.
    const running = this.#running;
    if (run === undefined || running === undefined) return;
    if (running.state(name).state === "running") {
      run.tell("Killing", `Killing container with id ${name}.`);
      await running.stop(name, graceMs);
    }
    const state = running.state(name);
    if (state.state === "exited")
      run.current = { ...terminated(state), ...(detailStatus === undefined ? {} : { detailStatus }) };
  }

  async #live(signal: AbortSignal): Promise<void> {
    const { pace, clock } = this.options;
    const { initContainers = [], containers } = this.body.properties;
    await pause(clock, pace.acceptMs, signal);
    if (signal.aborted) return;
    this.provisioningState = "Creating";
    for (const { name, properties } of this.#all()) await this.#pull(name, properties.image ?? "", signal);
    if (signal.aborted) return;
    for (const { name } of initContainers) {
      if (signal.aborted) return;
      if (!(await this.#initialize(name, signal))) return;
    }
    if (signal.aborted) return;
    await Promise.all(containers.map(({ name }) => this.#start(name)));
    if (signal.aborted) return;
    this.provisioningState = "Succeeded";
    this.state = "Running";
    const codes = await Promise.all(containers.map(({ name, properties }) => this.#mind(name, properties, signal)));
    if (signal.aborted) return;
    this.state = codes.every((code) => code === 0) ? "Succeeded" : "Failed";
  }

  /** Made by now, or as soon as its images are there; an image that is not is tried again and again. */
  async #pulled(signal: AbortSignal): Promise<void> {
    const { pace, clock } = this.options;
    while (this.#running === undefined && !signal.aborted) {
      try {
        await this.create();
      } catch (error) {
        if (!isErrorKind(error, "NotFound")) throw error;
        for (const { name, properties } of this.#all())
          this.#runs.get(name)?.pullFailed(properties.image ?? "", errorText(error));
        await pause(clock, pace.restartMs * 5, signal);
      }
    }
  }

  async #pull(name: string, image: string, signal: AbortSignal): Promise<void> {
    const { pace, clock } = this.options;
    const run = this.#runs.get(name);
    if (run === undefined || signal.aborted) return;
    run.tell("Pulling", `pulling image "${image}"`);
    await pause(clock, pace.pullMs, signal);
    if (this.#running === undefined) await this.#pulled(signal);
    if (!signal.aborted) run.tell("Pulled", `Successfully pulled image "${image}"`);
  }

  /** False: the group has failed. */
  async #initialize(name: string, signal: AbortSignal): Promise<boolean> {
    for (;;) {
      await this.#start(name);
      const ended = await this.#ended(name, signal);
      if (ended === undefined) return false;
      if (ended.exitCode === 0) return true;
      if (this.body.properties.restartPolicy === "Never") {
        this.provisioningState = "Succeeded";
        this.state = "Failed";
        return false;
      }
      await this.#backOff(name, signal);
      if (signal.aborted) return false;
    }
  }

  /** Resolves with the last exit code when it is not started any more, undefined when the signal ended it. */
  async #mind(name: string, properties: ContainerProperties, signal: AbortSignal): Promise<number | undefined> {
    const { restartPolicy = "Always" } = this.body.properties;
    for (;;) {
      const probed = new AbortController();
      const probing = this.#probe(name, properties, AbortSignal.any([signal, probed.signal]));
      const ended = await this.#ended(name, signal);
      probed.abort();
      await probing;
      if (ended === undefined) return undefined;
      const again = restartPolicy === "Always" || (restartPolicy === "OnFailure" && ended.exitCode !== 0);
      if (!again) return ended.exitCode;
      await this.#backOff(name, signal);
      if (signal.aborted) return undefined;
      await this.#start(name);
    }
  }

  async #probe(container: string, properties: ContainerProperties, signal: AbortSignal): Promise<void> {
    const running = this.#running;
    const run = this.#runs.get(container);
    if (running === undefined || run === undefined) return;
    const { clock, pace } = this.options;
    await probeRun(run, properties, { running, container, clock, signal }, pace.stopGraceMs);
  }

  async #start(name: string): Promise<void> {
    const run = this.#runs.get(name);
    if (run === undefined || this.#running === undefined) return;
    await this.#running.start(name);
    const { startedAt } = this.#running.state(name);
    run.endBefore = Date.parse(run.previous?.finishTime ?? "") || 0;
    run.current = { state: "Running", startTime: timeOf(startedAt ?? this.options.clock.now()), detailStatus: "" };
    run.tell("Started", "Started container");
  }

  async #ended(name: string, signal: AbortSignal): Promise<RunnerState | undefined> {
    const run = this.#runs.get(name);
    if (run === undefined || this.#running === undefined) return undefined;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const stop = (): void => resolve(undefined);
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    const ended = await Promise.race([this.#running.ended(name), promise]);
    signal.removeEventListener("abort", stop);
    if (ended === undefined) return undefined;
    run.current = terminated(ended);
    return ended;
  }

  async #backOff(name: string, signal: AbortSignal): Promise<void> {
    const { pace, clock } = this.options;
    const run = this.#runs.get(name);
    if (run === undefined) return;
    const delay = pace.restartMs * 2 ** Math.min(6, run.restarts);
    run.previous = run.current;
    run.current = { state: "Waiting", detailStatus: "CrashLoopBackOff: Back-off restarting failed" };
    run.tell("BackOff", "Back-off restarting failed container", "Warning");
    await pause(clock, delay, signal);
    run.restarts += 1;
  }
}
