// One container of a fake task: started when its dependencies allow, restarted by its policy, asked for its health, and stopped.

import { PassThrough } from "node:stream";
import type { Container, ContainerDefinition } from "@aws-sdk/client-ecs";
import { type Clock, errorText, isErrorKind, pause } from "@virtual-kubelet/virtual-kubelet";
import type { RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import { hexId } from "./fake-ecs-account.ts";

export interface ContainerTiming {
  readonly clock: Clock;
  /** How long a second of intervals and periods takes. */
  readonly secondMs: number;
  readonly restartableMs?: number | undefined;
  /** Whether a container that is started again has another runtime id. */
  readonly runtimeIds: "eachRun" | "kept";
}

export class FakeEcsContainer {
  readonly name: string;
  readonly definition: ContainerDefinition;
  readonly essential: boolean;
  status: "PENDING" | "RUNNING" | "STOPPED" = "PENDING";
  exitCode: number | undefined;
  reason: string | undefined;
  runtimeId: string | undefined;
  health: "UNKNOWN" | "HEALTHY" | "UNHEALTHY" = "UNKNOWN";
  /** Runs begun. */
  runs = 0;
  readonly started: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly healthy: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly stopped: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #timing: ContainerTiming;
  readonly #changed: () => void;
  #stopping = false;
  /** Undone with the container. */
  readonly #over = new AbortController();

  constructor(definition: ContainerDefinition, timing: ContainerTiming, changed: () => void) {
    this.name = definition.name ?? "";
    this.definition = definition;
    this.essential = definition.essential ?? true;
    this.#timing = timing;
    this.#changed = changed;
  }

  /** Resolves when it may start; with a reason when it never may. */
  async released(all: ReadonlyMap<string, FakeEcsContainer>): Promise<string | undefined> {
    for (const { containerName = "", condition = "START" } of this.definition.dependsOn ?? []) {
      const other = all.get(containerName);
      if (other === undefined) continue;
      const reached = { START: other.started, HEALTHY: other.healthy, COMPLETE: other.stopped, SUCCESS: other.stopped };
      await Promise.race([reached[condition].promise, other.stopped.promise, this.stopped.promise]);
      if (this.status === "STOPPED") return "";
      const failed =
        (condition === "SUCCESS" && other.exitCode !== 0) ||
        (condition === "HEALTHY" && other.health !== "HEALTHY") ||
        (condition === "COMPLETE" && other.exitCode === undefined) ||
        (condition === "START" && other.runs === 0);
      if (failed)
        return `dependency graph: failed to resolve container ordering dependency [${containerName}] for target [${this.name}] as dependency did not reach ${condition}.`;
    }
    return undefined;
  }

  /** Runs it, and again as its policy says; resolves when it has stopped for good. */
  async run(group: RunningGroup): Promise<void> {
    do {
      const begun = this.#timing.clock.now();
      try {
        await group.start(this.name);
      } catch (error) {
        const kind = isErrorKind(error, "NotFound") ? "CannotPullContainerError" : "CannotStartContainerError";
        this.end(undefined, `${kind}: ${errorText(error)}`);
        return;
      }
      this.runs += 1;
      if (this.runtimeId === undefined || this.#timing.runtimeIds === "eachRun") this.runtimeId = hexId();
      this.status = "RUNNING";
      this.exitCode = undefined;
      this.reason = undefined;
      this.started.resolve();
      this.#changed();
      const run = new AbortController();
      const asking = this.#askHealth(group, AbortSignal.any([run.signal, this.#over.signal]));
      const ended = await group.ended(this.name);
      run.abort();
      await asking;
      this.exitCode = ended.exitCode;
      if (ended.oomKilled === true) this.reason = "OutOfMemoryError: Container killed due to memory usage";
      if (!this.#restarts(this.#timing.clock.now() - begun)) break;
    } while (!this.#stopping);
    this.end(this.exitCode, this.reason);
  }

  async stop(group: RunningGroup): Promise<void> {
    this.#stopping = true;
    if (this.status === "RUNNING") {
      await group.stop(this.name, (this.definition.stopTimeout ?? 30) * this.#timing.secondMs);
      await this.stopped.promise;
    } else this.end(this.exitCode, this.reason);
  }

  end(exitCode: number | undefined, reason: string | undefined): void {
    if (this.status === "STOPPED") return;
    this.status = "STOPPED";
    this.exitCode = exitCode;
    this.reason = reason;
    this.#over.abort();
    this.stopped.resolve();
    this.#changed();
  }

  view(): Pick<Container, "name" | "lastStatus" | "exitCode" | "reason" | "runtimeId" | "healthStatus"> {
    const { name, status: lastStatus, exitCode, reason, runtimeId } = this;
    const shown = lastStatus === "STOPPED" ? { exitCode } : {};
    const ids = runtimeId === undefined ? {} : { runtimeId };
    return {
      name,
      lastStatus,
      ...shown,
      ...ids,
      ...(reason === undefined ? {} : { reason }),
      healthStatus: this.health,
    };
  }

  /** Only once in the period: a container that ends sooner than that is not started again. */
  #restarts(ranMs: number): boolean {
    const { enabled = false, ignoredExitCodes = [], restartAttemptPeriod = 300 } = this.definition.restartPolicy ?? {};
    if (!enabled || this.#stopping || ignoredExitCodes.includes(this.exitCode ?? -1)) return false;
    return ranMs >= (this.#timing.restartableMs ?? restartAttemptPeriod * this.#timing.secondMs);
  }

  async #askHealth(group: RunningGroup, signal: AbortSignal): Promise<void> {
    const check = this.definition.healthCheck;
    if (check === undefined) return;
    const { command = [], interval = 30, timeout = 5, retries = 3, startPeriod = 0 } = check;
    const { clock, secondMs } = this.#timing;
    const [kind, ...rest] = command;
    const argv = kind === "CMD-SHELL" ? ["/bin/sh", "-c", ...rest] : rest;
    const begun = clock.now();
    let failures = 0;
    while (!signal.aborted) {
      await pause(clock, interval * secondMs, signal);
      if (signal.aborted) return;
      const attempt = new AbortController();
      const cancel = clock.schedule(timeout * secondMs, () => attempt.abort());
      const io = { tty: false, stdout: new PassThrough().resume(), stderr: new PassThrough().resume() };
      const both = AbortSignal.any([signal, attempt.signal]);
      const code = await group.exec(this.name, argv, io, both).catch(() => -1);
      cancel();
      if (signal.aborted) return;
      if (code === 0) {
        failures = 0;
        this.#healthIs("HEALTHY");
        this.healthy.resolve();
      } else if (this.health === "HEALTHY" || clock.now() - begun >= startPeriod * secondMs) {
        failures += 1;
        if (failures >= retries) this.#healthIs("UNHEALTHY");
      }
    }
  }

  #healthIs(health: "HEALTHY" | "UNHEALTHY"): void {
    if (this.health === health) return;
    this.health = health;
    this.#changed();
  }
}
