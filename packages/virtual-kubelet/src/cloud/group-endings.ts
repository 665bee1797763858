// Ends pods on a cloud with grace: preStop hooks, TERM to each container and its time, sidecars last; then the group is removed, or
// stopped and kept. One ending for each pod, which goes on until the cloud has it no more.
import { type Clock, pause } from "../clock.ts";
import { hookFailedEvents } from "../engine/hook-run.ts";
import type { RunHook, RunTarget } from "../engine/probe-results.ts";
import { timedCall } from "../engine/timed-call.ts";
import { errorText, isErrorKind } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ContainerReport, PodOwner } from "../provider/pods.ts";
import { isSidecar } from "../status/restart-policy.ts";
import type { CloudBackend } from "./cloud-backend.ts";
import { type GroupEnding, type GroupEntry, refOf, wake } from "./group-entry.ts";

export interface GroupEndingsOptions {
  readonly backend: CloudBackend;
  readonly clock: Clock;
  readonly log: Logger;
  readonly runHook: RunHook;
  /** Ends all that is under way; the pods go on. */
  readonly signal: AbortSignal;
  readonly target: (entry: GroupEntry, report: ContainerReport) => RunTarget | undefined;
  readonly event: (
    owner: PodOwner,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
    container?: string,
  ) => void;
  /** A look at it is due. */
  readonly soon: (entry: GroupEntry) => void;
  /** One is due when the cloud has had some time for what it was told. */
  readonly shortly: (entry: GroupEntry) => void;
  readonly isKnown: (entry: GroupEntry) => boolean;
  readonly changed: (entry: GroupEntry) => void;
}

const callTimeoutMs = 60_000;
const retryMs = 2_000;
/** What was last seen longer ago is looked at before its containers are told to end. */
const staleMs = 5_000;
/** A container has so long after TERM at least, however long its hook took. */
const leastTermMs = 2_000;
/** A removal that shows no effect is asked for again after this. */
const removeAgainMs = 60_000;

export class GroupEndings {
  readonly #options: GroupEndingsOptions;
  readonly #underWay = new Set<Promise<void>>();

  constructor(options: GroupEndingsOptions) {
    this.#options = options;
  }

  /** A deletion goes before a stop; of two deadlines the sooner counts. Returns at once. */
  end(entry: GroupEntry, asked: GroupEnding): void {
    const before = entry.ending;
    const why = before?.why === "deleted" ? "deleted" : asked.why;
    const deadline = Math.min(before?.deadline ?? Number.POSITIVE_INFINITY, asked.deadline);
    entry.ending = { why, deadline, failure: asked.failure ?? before?.failure };
    wake(entry);
    if (entry.endingWork !== undefined) return;
    const work = this.#end(entry).finally(() => {
      this.#underWay.delete(work);
      entry.endingWork = undefined;
      this.#options.changed(entry);
    });
    entry.endingWork = work;
    this.#underWay.add(work);
  }

  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** Never rejects. */
  async #end(entry: GroupEntry): Promise<void> {
    const { log, clock, signal } = this.#options;
    let isQuiet = false;
    for (let failures = 0; this.#goesOn(entry); ) {
      try {
        if (entry.id === undefined) {
          // Its creation is still under way.
          await this.#change(entry, retryMs);
          continue;
        }
        if (!isQuiet) await this.#quieten(entry);
        isQuiet = true;
        if (!this.#goesOn(entry)) return;
        const why = entry.ending?.why;
        await this.#finish(entry);
        this.#options.shortly(entry);
        failures = 0;
        const until = clock.now() + removeAgainMs;
        while (this.#goesOn(entry) && entry.ending?.why === why && clock.now() < until && !isDone(entry))
          await this.#change(entry, until - clock.now());
        if (isDone(entry)) return;
      } catch (error) {
        if (signal.aborted) return;
        if (isErrorKind(error, "NotFound")) {
          this.#options.soon(entry);
          await this.#change(entry, retryMs);
          continue;
        }
        failures += 1;
        if (failures === 1) log.warn({ uid: entry.owner.uid, err: errorText(error) }, "a pod cannot be ended yet");
        await pause(clock, Math.min(30_000, retryMs * 2 ** Math.min(failures - 1, 5)), signal);
      }
    }
  }

  #goesOn(entry: GroupEntry): boolean {
    return !this.#options.signal.aborted && this.#options.isKnown(entry) && entry.ending !== undefined;
  }

  async #finish(entry: GroupEntry): Promise<void> {
    const { backend, clock, log, signal } = this.#options;
    const ref = refOf(entry);
    const { ending } = entry;
    if (ref === undefined || ending === undefined) return;
    const gracePeriodSeconds = Math.max(0, Math.ceil((ending.deadline - clock.now()) / 1000));
    await timedCall(clock, { signal, log }, callTimeoutMs, async (context) => {
      if (ending.why === "stopped" && backend.stop !== undefined)
        await backend.stop(ref, { failure: ending.failure }, context);
      else {
        await backend.remove(ref, { gracePeriodSeconds: isOver(entry) ? 0 : gracePeriodSeconds }, context);
        entry.isRemoved = true;
      }
    });
    entry.isEndAccepted = true;
  }

  /** Has the containers end by themselves, as far as there is time and a way. */
  async #quieten(entry: GroupEntry): Promise<void> {
    await this.#lookedAt(entry);
    const running = runningOf(entry);
    const sidecars = new Set((entry.request?.pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
    const isSidecarRun = ({ name }: ContainerReport): boolean => sidecars.has(name);
    for (const { name, restartCount = 0 } of running) {
      if (!this.#options.backend.honoursGrace) entry.ended.set(name, restartCount);
      this.#options.event(entry.owner, "Normal", "Killing", `Stopping container ${name}`, name);
    }
    await this.#quietenAll(
      entry,
      running.filter((run) => !isSidecarRun(run)),
    );
    await this.#quietenAll(entry, running.filter(isSidecarRun));
  }

  /** What runs now, not what ran at the last look, or before the first; as far as the cloud says it soon. */
  async #lookedAt(entry: GroupEntry): Promise<void> {
    const { backend, clock, soon } = this.#options;
    const since = clock.now() - staleMs;
    const until = clock.now() + staleMs;
    if (backend.honoursGrace || entry.lookedAt >= since || entry.group?.stage === "ended") return;
    soon(entry);
    while (this.#goesOn(entry) && entry.lookedAt < since && clock.now() < Math.min(until, entry.ending?.deadline ?? 0))
      await this.#change(entry, Math.min(until - clock.now(), this.#leftMs(entry)));
  }

  async #quietenAll(entry: GroupEntry, runs: readonly ContainerReport[]): Promise<void> {
    const { backend, clock } = this.#options;
    let until = 0;
    await Promise.all(
      runs.map(async (run) => {
        const deadline = entry.ending?.deadline;
        const hadTime = this.#leftMs(entry) > 0;
        await this.#preStop(entry, run);
        // A hook that took it all leaves a moment; a deadline that was cut leaves none.
        if (hadTime && entry.ending?.deadline === deadline && this.#leftMs(entry) < leastTermMs)
          until = clock.now() + leastTermMs;
        if (!backend.honoursGrace && this.#leftMs(entry, until) > 0) await this.#terminate(entry, run, until);
      }),
    );
    if (backend.honoursGrace || backend.terminate === undefined) return;
    const names = new Set(runs.map(({ name }) => name));
    const isUp = ({ name, restartCount = 0 }: ContainerReport): boolean =>
      names.has(name) && restartCount <= (entry.ended.get(name) ?? restartCount);
    const asked = entry.ending?.deadline;
    const left = (): number => this.#leftMs(entry, entry.ending?.deadline === asked ? until : 0);
    while (this.#goesOn(entry) && left() > 0 && runningOf(entry).some(isUp)) await this.#change(entry, left());
  }

  async #preStop(entry: GroupEntry, run: ContainerReport): Promise<void> {
    const { backend, log, runHook, signal } = this.#options;
    const target = this.#options.target(entry, run);
    const handler = target?.container.lifecycle?.preStop;
    if (target === undefined || handler === undefined || backend.nativeHooks === true || this.#leftMs(entry) <= 0)
      return;
    const until = new AbortController();
    const limited = AbortSignal.any([signal, until.signal]);
    const hook = runHook(handler, target, { signal: limited, log });
    // Ends with the pod's time, which may be cut while it runs.
    const watch = async (): Promise<void> => {
      while (this.#goesOn(entry) && this.#leftMs(entry) > 0 && !until.signal.aborted)
        await this.#change(entry, this.#leftMs(entry), until.signal);
    };
    try {
      const outcome = await Promise.race([hook, watch().then(() => undefined)]);
      if (outcome?.type === "succeeded" || !this.#options.isKnown(entry)) return;
      const { type, reason, message } = hookFailedEvents.preStop;
      this.#options.event(entry.owner, type, reason, message, run.name);
      log.warn({ container: run.name, err: outcome?.message ?? "its time was over" }, "preStop hook failed");
    } finally {
      until.abort();
      await hook.catch((error: unknown) => {
        if (!isErrorKind(error, "Aborted")) throw error;
      });
    }
  }

  async #terminate(entry: GroupEntry, run: ContainerReport, until: number): Promise<void> {
    const { backend, clock, log, signal } = this.#options;
    const { group } = entry;
    if (group === undefined || backend.terminate === undefined) return;
    try {
      await timedCall(clock, { signal, log }, Math.max(1, this.#leftMs(entry, until)), async (context) =>
        backend.terminate?.({ group, container: run.name }, context),
      );
    } catch (error) {
      if (signal.aborted) throw error;
      // It is killed with the group then.
      log.warn({ container: run.name, err: errorText(error) }, "a container could not be told to end");
    }
    this.#options.shortly(entry);
  }

  #leftMs(entry: GroupEntry, atLeastUntil = 0): number {
    return Math.max(entry.ending?.deadline ?? 0, atLeastUntil) - this.#options.clock.now();
  }

  /** Until something of it changes, the time is over, or the signal aborts. */
  async #change(entry: GroupEntry, ms: number, signal: AbortSignal = this.#options.signal): Promise<void> {
    const change = new AbortController();
    const waiter = (): void => change.abort();
    entry.waiters.add(waiter);
    await pause(this.#options.clock, Math.max(0, ms), AbortSignal.any([change.signal, signal, this.#options.signal]));
    entry.waiters.delete(waiter);
  }
}

function runningOf({ group }: GroupEntry): readonly ContainerReport[] {
  return group?.containers.filter(({ state }) => state.running !== undefined) ?? [];
}

/** Nothing of it has to be waited for. */
function isOver({ group }: GroupEntry): boolean {
  return (
    group?.stage === "ended" ||
    (group !== undefined &&
      group.containers.length > 0 &&
      group.containers.every(({ state }) => state.terminated !== undefined))
  );
}

/** A stop is over when nothing runs and the cloud remembers why. A deletion only when the entry is out of the table. */
function isDone(entry: GroupEntry): boolean {
  const { ending, group } = entry;
  return (
    ending?.why === "stopped" &&
    group?.stage === "ended" &&
    (ending.failure === undefined || group.failure !== undefined)
  );
}
