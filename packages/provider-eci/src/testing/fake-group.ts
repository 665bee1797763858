// One container group of the fake: what the service does with it from its acceptance to its end. Containers run by a GroupRunner;
// order, restarts, states and events are made here, as the service makes them.
import { type Clock, errorText, pause } from "@virtual-kubelet/virtual-kubelet";
import type { GroupRunner, RunnerLogLine, RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { CreateContainerGroupRequest, Tag } from "../wire.ts";
import type { GroupStatus } from "../wire-answers.ts";
import { FakeContainer } from "./fake-container.ts";
import { FakeEvents } from "./fake-events.ts";
import { madeGroup, runContainers } from "./fake-group-run.ts";
import { runnerGroup } from "./fake-runner-group.ts";

/** Milliseconds that the service takes. */
export interface FakePace {
  readonly scheduleMs: number;
  readonly pullMs: number;
  readonly removeMs: number;
  readonly updateMs: number;
  /** Before a container's first restart; doubles from one to the next, to 64 times. */
  readonly restartMs: number;
}

export interface FakeGroupOptions {
  readonly id: string;
  readonly request: CreateContainerGroupRequest;
  readonly runner: GroupRunner;
  readonly pace: FakePace;
  readonly clock: Clock;
  readonly hasStock: boolean;
  /** Told of what should not happen: the test is at fault, or the runner. */
  readonly onFault: (text: string) => void;
}

/** Where none is told; the vendor does not say. */
const defaultGraceSeconds = 30;
const keptLines = 10_000;

export class FakeGroup {
  readonly id: string;
  readonly name: string;
  readonly createdAt: number;
  readonly events: FakeEvents;
  request: CreateContainerGroupRequest;
  tags: readonly Tag[];
  status: GroupStatus = "Scheduling";
  /** When it ended, epoch milliseconds. */
  endedAt: number | undefined;
  /** When something of it changed last, epoch milliseconds. */
  changedAt: number;
  ip: string | undefined;
  inits: readonly FakeContainer[] = [];
  mains: readonly FakeContainer[] = [];
  readonly #options: FakeGroupOptions;
  readonly #logs = new Map<string, readonly RunnerLogLine[]>();
  #running: RunningGroup | undefined;
  #life: { readonly end: AbortController; readonly done: Promise<void> } | undefined;
  #removal: Promise<void> | undefined;
  #isKilled = false;

  constructor(options: FakeGroupOptions) {
    this.#options = options;
    const { id, request, clock } = options;
    this.id = id;
    this.name = request.ContainerGroupName;
    this.request = request;
    this.tags = request.Tag ?? [];
    this.createdAt = clock.now();
    this.changedAt = this.createdAt;
    this.events = new FakeEvents(clock);
    this.#makeContainers();
  }

  get all(): readonly FakeContainer[] {
    return [...this.inits, ...this.mains];
  }

  /** Nothing of it runs or will run again. */
  get isOver(): boolean {
    return this.endedAt !== undefined;
  }

  get running(): RunningGroup | undefined {
    return this.#running;
  }

  container(name: string): FakeContainer | undefined {
    return this.all.find((each) => each.name === name);
  }

  /** All that its runs wrote; undefined before it was made. */
  async lines(container: string): Promise<readonly RunnerLogLine[] | undefined> {
    return (await this.#running?.logs(container)) ?? this.#logs.get(container);
  }

  /** Begins its life; how it goes is seen by its facts. */
  begin(): void {
    // It was removed while it was made anew.
    if (this.#removal !== undefined || this.#isKilled) return;
    const end = new AbortController();
    const done = this.#live(end.signal).catch((error: unknown) => {
      if (end.signal.aborted) return;
      this.#is("Failed");
      this.#options.onFault(`${this.name}: ${errorText(error)}`);
    });
    this.#life = { end, done };
  }

  /** Resolves when nothing is left of it. */
  remove(): Promise<void> {
    this.#removal ??= this.#remove();
    return this.#removal;
  }

  /** Without grace, for the end of a test. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    await this.#endLife();
    const running = this.#running;
    this.#running = undefined;
    await running?.remove();
  }

  /** Spot capacity was taken away: everything is killed, and stays as it is. */
  async reclaim(): Promise<void> {
    this.events.announce("SpotToBeReleased", "Spot ECI will be released in 3 minutes", "Warning");
    await this.#endBy("Expired", "SpotReleased", "Spot ECI has been released");
  }

  /** All containers begin anew, in volumes that are empty again. */
  async restart(): Promise<void> {
    this.#is("Restarting");
    await this.#unmake();
    for (const each of this.all) each.reset();
    this.begin();
  }

  /**
   * Tags alone are written at once. Else the whole group is made anew: the runner cannot change containers that there are, and the
   * service would have kept those that did not change.
   */
  async update(request: CreateContainerGroupRequest): Promise<void> {
    const before = this.request;
    this.request = request;
    this.tags = request.Tag ?? [];
    const status = this.status;
    this.#is("Updating");
    const { clock, pace } = this.#options;
    if (JSON.stringify({ ...before, Tag: 0 }) === JSON.stringify({ ...request, Tag: 0 })) {
      await pause(clock, pace.updateMs, new AbortController().signal);
      if (this.status === "Updating") this.#is(status);
      return;
    }
    await this.#unmake();
    this.#makeContainers();
    this.begin();
  }

  #makeContainers(): void {
    const { clock, pace, onFault } = this.#options;
    const world = {
      onFault,
      ...{ clock, events: this.events, restartMs: pace.restartMs, graceMs: this.#graceMs() },
      changed: () => {
        this.changedAt = clock.now();
        this.#look();
      },
    };
    this.inits = (this.request.InitContainer ?? []).map((spec) => new FakeContainer(spec, world));
    this.mains = this.request.Container.map((spec) => new FakeContainer(spec, world));
  }

  #graceMs(): number {
    return (this.request.TerminationGracePeriodSeconds ?? defaultGraceSeconds) * 1000;
  }

  #is(status: GroupStatus): void {
    this.status = status;
    this.changedAt = this.#options.clock.now();
    if (/^(Succeeded|Failed|Expired|ScheduleFailed)$/.test(status)) this.endedAt = this.changedAt;
  }

  /** It runs once a container does. */
  #look(): void {
    if (this.status === "Pending" && this.mains.some(({ isRunning }) => isRunning)) this.#is("Running");
  }

  async #endLife(): Promise<void> {
    this.#life?.end.abort();
    await this.#life?.done;
  }

  /** With grace. */
  async #unmake(): Promise<void> {
    await this.#endLife();
    const running = this.#running;
    if (running === undefined) return;
    await Promise.all(this.all.map((each) => each.stop(running, this.#graceMs(), "")));
    this.#running = undefined;
    await running.remove();
  }

  async #remove(): Promise<void> {
    const { pace, clock } = this.#options;
    if (this.#running !== undefined && !this.isOver) this.#is("Terminating");
    await this.#unmake();
    await pause(clock, pace.removeMs, new AbortController().signal);
  }

  /** The service ends it: its containers are killed. */
  async #endBy(status: GroupStatus, reason: string, message: string): Promise<void> {
    if (this.isOver || this.#removal !== undefined) return;
    this.events.announce(reason, message, "Warning");
    await this.#endLife();
    const running = this.#running;
    if (running !== undefined) await Promise.all(this.all.map((each) => each.stop(running, 0, `: ${reason}`)));
    await this.#finish(status);
  }

  /** What it ran on is given back; what it wrote is kept. */
  async #finish(status: GroupStatus): Promise<void> {
    const running = this.#running;
    if (running !== undefined) {
      for (const { name, starts } of this.all)
        if (starts.length > 0) this.#logs.set(name, (await running.logs(name)).slice(-keptLines));
      this.#running = undefined;
      await running.remove();
    }
    this.#is(status);
  }

  async #live(signal: AbortSignal): Promise<void> {
    const { pace, clock, hasStock } = this.#options;
    await pause(clock, pace.scheduleMs, signal);
    if (signal.aborted) return;
    if (!hasStock) {
      const message = "Create ECI failed because the specified instance is out of stock.";
      this.events.announce("NoStock", message, "Warning");
      this.#is("ScheduleFailed");
      return;
    }
    this.#is("Pending");
    this.events.announce("SuccessfulScheduled", `Successfully scheduled ${this.id}`);
    const cancel = this.#endAtDeadline();
    try {
      await this.#run(signal);
    } finally {
      cancel();
    }
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { runner, pace, clock } = this.#options;
    const { inits, mains, events, request } = this;
    const run = { inits, mains, events, clock, restartPolicy: request.RestartPolicy };
    if (this.#running === undefined) {
      const create = (): Promise<RunningGroup> => runner.create(runnerGroup(this.id, request));
      const made = await madeGroup(run, create, { pullMs: pace.pullMs, againMs: pace.restartMs * 5 }, signal);
      if (signal.aborted) await made?.remove();
      if (signal.aborted || made === undefined) return;
      this.#running = made;
      this.ip = made.ip;
    }
    const status = await runContainers(run, this.#running, signal);
    if (status !== undefined) await this.#finish(status);
  }

  /** The returned function cancels it. */
  #endAtDeadline(): () => void {
    const { clock, onFault } = this.#options;
    const { ActiveDeadlineSeconds } = this.request;
    if (ActiveDeadlineSeconds === undefined) return () => {};
    return clock.schedule(this.createdAt + ActiveDeadlineSeconds * 1000 - clock.now(), () => {
      const message = "Pod was active on the node longer than the specified deadline";
      this.#endBy("Failed", "DeadlineExceeded", message).catch((error: unknown) => onFault(errorText(error)));
    });
  }
}
