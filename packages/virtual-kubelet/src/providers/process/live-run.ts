// One run in the life of this process: watches its directory, collects its log, notices its end, stops it.
import { spawn } from "node:child_process";
import { closeSync, existsSync, type FSWatcher, openSync, watch } from "node:fs";
import { join } from "node:path";
import { type Clock, pause } from "../../clock.ts";
import type { ContainerRef, RuntimeContainer } from "../../engine/container-runtime.ts";
import { errorText, VirtualKubeletError } from "../../errors.ts";
import { outOfMemoryKills } from "../../host/cgroup-figures.ts";
import { cgroupPids, killCgroups, removeCgroups } from "../../host/cgroups.ts";
import { bearing, descendants, isAlive, signal } from "../../host/process-table.ts";
import { endOfFile, readIfThere } from "../../host/state-files.ts";
import { toolEnvironment } from "../../host/tool-environment.ts";
import type { Logger } from "../../log.ts";
import { LogCollector, type LogLimits } from "./log-collector.ts";
import { carriersOf, endCarriers } from "./run-carriers.ts";
import type { RunRecord, RunState } from "./run-record.ts";

/** So long an ended run's output may be held open by what was not found among its processes. */
const carrierPatienceMs = 3000;
/** Bytes of a termination message; of a longer one, the end. */
const longestMessage = 4096;

export class LiveRun {
  readonly record: RunRecord;
  readonly log: LogCollector;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #changed: () => void;
  #watcher: FSWatcher | undefined;
  #shown: RunState["type"] | undefined;
  #checking: Promise<void> | undefined;
  #again = false;
  #finished = false;
  /** When its main process was first seen to be gone. */
  #endedAt: number | undefined;
  #closed = false;
  /** Epoch milliseconds at which it is killed. */
  #killAt: number | undefined;
  #stopping: Promise<void> | undefined;
  #sooner: AbortController = new AbortController();

  constructor(
    record: RunRecord,
    options: { readonly logs: LogLimits; readonly clock: Clock; readonly log: Logger; changed(): void },
  ) {
    this.record = record;
    this.log = new LogCollector(record.directory, options.logs);
    this.#clock = options.clock;
    this.#log = options.log;
    this.#changed = options.changed;
  }

  get ref(): ContainerRef {
    const { podUid, name, attempt } = this.record.spec;
    return { podUid, name, attempt };
  }

  get #path(): (name: string) => string {
    return (name) => join(this.record.directory, name);
  }

  container(): RuntimeContainer {
    const container = this.record.container();
    // Its end is told once all is known of it.
    if (container.state === "exited" && !this.#finished) this.#noteMemory();
    return this.record.container();
  }

  /** Looks after it until it is over, if it has begun. */
  watch(): void {
    if (this.#watcher !== undefined || this.#finished || this.#closed) return;
    try {
      this.#watcher = watch(this.record.directory, () => void this.check());
      // Without notices it is looked at every second.
      this.#watcher.on("error", () => this.#unwatch());
    } catch {
      this.#watcher = undefined;
    }
  }

  /** Takes in what has happened. Never throws. */
  check(): Promise<void> {
    this.#again = true;
    this.#checking ??= (async () => {
      while (this.#again && !this.#closed) {
        this.#again = false;
        await this.#check().catch((error: unknown) => {
          this.#log.warn({ ...this.ref, err: errorText(error) }, "cannot look after a container; tried again");
        });
      }
    })().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #check(): Promise<void> {
    if (this.#finished) return;
    const { type } = this.record.state();
    if (type === "created") return;
    this.watch();
    const over = type === "exited" || type === "lost";
    if (type === "ending" || type === "lost") this.#hurryCarriers(type);
    const carried = type === "lost" && carriersOf(this.record.directory, ["carriers"]).length > 0;
    await this.log.pump(over && !carried);
    if (over && !carried) this.#finish();
    if (type !== this.#shown) {
      this.#shown = type;
      this.log.wake();
      this.#changed();
    }
  }

  #finish(): void {
    this.#finished = true;
    this.#noteMemory();
    removeCgroups(this.record.description.cgroups);
    this.#unwatch();
  }

  #noteMemory(): void {
    if (
      !existsSync(this.#path("oom")) &&
      outOfMemoryKills(this.record.description.cgroups) > 0 &&
      this.record.facts().code === 137
    )
      this.record.outOfMemory();
  }

  /** Has its supervisor begin. Resolves once the container's first process is there, or has been. */
  async start(context: AbortSignal): Promise<void> {
    if (this.record.state().type === "created") {
      const said = openSync(this.#path("supervise.log"), "a", 0o600);
      try {
        const child = spawn("/bin/sh", [this.#path("supervise.sh")], {
          ...{ detached: true, stdio: ["ignore", said, said], env: { ...toolEnvironment }, cwd: "/" },
        });
        let gone = false;
        const failed = new Promise<never>((_, reject) => child.once("error", reject));
        failed.catch(() => {});
        child.once("exit", () => {
          gone = true;
        });
        child.unref();
        this.watch();
        await Promise.race([failed, this.#begun(context, () => gone)]);
      } finally {
        closeSync(said);
      }
    } else await this.#begun(context, () => false);
    await this.check();
  }

  async #begun(context: AbortSignal, gone: () => boolean): Promise<void> {
    for (let turn = 0; ; turn++) {
      const ended = gone();
      const { type } = this.record.state();
      if (type !== "created" && type !== "starting") return;
      if (type === "created" && ended) {
        const said = readIfThere(this.#path("supervise.log"))?.slice(0, 500) ?? "";
        throw new VirtualKubeletError("Internal", `the supervisor did not begin: ${said}`);
      }
      context.throwIfAborted();
      await pause(this.#clock, turn < 50 ? 2 : 20, context);
    }
  }

  /** TERM or `name`, then KILL when the grace is over; resolves at its end. A shorter grace of a later call counts. */
  async stop(graceMs: number, name: NodeJS.Signals | number, caller: AbortSignal): Promise<void> {
    const killAt = this.#clock.now() + graceMs;
    if (this.record.isOver || this.record.state().type === "created") return;
    if (this.#killAt === undefined || killAt < this.#killAt) {
      this.#killAt = killAt;
      this.#sooner.abort();
    }
    this.#stopping ??= this.#stop(name).finally(() => {
      this.#stopping = undefined;
      this.#killAt = undefined;
    });
    // Who asked may have left by then.
    this.#stopping.catch(() => {});
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(caller.reason);
    caller.addEventListener("abort", onAbort, { once: true });
    aborted.promise.catch(() => {});
    try {
      await Promise.race([this.#stopping, aborted.promise]);
    } finally {
      caller.removeEventListener("abort", onAbort);
    }
  }

  async #stop(name: NodeJS.Signals | number): Promise<void> {
    let told = false;
    for (let kills = 0; !this.#closed; ) {
      const state = this.record.state();
      if (state.type === "exited" || state.type === "lost" || state.type === "created") break;
      const left = (this.#killAt ?? 0) - this.#clock.now();
      if (left <= 0) {
        this.#kill(state);
        kills++;
      } else if (!told && state.type === "running") {
        told = true;
        this.#tell(state.main.pid, name);
      }
      this.#sooner = new AbortController();
      const wait = left <= 0 ? Math.min(200, 10 * kills) : Math.min(left, state.type === "starting" ? 10 : 1000);
      const wake = new AbortController();
      await Promise.race([
        pause(this.#clock, wait, AbortSignal.any([this.#sooner.signal, wake.signal])),
        this.log.changed(wake.signal),
      ]);
      wake.abort();
    }
    await this.check();
  }

  #tell(pid: number, name: NodeJS.Signals | number): void {
    // The first process of a pid namespace answers for all of it; else the whole group of the session's leader is told.
    const target = this.record.description.ownPids ? pid : -pid;
    try {
      process.kill(target, name);
    } catch {
      // It has ended by itself.
    }
  }

  #kill(state: RunState): void {
    const { claim } = this.record.facts();
    if (state.type === "running") {
      signal(state.main.pid, "SIGKILL");
      if (!this.record.description.ownPids) for (const pid of this.#session(state.main.pid)) signal(pid, "SIGKILL");
    } else if (state.type === "starting" && claim !== undefined && isAlive(claim)) {
      // What makes its file system hangs, or is not that far yet.
      const carriers = carriersOf(this.record.directory);
      for (const { pid } of descendants(claim.pid)) if (!carriers.includes(pid)) signal(pid, "SIGKILL");
    }
    if (state.type !== "starting") this.killRest();
  }

  /** Ends what can be told by its cgroup or its mark, whoever started it. */
  killRest(): void {
    const { cgroups, marker } = this.record.description;
    killCgroups(cgroups);
    if (marker !== undefined) for (const pid of bearing(marker)) signal(pid, "SIGKILL");
  }

  /** Pids of everything that is known to be of this run. */
  processes(): readonly number[] {
    const { cgroups, marker } = this.record.description;
    const state = this.record.state();
    if (cgroups.length > 0) return cgroupPids(cgroups);
    const main = state.type === "running" ? state.main.pid : undefined;
    const tree = main === undefined ? [] : [main, ...descendants(main).map(({ pid }) => pid)];
    return [...new Set([...tree, ...(marker === undefined ? [] : bearing(marker))])];
  }

  #session(leader: number): readonly number[] {
    return descendants(leader)
      .filter(({ session }) => session === leader)
      .map(({ pid }) => pid);
  }

  /** What has left its session, cgroup and environment may hold the output open; nobody waits for that. */
  #hurryCarriers(type: "ending" | "lost"): void {
    const now = this.#clock.now();
    this.#endedAt ??= this.record.facts().finishedAt ?? now;
    if (type === "lost") {
      this.killRest();
      endCarriers(this.record.directory, ["holder"]);
    }
    if (now - this.#endedAt >= carrierPatienceMs) endCarriers(this.record.directory);
  }

  /** Once it is over: nothing beside it stays, whoever killed its supervisor. */
  endRest(): void {
    if (this.record.isOver) endCarriers(this.record.directory);
  }

  /** The process reads the end of its input as soon as the last of its writers is gone. */
  endInput(): void {
    endCarriers(this.record.directory, ["holder"]);
  }

  terminationMessage(): string {
    return endOfFile(this.record.description.terminationMessageFile, longestMessage);
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Lets go of it; it goes on. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    await this.#checking;
    await this.log.close();
  }
}
