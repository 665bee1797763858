// The mock's backend: pods by UID that are simulated, not run. Used in the provider's process or behind backend-server.ts.
import { type Clock, systemClock } from "../../clock.ts";
import { VirtualKubeletError } from "../../errors.ts";
import type { PodFailure, PodReport, PodRequest, PodUpdate } from "../../provider/pods.ts";
import type { AddressPool } from "./addresses.ts";
import { type BehaviourSettings, behaviourOf, defaultBehaviour } from "./behaviour.ts";
import type { ContainerRuns, PodUsage } from "./runs.ts";
import { Schedule } from "./schedule.ts";
import { SimulatedPod } from "./simulated-pod.ts";
import type { ContainerUsage } from "./usage.ts";

/**
 * What a create did: made the pod; found it there; made it anew after the backend had lost it; or made it although it
 * had been here and was deleted, which a caller that is without fault never asks for.
 */
export type CreateOutcome = "created" | "exists" | "recreatedAfterLoss" | "startedTwice";

export interface MockBackendOptions {
  /** One per IP family, the primary first. */
  readonly addresses: readonly AddressPool[];
  readonly behaviour?: Partial<BehaviourSettings> | undefined;
  /** Decides, with the pod's UID, what is drawn from ranges. Default 0. */
  readonly seed?: number | undefined;
  /** For so long a new pod is not shown, nor found by a deletion. Default 0. */
  readonly consistencyDelayMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

interface Entry {
  readonly pod: SimulatedPod;
  readonly addresses: readonly string[];
  readonly visibleAt: number;
  shown: boolean;
}

/** So many UIDs of pods that are gone are remembered. */
const remembered = 100_000;

export class MockBackend {
  readonly #clock: Clock;
  readonly #addresses: readonly AddressPool[];
  readonly #behaviour: BehaviourSettings;
  readonly #seed: number;
  readonly #consistencyDelayMs: number;
  readonly #pods = new Map<string, Entry>();
  readonly #schedule: Schedule;
  readonly #listeners = new Set<{ readonly node: string; readonly listener: (update: PodUpdate) => void }>();
  /** Every UID that ever was here, and how it left. */
  readonly #seen = new Map<string, "present" | "removed" | "lost">();

  constructor(options: MockBackendOptions) {
    this.#clock = options.clock ?? systemClock;
    this.#addresses = options.addresses;
    this.#behaviour = { ...defaultBehaviour, ...options.behaviour };
    this.#seed = options.seed ?? 0;
    this.#consistencyDelayMs = options.consistencyDelayMs ?? 0;
    this.#schedule = new Schedule(this.#clock, (uid) => this.#refresh(uid, false));
  }

  /** Pods held, terminating and finished ones included. */
  get size(): number {
    return this.#pods.size;
  }

  /** `hostIPs`: addresses of the node, also the pod's own with hostNetwork. */
  create(request: PodRequest, hostIPs?: readonly string[]): CreateOutcome {
    const { uid } = request.owner;
    if (this.#pods.has(uid)) return "exists";
    const behaviour = behaviourOf(request.pod, this.#behaviour, this.#seed);
    const isOnHost = request.pod.spec?.hostNetwork === true;
    const addresses = isOnHost ? [] : this.#addresses.map((pool) => pool.take());
    const now = this.#clock.now();
    const place = { podIPs: isOnHost ? (hostIPs ?? []) : addresses, hostIPs };
    const pod = new SimulatedPod(request, behaviour, place, now);
    this.#pods.set(uid, { pod, addresses, visibleAt: now + this.#consistencyDelayMs, shown: false });
    const before = this.#seen.get(uid);
    this.#seen.set(uid, "present");
    this.#refresh(uid, true);
    if (before === undefined) return "created";
    return before === "lost" ? "recreatedAfterLoss" : "startedTwice";
  }

  /** Throws NotFound. */
  update(request: PodRequest): void {
    const { pod } = this.#entry(request.owner.uid);
    pod.update(request, behaviourOf(request.pod, this.#behaviour, this.#seed), this.#clock.now());
    this.#refresh(request.owner.uid, true);
  }

  /** Throws NotFound. */
  delete(uid: string, gracePeriodSeconds: number): void {
    this.#entry(uid).pod.delete(this.#clock.now(), gracePeriodSeconds);
    this.#refresh(uid, true);
  }

  /** Stops the pod for good and keeps it. Throws NotFound. */
  stop(uid: string, gracePeriodSeconds: number, failure: PodFailure | undefined): void {
    this.#entry(uid).pod.end(this.#clock.now(), gracePeriodSeconds, failure);
    this.#refresh(uid, true);
  }

  /** Throws NotFound. */
  get(uid: string): PodReport {
    return this.#entry(uid).pod.report();
  }

  /** What the pod's running containers use now. Throws NotFound. */
  usage(uid: string): readonly ContainerUsage[] {
    return this.#entry(uid)
      .pod.usage(this.#clock.now())
      .containers.map(({ startedAt: _, ...usage }) => usage);
  }

  /** What all running containers of a node's pods use now. */
  usages(node: string): readonly PodUsage[] {
    const now = this.#clock.now();
    return [...this.#pods.values()]
      .filter(({ pod, visibleAt }) => visibleAt <= now && pod.owner.node === node)
      .map(({ pod }) => pod.usage(now));
  }

  /** The runs of the pod's containers. Throws NotFound. */
  runs(uid: string): readonly ContainerRuns[] {
    return this.#entry(uid).pod.runs();
  }

  /** All pods whose owner names this node, or all. */
  list(node?: string): readonly PodReport[] {
    const now = this.#clock.now();
    return [...this.#pods.values()]
      .filter(({ pod, visibleAt }) => visibleAt <= now && (node === undefined || pod.owner.node === node))
      .map(({ pod }) => pod.report());
  }

  /** Tells of every change of the node's pods from now on, until the returned function is called. */
  subscribe(node: string, listener: (update: PodUpdate) => void): () => void {
    const entry = { node, listener };
    this.#listeners.add(entry);
    return () => this.#listeners.delete(entry);
  }

  /** Forgets a pod without a word, as a backend that lost it. */
  lose(uid: string): void {
    this.#entry(uid);
    this.#remove(uid, "lost");
  }

  /** Removes a pod as if by hand on the backend, and tells. */
  remove(uid: string): void {
    const { owner } = this.#entry(uid).pod;
    this.#remove(uid, "removed");
    this.#tell({ type: "gone", owner });
  }

  /** Ends the present run of a container. Throws NotFound when it does not run. */
  exitContainer(uid: string, container: string, exitCode: number): void {
    if (!this.#entry(uid).pod.exit(this.#clock.now(), container, exitCode)) {
      throw new VirtualKubeletError("NotFound", `container ${container} of pod ${uid} is not running`);
    }
    this.#refresh(uid, true);
  }

  /** Ends the pod as a whole, as a reclaim of what hosts it. */
  failPod(uid: string, reason: string, message: string): void {
    this.#entry(uid).pod.fail(this.#clock.now(), reason, message);
    this.#refresh(uid, true);
  }

  /** The backend wants the pod gone. */
  evictPod(uid: string, gracePeriodSeconds: number): void {
    this.#entry(uid).pod.requestEviction(gracePeriodSeconds);
    this.#refresh(uid, true);
  }

  /** Readiness of the pod as a whole; undefined: as its containers. */
  setPodReady(uid: string, ready: boolean | undefined): void {
    this.#entry(uid).pod.setReady(ready);
    this.#refresh(uid, true);
  }

  /** Holds no timer afterwards. */
  close(): void {
    this.#schedule.close();
    this.#listeners.clear();
  }

  #entry(uid: string): Entry {
    const entry = this.#pods.get(uid);
    if (entry === undefined || entry.visibleAt > this.#clock.now()) {
      throw new VirtualKubeletError("NotFound", `no pod with UID ${uid}`);
    }
    return entry;
  }

  /** Brings a pod up to now, tells of it when it changed, removes it when its deletion is over. */
  #refresh(uid: string, changedBefore: boolean): void {
    const entry = this.#pods.get(uid);
    if (entry === undefined) return;
    const { pod, visibleAt } = entry;
    const now = this.#clock.now();
    const changed = pod.advance(now) || changedBefore;
    if (visibleAt > now) {
      this.#schedule.set(uid, Math.min(visibleAt, pod.nextAt));
      return;
    }
    if (changed || !entry.shown) this.#tell({ type: "report", report: pod.report() });
    entry.shown = true;
    if (pod.deleting && pod.finished) {
      this.#remove(uid, "removed");
      this.#tell({ type: "gone", owner: pod.owner });
      return;
    }
    this.#schedule.set(uid, pod.nextAt);
  }

  #remove(uid: string, how: "removed" | "lost"): void {
    const entry = this.#pods.get(uid);
    if (entry === undefined) return;
    for (const [index, address] of entry.addresses.entries()) this.#addresses[index]?.release(address);
    this.#pods.delete(uid);
    this.#schedule.set(uid, Number.POSITIVE_INFINITY);
    this.#seen.delete(uid);
    this.#seen.set(uid, how);
    const oldest = this.#seen.keys().next();
    if (this.#seen.size - this.#pods.size > remembered && oldest.done !== true && !this.#pods.has(oldest.value)) {
      this.#seen.delete(oldest.value);
    }
  }

  #tell(update: PodUpdate): void {
    const owner = update.type === "report" ? update.report.owner : update.owner;
    for (const { node, listener } of this.#listeners) {
      if (node === owner.node) listener(update);
    }
  }
}
