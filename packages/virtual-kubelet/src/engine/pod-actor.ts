// One pod in the life of this process: observes it, asks the plan, writes down what must be remembered, then has the tasks
// done. Never two looks at once; tasks go on beside them and ask for another look when they end.
import { isErrorKind } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import type { PodOwner, PodReport, PodRequest } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import type { ActorOptions } from "./actor-options.ts";
import type { ContainerRuntime, RuntimeContainer, RuntimeSandbox } from "./container-runtime.ts";
import { PodFindings } from "./findings.ts";
import type { Addresses } from "./late-text.ts";
import { lostRuns } from "./lost-runs.ts";
import type { EngineEvent } from "./plan-draft.ts";
import { endedRuns, planPod } from "./plan-pod.ts";
import { containersByRuns, containersOf, type PodContainer } from "./pod-container.ts";
import { type PodFacts, runKey } from "./pod-facts.ts";
import {
  decodeMemory,
  encodeMemory,
  newMemory,
  type PodMemory,
  policiesOf,
  type RunMemory,
  withEnding,
  withPreStopped,
  withRun,
} from "./pod-memory.ts";
import { probedRuns } from "./probed-runs.ts";
import { podReport, reportChangesAt } from "./report.ts";
import { claimOf } from "./resize-grant.ts";
import type { PodClaim } from "./resize-room.ts";
import { runNotes } from "./run-notes.ts";
import { runTask, type TaskBench, targetOf } from "./run-task.ts";
import { TaskTable } from "./task-table.ts";
import { timedCall } from "./timed-call.ts";

/** Not before something happens. */
const never = Number.POSITIVE_INFINITY;

export class PodActor {
  readonly owner: PodOwner;
  readonly #options: ActorOptions;
  readonly #log: Logger;
  readonly #found: PodFindings = new PodFindings();
  readonly #tasks: TaskTable;
  #request: PodRequest | undefined;
  /** Of the request. */
  #containers: readonly PodContainer[] | undefined;
  #memory: PodMemory;
  /** Has the backend been asked what it remembers? */
  #adopted = false;
  #prepared = false;
  #sandbox: RuntimeSandbox | undefined;
  /** Of the last observation, by run. */
  #runs = new Map<string, RuntimeContainer>();
  /** Of events told once: the last one of each kind. */
  readonly #told = new Map<string, string>();
  #reported = "";
  /** Counts what changes under a look. */
  #version = 0;

  constructor(owner: PodOwner, options: ActorOptions) {
    this.owner = owner;
    this.#options = options;
    this.#log = options.log.child({ pod: `${owner.namespace}/${owner.name}`, uid: owner.uid });
    this.#memory = newMemory(options.clock.now());
    this.#tasks = new TaskTable({
      clock: options.clock,
      log: this.#log,
      callTimeoutMs: options.callTimeoutMs,
      perform: (task, context) => runTask(task, this.#bench(), context),
      ended: () => this.#changed(),
    });
  }

  /** The backend showed it, when last looked at. */
  get isSeen(): boolean {
    return this.#sandbox !== undefined;
  }

  request(request: PodRequest): void {
    // An update may come without: then what was resolved before holds.
    this.#request = request.resolved === undefined ? { ...request, resolved: this.#request?.resolved } : request;
    const containers = containersOf(this.#request);
    this.#found.resolvedAnew(this.#containers ?? [], containers);
    this.#containers = containers;
    if (!this.#adopted) this.#memory = { ...this.#memory, ...policiesOf(request.pod.spec) };
    this.#changed();
  }

  async updateVolumes(volumes: readonly ResolvedVolume[], context: CallContext): Promise<void> {
    const resolved = this.#request?.resolved;
    if (this.#request !== undefined && resolved !== undefined) {
      const merged = resolved.volumes.map((before) => volumes.find(({ name }) => name === before.name) ?? before);
      this.#request = { ...this.#request, resolved: { ...resolved, volumes: merged } };
    }
    if (this.#sandbox !== undefined) await this.#options.runtime.updateVolumes(this.owner.uid, volumes, context);
  }

  /** Ends it for good; the earliest deadline said counts. */
  end(why: "deleted" | "failed", graceSeconds: number, failure?: PodMemory["failure"]): void {
    const deadline = this.#options.clock.now() + graceSeconds * 1000;
    this.#memory = withEnding(this.#memory, { why, graceSeconds, deadline }, failure);
    this.#changed();
  }

  /** `disruption`: for the node's sake, with this reason; undefined: for its own fault. */
  evict(graceSeconds: number, message: string, disruption: string | undefined): void {
    this.end("failed", graceSeconds, { reason: "Evicted", message, ...(disruption !== undefined && { disruption }) });
    this.#tell({ type: "Warning", reason: "Evicted", message });
  }

  /** As last asked for; undefined while nobody has said so. */
  get pod(): Stored<Pod> | undefined {
    return this.#request?.pod;
  }

  /** It was to end, nothing of it runs any more, and what it held of the node is given back, as far as that is done now. */
  get isOver(): boolean {
    if (this.#sandbox === undefined) return this.isEnding;
    const held = this.#sandbox.ready && this.#options.runtime.stopSandbox !== undefined;
    return this.#memory.ending?.stoppedAt !== undefined && !held;
  }

  get isEnding(): boolean {
    return this.#memory.ending !== undefined;
  }

  /** It was deleted, and nothing of it is left or may come to be. */
  get isGone(): boolean {
    return (
      this.#adopted &&
      this.#memory.ending?.why === "deleted" &&
      this.#sandbox === undefined &&
      !this.#found.sandboxUncertain &&
      this.#tasks.size === 0
    );
  }

  /** Looks at it once. "gone": nothing of it is left; "lost": it is gone without having been asked to. */
  async look(signal: AbortSignal): Promise<{ readonly again: number } | "gone" | "lost"> {
    const version = this.#version;
    const context = { signal, log: this.#log };
    const sandbox = await this.#call(context, (runtime, limited) => runtime.get(this.owner.uid, limited));
    // What changed meanwhile has asked for another look already.
    if (version !== this.#version) return { again: never };
    const before = this.#sandbox;
    this.#observe(sandbox);
    await this.#prepare(context);
    if (this.isGone || (sandbox === undefined && this.#request === undefined && this.#tasks.size === 0)) return "gone";
    const deleted = this.#memory.ending?.why === "deleted";
    if (before !== undefined && sandbox === undefined && !deleted && this.#tasks.size === 0) return "lost";
    const facts = this.#facts();
    const plan = planPod(facts);
    this.#memory = plan.memory;
    for (const event of plan.events) this.#tell(event);
    this.#publish();
    if (!(await this.#write(context, version))) return { again: never };
    this.#options.probes.sync(
      this.owner.uid,
      probedRuns(this.#facts(), (of, run) => targetOf(of, run, this.#bench())),
    );
    const again = this.#tasks.match(plan.tasks, plan.kept);
    return { again: Math.min(plan.lookAt ?? never, again ?? never, reportChangesAt(facts) ?? never) };
  }

  /** Takes in what a listing shows of it, unless it is known already: looks know better. */
  async adopt(sandbox: RuntimeSandbox, context: CallContext): Promise<void> {
    if (!this.#adopted) this.#observe(sandbox);
    await this.#prepare(context);
  }

  /** Of runs that had ended before this process saw them, all is to be known before anything is said of them. */
  async #prepare(context: CallContext): Promise<void> {
    if (this.#prepared) return;
    const tasks = endedRuns(this.#facts());
    await Promise.all(
      tasks.map((task) => this.#call(context, (_runtime, limited) => runTask(task, this.#bench(), limited))),
    );
    this.#prepared = true;
  }

  #observe(sandbox: RuntimeSandbox | undefined): void {
    if (!this.#adopted) this.#adopt(sandbox);
    const runs = new Map((sandbox?.containers ?? []).map((run) => [runKey(run), run]));
    if (sandbox !== undefined && this.#sandbox?.createdAt === sandbox.createdAt)
      for (const run of lostRuns(this.#runs, runs, this.#options.clock.now())) {
        runs.set(runKey(run), run);
        this.#found.messages.set(runKey(run), this.#found.messages.get(runKey(run)) ?? "");
        if ((this.#memory.runs[run.name]?.attempt ?? -1) < run.attempt) this.#remember(run.name, run.attempt, {});
      }
    this.#sandbox = sandbox;
    this.#runs = runs;
    this.#found.forgetBut([...runs.values()]);
  }

  report(): PodReport {
    return podReport(this.#facts(), { type: this.#options.runtime.type });
  }

  claim(): PodClaim | undefined {
    return claimOf(this.#facts());
  }

  /** Ends what is under way here; the pod itself goes on. */
  stop(): void {
    this.#tasks.stop();
    this.#options.probes.sync(this.owner.uid, []);
  }

  /** What the backend remembers goes before what this process took for granted; of two ends the sooner counts. */
  #adopt(sandbox: RuntimeSandbox | undefined): void {
    this.#adopted = true;
    if (sandbox === undefined) return;
    const { ending, failure } = this.#memory;
    const epoch = Math.max(0, ...sandbox.containers.map((run) => runNotes(run).epoch));
    const known = decodeMemory(sandbox.notes);
    this.#memory = known ?? { ...this.#memory, acceptedAt: sandbox.createdAt, epoch, ending: undefined };
    if (ending !== undefined) this.#memory = withEnding(this.#memory, ending, failure);
  }

  /** True once the backend remembers all that is to be remembered. */
  async #write(context: CallContext, version: number): Promise<boolean> {
    const sandbox = this.#sandbox;
    if (sandbox === undefined) return true;
    const notes = encodeMemory(this.#memory);
    const revision = this.#request?.revision ?? sandbox.revision;
    const same = Object.entries(notes).every(([key, value]) => sandbox.notes[key] === value);
    if (same && revision === sandbox.revision) return true;
    const { uid } = this.owner;
    try {
      await this.#call(context, (runtime, limited) => runtime.updateSandbox(uid, { revision, notes }, limited));
    } catch (error) {
      // Of a pod that is being removed nothing has to be remembered once it has gone.
      if (!isErrorKind(error, "NotFound") || this.#memory.ending?.why !== "deleted") throw error;
    }
    return version === this.#version;
  }

  #call<T>(context: CallContext, perform: (runtime: ContainerRuntime, context: CallContext) => Promise<T>): Promise<T> {
    const { clock, runtime, callTimeoutMs } = this.#options;
    return timedCall(clock, context, callTimeoutMs, (limited) => perform(runtime, limited));
  }

  #facts(): PodFacts {
    const { clock, limits, probes, runtime } = this.#options;
    const runs = [...this.#runs.values()];
    return {
      owner: this.owner,
      request: this.#request,
      containers: this.#containers ?? containersByRuns(runs),
      sandbox: this.#sandbox,
      runs,
      memory: this.#memory,
      underWay: this.#tasks.keys,
      found: this.#found,
      probes: (ref) => probes.results(ref),
      limits,
      canResize: runtime.updateResources !== undefined,
      room: () => this.#options.room(this.owner.uid),
      canStopSandbox: runtime.stopSandbox !== undefined,
      now: clock.now(),
    };
  }

  #publish(): void {
    const report = this.report();
    const text = JSON.stringify(report);
    if (text === this.#reported) return;
    this.#reported = text;
    this.#options.reported(report);
  }

  #changed(): void {
    this.#version += 1;
    this.#options.wake(this.owner.uid);
  }

  #tell(event: EngineEvent): void {
    if (event.once !== undefined) {
      const kind = `${event.type}/${event.reason}/${event.container ?? ""}`;
      if (this.#told.get(kind) === event.once) return;
      this.#told.set(kind, event.once);
    }
    this.#options.told(this.owner, event);
  }

  #addresses(): Addresses {
    const hostIPs = this.#options.hostIPs();
    const own = this.#sandbox?.ips ?? [];
    const hostNetwork = this.#request?.pod.spec?.hostNetwork === true;
    return { hostIPs, podIPs: own.length > 0 || !hostNetwork ? own : hostIPs };
  }

  #bench(): TaskBench {
    const { runtime, limits, runHook, clock } = this.#options;
    return {
      ...{ runtime, owner: this.owner, request: this.#request, found: this.#found, limits, runHook },
      containerCount: this.#facts().containers.length,
      addresses: () => this.#addresses(),
      now: () => clock.now(),
      tell: (event) => this.#tell(event),
      remember: (name, attempt, change) => this.#remember(name, attempt, change),
      preStopped: (run) => {
        this.#memory = withPreStopped(this.#memory, run);
      },
      removed: (run) => this.#runs.delete(runKey(run)),
    };
  }

  #remember(name: string, attempt: number, change: Partial<RunMemory>): void {
    this.#memory = withRun(this.#memory, name, attempt, change);
  }
}
