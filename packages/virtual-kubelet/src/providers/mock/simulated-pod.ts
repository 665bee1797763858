// One pod that runs nothing: a state machine over time. Init containers one after another, sidecars, main and ephemeral
// containers, restarts with back-off, stop by TERM and KILL. Knows no clock: it is told the time and tells when it wants
// to be told again.
import type { Pod } from "../../kube/types.gen.ts";
import type { PodFailure, PodReport, PodRequest } from "../../provider/pods.ts";
import { type PodBehaviour, rolesOf } from "./behaviour.ts";
import { backOff, containerID, containerReport, time } from "./container-report.ts";
import type { ContainerRuns, PodUsage } from "./runs.ts";
import { dueAt, never, newContainer, runsOfContainer, type SimulatedContainer, setEnd } from "./simulated-container.ts";
import { usageAt, usedUntil } from "./usage.ts";

const killed = 137;

/** What the report of a pod says beside its containers. */
export interface PodPlace {
  readonly podIPs: readonly string[];
  readonly hostIPs: readonly string[] | undefined;
}

export class SimulatedPod {
  readonly owner: PodRequest["owner"];
  readonly place: PodPlace;
  readonly #acceptedAt: number;
  #pod: Pod;
  #revision: string;
  #behaviour: PodBehaviour;
  #containers: SimulatedContainer[];
  #mainBegun = false;
  /** Set once nothing is to be started any more. */
  #killAt: number | undefined;
  #deleting = false;
  #failure: PodFailure | undefined;
  #evict: { readonly gracePeriodSeconds: number } | undefined;
  #ready: boolean | undefined;

  constructor(request: PodRequest, behaviour: PodBehaviour, place: PodPlace, now: number) {
    this.owner = request.owner;
    this.place = place;
    this.#acceptedAt = now;
    this.#pod = request.pod;
    this.#revision = request.revision;
    this.#behaviour = behaviour;
    this.#containers = rolesOf(request.pod).map(({ container, role }) =>
      newContainer(container.name, role, container.image ?? "", behaviour),
    );
    this.#settle(now + behaviour.startDelay);
  }

  /** When `advance` has something to do; Infinity: not by itself. */
  get nextAt(): number {
    let next = never;
    for (const container of this.#containers) next = Math.min(next, dueAt(container));
    return next;
  }

  /** A deletion has begun. */
  get deleting(): boolean {
    return this.#deleting;
  }

  /** Nothing runs and nothing ever will. */
  get finished(): boolean {
    return (
      this.#containers.every((container) => container.state !== "running") &&
      (this.#killAt !== undefined || this.nextAt === never)
    );
  }

  /** Does all that is due until `now`, each thing at its time. True when something changed. */
  advance(now: number): boolean {
    let changed = false;
    for (let at = this.nextAt; at <= now; at = this.nextAt) {
      for (const container of this.#containers) {
        if (dueAt(container) <= at) this.#transition(container, at);
      }
      this.#settle(at);
      changed = true;
    }
    return changed;
  }

  /** TERM now, KILL after the grace; a later and shorter grace counts, a longer one does not. */
  delete(now: number, gracePeriodSeconds: number): void {
    this.#deleting = true;
    this.#stop(now, now + gracePeriodSeconds * 1000);
  }

  /** As a deletion, but the pod stays when it has stopped. */
  end(now: number, gracePeriodSeconds: number, failure: PodFailure | undefined): void {
    this.#failure ??= failure;
    this.#stop(now, now + gracePeriodSeconds * 1000);
  }

  /** The backend ends the pod as a whole. */
  fail(now: number, reason: string, message: string): void {
    this.#failure = { reason, message };
    this.#stop(now, now);
  }

  requestEviction(gracePeriodSeconds: number): void {
    this.#evict = { gracePeriodSeconds };
  }

  setReady(ready: boolean | undefined): void {
    this.#ready = ready;
  }

  /** Ends the present run of a container with this code; false when it does not run. */
  exit(now: number, name: string, code: number): boolean {
    const container = this.#containers.find((candidate) => candidate.name === name);
    if (container?.state !== "running") return false;
    container.endsAt = now;
    container.endCode = code;
    return true;
  }

  /** Takes over a changed spec: other behaviour, other images (the container restarts), more ephemeral containers. */
  update({ pod, revision }: PodRequest, behaviour: PodBehaviour, now: number): void {
    this.#pod = pod;
    this.#revision = revision;
    this.#behaviour = behaviour;
    for (const { container: spec, role } of rolesOf(pod)) {
      const known = this.#containers.find((container) => container.name === spec.name);
      const image = spec.image ?? "";
      if (known === undefined) {
        if (role !== "ephemeral" || this.#killAt !== undefined) continue;
        this.#containers.push({ ...newContainer(spec.name, role, image, behaviour), startsAt: now });
        continue;
      }
      known.behaviour = behaviour.container(spec.name);
      if (known.state === "running" && known.image !== image && !known.stopping) {
        this.#end(known, now, known.behaviour.terminateExitCode);
        known.image = image;
        known.restartsInRow = 0;
        known.state = "waiting";
        known.backingOff = false;
        known.startsAt = now;
      } else if (known.state === "running" && !known.stopping) {
        setEnd(known, Math.max(now, known.startedAt));
      }
      known.image = image;
    }
    this.#settle(now);
  }

  /** What the running containers use. */
  usage(now: number): PodUsage {
    const containers = this.#containers
      .filter((container) => container.state === "running")
      .map(({ name, startedAt, behaviour: { cpu, memory } }) => ({
        name,
        startedAt,
        cpuNanoCores: Math.round(usageAt(cpu, now - startedAt) * 1e9),
        cpuCoreNanoSeconds: Math.round(usedUntil(cpu, now - startedAt) * 1e9),
        memoryBytes: Math.round(usageAt(memory, now - startedAt)),
      }));
    return { owner: this.owner, acceptedAt: this.#acceptedAt, containers };
  }

  runs(): readonly ContainerRuns[] {
    return this.#containers.map(runsOfContainer);
  }

  report(): PodReport {
    const hasStarted = this.#containers.some((container) => container.runs > 0);
    const begins = this.#pod.spec?.initContainers?.length ? "PodInitializing" : "ContainerCreating";
    return {
      owner: this.owner,
      revision: this.#revision,
      containers: this.#containers.map((container) => containerReport(container, this.owner, this.#behaviour, begins)),
      ...(hasStarted ? { podIPs: this.place.podIPs } : {}),
      ...(this.place.hostIPs === undefined ? {} : { hostIPs: this.place.hostIPs }),
      startTime: time(this.#acceptedAt),
      sandboxReady: hasStarted && !(this.#killAt !== undefined && this.finished),
      ...(this.#ready === undefined ? {} : { ready: this.#ready }),
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
      ...(this.#evict === undefined ? {} : { evict: this.#evict }),
    };
  }

  #transition(container: SimulatedContainer, now: number): void {
    if (container.state === "waiting") {
      container.state = "running";
      container.backingOff = false;
      container.startedAt = now;
      container.startsAt = never;
      container.runs += 1;
      container.ready = container.behaviour.readyDelay === 0;
      container.readyAt = container.ready ? never : now + container.behaviour.readyDelay;
      setEnd(container, now);
      return;
    }
    if (container.endsAt > now) {
      container.ready = true;
      container.readyAt = never;
      return;
    }
    const code = container.endCode;
    this.#end(container, now, code);
    if (this.#killAt !== undefined || !this.#restarts(container, code)) return;
    // Like a kubelet: a container that ran for long starts its back-off anew.
    if (now - container.startedAt > 2 * this.#behaviour.restartDelayMax) container.restartsInRow = 0;
    const delay = backOff(this.#behaviour, container.restartsInRow);
    container.state = "waiting";
    container.backingOff = delay > 0;
    container.startsAt = now + delay;
    container.restartsInRow += 1;
  }

  #end(container: SimulatedContainer, now: number, code: number): void {
    container.state = "terminated";
    container.ready = false;
    container.readyAt = never;
    container.endsAt = never;
    const { startedAt } = container;
    const run = { attempt: container.runs - 1, startedAt, ended: { at: now, exitCode: code } };
    container.endedRuns = [run, ...container.endedRuns.slice(0, 1)];
    container.endedBefore = container.ended;
    container.ended = {
      exitCode: code,
      reason: code === 0 ? "Completed" : "Error",
      startedAt: time(container.startedAt),
      finishedAt: time(now),
      containerID: containerID(this.owner, container),
    };
  }

  #restarts(container: SimulatedContainer, code: number): boolean {
    if (container.role === "ephemeral") return false;
    if (container.role === "sidecar") return true;
    const spec = rolesOf(this.#pod).find((candidate) => candidate.container.name === container.name)?.container;
    for (const rule of spec?.restartPolicyRules ?? []) {
      const listed = rule.exitCodes?.values?.includes(code) ?? false;
      if (rule.exitCodes !== undefined && listed === (rule.exitCodes.operator === "In")) return true;
    }
    const policy = spec?.restartPolicy ?? this.#pod.spec?.restartPolicy ?? "Always";
    if (policy === "Never") return false;
    // An init container that succeeded is done, whatever the policy.
    return code !== 0 || (policy === "Always" && container.role === "main");
  }

  #stop(now: number, killAt: number): void {
    this.#killAt = Math.min(this.#killAt ?? never, killAt);
    for (const container of this.#containers) {
      if (container.state !== "waiting") continue;
      container.startsAt = never;
      if (container.ended !== undefined) container.state = "terminated";
    }
    this.#settle(now);
  }

  /** After each change: whose turn is it to start or to stop? */
  #settle(now: number): void {
    if (this.#killAt === undefined) this.#startNext(now);
    if (this.#killAt !== undefined) this.#stopNext(now, this.#killAt);
  }

  #startNext(now: number): void {
    if (!this.#mainBegun) {
      for (const container of this.#containers) {
        if (container.role !== "init" && container.role !== "sidecar") continue;
        if (container.role === "sidecar" && container.runs > 0) continue;
        if (container.state === "waiting" && container.startsAt === never) container.startsAt = now;
        if (container.state !== "terminated") return;
        if (container.ended?.exitCode !== 0) {
          this.#giveUp(now);
          return;
        }
      }
      this.#mainBegun = true;
      for (const container of this.#containers) {
        if (container.role === "main" && container.state === "waiting") container.startsAt = now;
      }
      return;
    }
    const main = this.#containers.filter((container) => container.role === "main");
    if (main.every((container) => container.state === "terminated")) this.#giveUp(now);
  }

  /** Nothing more to start: what still runs beside (sidecars, ephemeral containers) is stopped with the pod's own grace. */
  #giveUp(now: number): void {
    const seconds = this.#pod.spec?.terminationGracePeriodSeconds ?? 30;
    this.#stop(now, now + seconds * 1000);
  }

  /** TERM to all but the sidecars; then to these from the last to the first, each when the one after it has ended. */
  #stopNext(now: number, killAt: number): void {
    const running = this.#containers.filter((container) => container.state === "running");
    const others = running.filter((container) => container.role !== "sidecar");
    const next = others.length > 0 ? others : running.slice(-1);
    for (const container of next) {
      if (container.stopping) continue;
      container.stopping = true;
      const ends = now + container.behaviour.terminateDelay;
      if (ends >= container.endsAt) continue;
      container.endsAt = ends;
      container.endCode = container.behaviour.terminateExitCode;
    }
    for (const container of running) {
      // At the very moment of the KILL the TERM has won only if it came before.
      if (container.endsAt < killAt || (container.endsAt === killAt && killAt > now)) continue;
      container.endsAt = killAt;
      container.endCode = killed;
    }
  }
}
