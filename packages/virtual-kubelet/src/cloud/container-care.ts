// What a kubelet does around running containers and the cloud does not: probes, postStart hooks, a new start for who fails them.
import { type Clock, pause } from "../clock.ts";
import { defaultBackoff, dueAt, raised } from "../engine/backoff.ts";
import { hookFailedEvents } from "../engine/hook-run.ts";
import type { ProbedRun, ProbeManager, ProbeType, RunHook, RunResults, RunTarget } from "../engine/probe-results.ts";
import { timedCall } from "../engine/timed-call.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { Container } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import type { ContainerReport, PodOwner } from "../provider/pods.ts";
import type { CloudBackend } from "./cloud-backend.ts";
import type { GroupEntry } from "./group-entry.ts";
import { containerOf } from "./group-report.ts";

export interface ContainerCareOptions {
  readonly backend: CloudBackend;
  readonly clock: Clock;
  readonly log: Logger;
  readonly probes: ProbeManager;
  readonly runHook: RunHook;
  /** Ends all that is under way. */
  readonly signal: AbortSignal;
  readonly event: (
    owner: PodOwner,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
    container: string,
  ) => void;
  /** What is reported of it changed. */
  readonly changed: (entry: GroupEntry) => void;
  /** The cloud was told to do something to it: its next look is due. */
  readonly soon: (entry: GroupEntry) => void;
  /** It is looked after: the cloud has it. */
  readonly isKnown: (entry: GroupEntry) => boolean;
}

const restartTimeoutMs = 120_000;
/** A cloud that was told to have a container start anew, and has not so long after that one's grace, is told again. */
const restartAgainMs = 30_000;
const probeTypes: readonly ProbeType[] = ["startup", "liveness", "readiness"];

export class ContainerCare {
  readonly #options: ContainerCareOptions;

  constructor(options: ContainerCareOptions) {
    this.#options = options;
  }

  results(uid: string, name: string, attempt: number): RunResults | undefined {
    return this.#options.probes.results({ podUid: uid, name, attempt });
  }

  /** After each look at it, and whenever something of it changes here: has those probes and hooks go on that are to. Cheap. */
  tend(entry: GroupEntry): void {
    // Who waited for an answer may come when it is over: nothing would end its probes then.
    if (!this.#options.isKnown(entry)) return;
    const running = entry.group?.containers.filter(({ state }) => state.running !== undefined) ?? [];
    const runs = running.flatMap((report): ProbedRun[] => {
      const target = this.target(entry, report);
      if (target === undefined) return [];
      if (!this.#postStarted(entry, report, target)) return [];
      const types = this.#typesOf(entry, target.container);
      if (types.length === 0) return [];
      const startedAt = Date.parse(report.state.running?.startedAt ?? "");
      const known = knownOf(entry, report);
      return [
        { ...target, types, known, startedAt: Number.isFinite(startedAt) ? startedAt : this.#options.clock.now() },
      ];
    });
    this.#options.probes.sync(entry.owner.uid, runs);
  }

  forget(entry: GroupEntry): void {
    this.#options.probes.sync(entry.owner.uid, []);
  }

  /** A probe's result changed. */
  judged(entry: GroupEntry): void {
    for (const report of entry.group?.containers ?? []) {
      if (report.state.running === undefined || entry.ending !== undefined) continue;
      const results = this.results(entry.owner.uid, report.name, report.restartCount ?? 0);
      if (results?.startup === "failure")
        this.#startAnew(entry, report, `Container ${report.name} failed startup probe, will be restarted`);
      else if (results?.liveness === "failure")
        this.#startAnew(entry, report, `Container ${report.name} failed liveness probe, will be restarted`);
    }
    this.#options.changed(entry);
  }

  /** The present run of a container, to be looked into. Undefined while its spec is not known. */
  target(entry: GroupEntry, report: ContainerReport): RunTarget | undefined {
    const container = containerOf(entry.request?.pod, report.name);
    const { group, owner } = entry;
    if (container === undefined || group === undefined) return undefined;
    const { backend } = this.#options;
    return {
      owner,
      ref: { podUid: owner.uid, name: report.name, attempt: report.restartCount ?? 0 },
      container,
      podIPs: group.podIPs ?? [],
      exec: async (command, io, context) => {
        if (backend.exec === undefined)
          throw new VirtualKubeletError("Unsupported", `${backend.type} runs no commands in containers`);
        return backend.exec({ group, container: report.name }, command, io, context);
      },
    };
  }

  #typesOf(entry: GroupEntry, container: Container): readonly ProbeType[] {
    const native = this.#options.backend.nativeProbes(container);
    return probeTypes.filter((type) => {
      if (container[`${type}Probe`] === undefined || native.includes(type)) return false;
      // What is being stopped is judged no more; whether it still serves goes on to be told.
      return entry.ending === undefined || type === "readiness";
    });
  }

  /** False while the hook keeps its container from being started. */
  #postStarted(entry: GroupEntry, { name, restartCount: attempt = 0 }: ContainerReport, target: RunTarget): boolean {
    const handler = target.container.lifecycle?.postStart;
    if (handler === undefined || this.#options.backend.nativeHooks === true) return true;
    const before = entry.postStarted.get(name);
    if (before?.attempt === attempt) return before.state === "done";
    // Found on the cloud: whoever made it had its hook run.
    if (entry.createdAt === undefined && before === undefined) {
      entry.postStarted.set(name, { attempt, state: "done" });
      return true;
    }
    if (entry.ending !== undefined) return false;
    entry.postStarted.set(name, { attempt, state: "running" });
    void this.#hook(entry, name, attempt, target);
    return false;
  }

  /** Never rejects. */
  async #hook(entry: GroupEntry, name: string, attempt: number, target: RunTarget): Promise<void> {
    const { log, runHook, signal, event } = this.#options;
    const handler = target.container.lifecycle?.postStart;
    if (handler === undefined) return;
    try {
      const outcome = await runHook(handler, target, { signal, log });
      if (entry.postStarted.get(name)?.attempt !== attempt) return;
      const state = outcome.type === "succeeded" ? "done" : "failed";
      entry.postStarted.set(name, { attempt, state });
      const report = entry.group?.containers.find((container) => container.name === name);
      if (outcome.type === "failed") {
        const { type, reason, message } = hookFailedEvents.postStart;
        event(entry.owner, type, reason, message, name);
        log.warn({ container: name, err: outcome.message }, "postStart hook failed");
        if (report?.state.running !== undefined) this.#startAnew(entry, report, `FailedPostStartHook`);
      } else this.tend(entry);
      this.#options.changed(entry);
    } catch (error) {
      if (!signal.aborted) log.error({ err: error, container: name }, "a hook could not be run");
    }
  }

  /** Once for each run, the first time at once, then with the kubelet's back-off: the cloud's own is for runs that end by themselves. */
  #startAnew(entry: GroupEntry, { name, restartCount: attempt = 0 }: ContainerReport, why: string): void {
    if (entry.restarted.get(name)?.attempt === attempt) return;
    entry.restarted.set(name, { attempt, toldAt: undefined });
    this.#options.event(entry.owner, "Normal", "Killing", why, name);
    void this.#restart(entry, name, attempt);
  }

  /** Until the run is over, or nobody wants its end any more. Never rejects. */
  async #restart(entry: GroupEntry, container: string, attempt: number): Promise<void> {
    const { clock, signal } = this.#options;
    for (;;) {
      const now = clock.now();
      const step = entry.backoff.get(container);
      await pause(clock, dueAt(step, step?.at ?? now, defaultBackoff) - now, signal);
      if (!this.#isStill(entry, container, attempt)) return;
      entry.backoff.set(container, raised(step, clock.now(), defaultBackoff));
      const told = await this.#restarted(entry, container, attempt);
      if (told === "never") return;
      if (told === "told") await pause(clock, graceMs(entry, container) + restartAgainMs, signal);
      if (!this.#isStill(entry, container, attempt)) return;
    }
  }

  async #restarted(entry: GroupEntry, container: string, attempt: number): Promise<"told" | "later" | "never"> {
    const { backend, clock, log, signal } = this.#options;
    const { group } = entry;
    if (group === undefined) return "later";
    try {
      await timedCall(clock, { signal, log }, restartTimeoutMs, async (context) =>
        backend.restartContainer?.({ group, container }, context),
      );
      entry.restarted.set(container, { attempt, toldAt: clock.now() });
      this.#options.soon(entry);
      return "told";
    } catch (error) {
      if (signal.aborted) return "later";
      const message = `error killing container ${container}: ${errorText(error)}`;
      this.#options.event(entry.owner, "Warning", "FailedKillPod", message, container);
      return isErrorKind(error, "Unsupported") ? "never" : "later";
    }
  }

  #isStill(entry: GroupEntry, container: string, attempt: number): boolean {
    if (this.#options.signal.aborted || entry.ending !== undefined || !this.#options.isKnown(entry)) return false;
    return (entry.group?.containers ?? []).some(
      ({ name, state, restartCount = 0 }) =>
        name === container && state.running !== undefined && restartCount === attempt,
    );
  }
}

function graceMs({ request }: GroupEntry, name: string): number {
  const probe = containerOf(request?.pod, name)?.livenessProbe;
  return 1000 * (probe?.terminationGracePeriodSeconds ?? request?.pod.spec?.terminationGracePeriodSeconds ?? 30);
}

/** What the API knew of this run before this process began. */
function knownOf(entry: GroupEntry, report: ContainerReport): ProbedRun["known"] {
  const { containerStatuses = [], initContainerStatuses = [] } = entry.request?.pod.status ?? {};
  const status = [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === report.name);
  if (status === undefined || status.restartCount !== (report.restartCount ?? 0)) return {};
  return { started: status.started, ready: status.ready };
}
