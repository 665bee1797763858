// Brings the pods of any number of nodes from the API to their providers and back: one queue of UIDs for the work, the
// status manager's for the writes, one watcher per backend; plan decides, the actions act.
import { type Clock, jitter, pause, systemClock } from "../clock.ts";
import type { KubeClient } from "../kube/client.ts";
import type { EventRecorder } from "../kube/event-recorder.ts";
import { type Change, Informer, type InformerOptions } from "../kube/informer.ts";
import { pods, type Stored } from "../kube/resource.ts";
import type { Pod, PodStatus } from "../kube/types.gen.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { isTerminal } from "../status/pod-status.ts";
import { type ActionContext, event, type PodNode } from "./action-context.ts";
import { type PodEvent, watchBackend } from "./backend-watcher.ts";
import { CallSlots } from "./call-slots.ts";
import type { ShutdownRule } from "./node-shutdown.ts";
import { isInMotion, type NodeState, slotsOf } from "./node-state.ts";
import { NodeUsage } from "./node-usage.ts";
import { type PodAction, plan, type Rules } from "./plan.ts";
import { act } from "./pod-actions.ts";
import { type PodEntry, revisionOf } from "./pod-entry.ts";
import { boundAt, tellPods, tellRoom } from "./pod-figures.ts";
import type { Inspected, InspectedNode, PodObserver } from "./pod-inspection.ts";
import { PodRecords } from "./pod-records.ts";
import { RefusalPacer } from "./refusal-pacer.ts";
import { type PodResolution, takesPartial } from "./resolution.ts";
import { shutDown } from "./shut-down.ts";
import { type StatusForm, StatusManager, type StatusOutlook } from "./status-manager.ts";
import { statusOutlook } from "./status-outlook.ts";

export interface PodControllerOptions {
  readonly client: KubeClient;
  readonly recorder: Pick<EventRecorder, "record">;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly nodes: readonly PodNode[];
  /** Resolves pods for the providers that want it. */
  readonly resolution?: PodResolution | undefined;
  /** UID of the cluster, written with every pod on a backend. */
  readonly cluster: string;
  /** "per-node": one watch for each node; "shared": one for all, foreign pods dropped before they are kept. */
  readonly watchMode: "per-node" | "shared";
  /** The credentials may watch all pods: with a watch per node that is done for minutes while the server cannot keep up. Default false. */
  readonly mayWatchAll?: boolean | undefined;
  /** Concurrent provider calls of each node, and as many deletions beside them; default 10. */
  readonly workers?: number | undefined;
  /** Concurrent status writes; default 128. */
  readonly statusWorkers?: number | undefined;
  /** Default "put". */
  readonly statusForm?: StatusForm | undefined;
  /** Every pod is looked at again so often even if nothing happened; default 1 min. */
  readonly resyncMs?: number | undefined;
  /** Defaults 1 s and 30 s. */
  readonly pollMinMs?: number | undefined;
  readonly pollMaxMs?: number | undefined;
  /** How long an orphan on the backend is left alone; default 60 s. */
  readonly orphanGraceMs?: number | undefined;
  /** Time between the two answers that make a pod lost; default 30 s. */
  readonly lostAfterMs?: number | undefined;
  /** Longest time of one provider call; default 2 min. */
  readonly callTimeoutMs?: number | undefined;
  readonly observer?: PodObserver | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
}

/** How often to look whether the API's pods are known. */
const syncPollMs = 200;

const busyBacklog = 8;

/** Pods of any node. */
const allBound = "spec.nodeName!=";
/** Each reads the pods of the whole cluster. */
const mostWideWatches = 3;

export class PodController {
  readonly #options: PodControllerOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #nodes = new Map<string, NodeState>();
  readonly #records: PodRecords;
  readonly #queue: WorkQueue;
  readonly #status: StatusManager;
  readonly #informers: readonly Informer<Pod>[];
  readonly #pacer: RefusalPacer = new RefusalPacer();
  readonly #running = new Set<string>();
  #stop: AbortSignal = new AbortController().signal;
  #shuttingDown = false;

  constructor(options: PodControllerOptions) {
    this.#options = options;
    const { client, metrics, log, observer } = options;
    const clock = options.clock ?? systemClock;
    const random = options.random ?? Math.random;
    this.#clock = clock;
    this.#random = random;
    this.#queue = new WorkQueue({
      name: "pods",
      // What is limited are the provider's calls, per node: a worker that waits for its slot costs nothing.
      workers: Number.POSITIVE_INFINITY,
      process: (uid, signal) => this.#process(uid, signal),
      onFailed: observer && ((...failed) => observer.retry("pods", ...failed)),
      clock,
      random,
      log,
      metrics,
    });
    this.#records = new PodRecords({
      cluster: options.cluster,
      clock,
      onWork: (uid) => this.#queue.add(uid),
      onLook: (uid) => this.#look(uid),
      onStatus: (uid) => this.#status.add(uid),
      onNew: observer && ((owner) => observer.seen(owner)),
    });
    this.#status = new StatusManager({
      client,
      source: {
        pod: (uid) => this.#podInApi(uid),
        outlook: (uid) => this.#outlook(uid),
        written: (uid, status) => this.#written(uid, status),
      },
      workers: options.statusWorkers ?? 128,
      form: options.statusForm ?? "put",
      onFailed: observer && ((...failed) => observer.retry("pod-status", ...failed)),
      clock,
      random,
      log,
      metrics,
    });
    for (const node of options.nodes) this.#nodes.set(node.name, this.#nodeState(node));
    this.#informers = this.#createInformers();
  }

  /** Resolves when the API's pods are known and every backend was listed (or failed to be, once). */
  get synced(): Promise<void> {
    const listings = [...this.#nodes.values()].map((state) => state.firstListing.promise);
    return Promise.all([...this.#informers.map((informer) => informer.synced), ...listings]).then(() => undefined);
  }

  /** So many statuses are under way that less urgent requests should stand back. */
  isBusy(): boolean {
    return this.#status.backlog > busyBacklog;
  }

  hasSynced(): boolean {
    return this.#informers.every((informer) => informer.hasSynced());
  }

  /** What was resolved for this pod may be out of date. */
  resolutionChanged(uid: string): void {
    const entry = this.#records.get(uid);
    if (entry === undefined) return;
    entry.volumesDue = true;
    entry.completionDue = true;
    this.#queue.add(uid);
  }

  /** Pods bound to the node, with their status as last written. */
  podsOf(node: string): readonly Stored<Pod>[] {
    return [...this.#records.ofNode(node)].flatMap((entry) => this.#shown(entry) ?? []);
  }

  /** The pod of this name that is bound to the node now. */
  find(node: string, namespace: string, name: string): Stored<Pod> | undefined {
    for (const entry of this.#records.ofNode(node))
      if (entry.inApi && entry.owner.name === name && entry.owner.namespace === namespace) return this.#shown(entry);
    return undefined;
  }

  /** All pods that are known of, on back ends alone among them. */
  *inspect(): Iterable<Inspected> {
    for (const entry of this.#records.all()) yield this.#inspected(entry);
  }

  inspectPod(uid: string): Inspected | undefined {
    const entry = this.#records.get(uid);
    return entry === undefined ? undefined : this.#inspected(entry);
  }

  inspectNode(name: string): InspectedNode | undefined {
    const state = this.#nodes.get(name);
    if (state === undefined) return undefined;
    const { slots, deleteSlots, trouble, usage } = state;
    return { pods: usage.pods, calls: slots, deletions: deleteSlots, trouble };
  }

  #inspected(entry: PodEntry): Inspected {
    const { uid } = entry.owner;
    const failures = this.#queue.retries(uid);
    const own = failures === 0 ? [] : [{ queue: "pods", failures, nextAt: this.#queue.nextDue(uid) }];
    const ofStatus = this.#status.retry(uid);
    return { entry, pod: this.#shown(entry), retries: ofStatus === undefined ? own : [...own, ofStatus] };
  }

  /** Facts held of pods: 0 when there are none, neither in the API nor on a backend, whatever was before. */
  get remembered(): number {
    return this.#records.size + this.#status.size + this.#running.size;
  }

  /** Works until the signal aborts; then lets calls under way finish and writes the statuses that are due. */
  async run(signal: AbortSignal): Promise<void> {
    this.#stop = signal;
    const statusEnd = new AbortController();
    const statuses = this.#status.run(statusEnd.signal);
    const watchers = [...this.#nodes.values()].map((state) => this.#watchBackend(state, signal));
    const informers = this.#informers.map((informer) => informer.run(signal));
    const { metrics } = this.#options;
    const phaseOf = ({ pod }: PodEntry): string =>
      (pod === undefined ? undefined : this.#status.current(pod).phase) ?? "Pending";
    const tell = (): void => {
      tellPods(metrics, this.#nodes.keys(), this.#records.all(), phaseOf, this.#clock.now());
      for (const { node, usage } of this.#nodes.values()) tellRoom(metrics, node, usage);
    };
    // From the start on, or nobody would see the first of them.
    for (const node of this.#nodes.keys())
      for (const counter of [metrics.podsAdopted, metrics.orphansRemoved, metrics.podsLost]) counter.inc({ node }, 0);
    metrics.podSources.add(tell);
    try {
      await Promise.all([this.#queue.run(signal), this.#resync(signal), ...watchers, ...informers]);
    } finally {
      statusEnd.abort();
      await statuses;
      metrics.podSources.delete(tell);
    }
  }

  /** While it runs: takes no more pods, and ends those there are, by priority. Resolves when all have ended, or their time has. */
  async shutdown(rules: readonly ShutdownRule[]): Promise<void> {
    this.#shuttingDown = true;
    const isOver = ({ inApi, pod, refusal }: PodEntry): boolean =>
      !inApi || pod === undefined || refusal !== undefined || isTerminal(this.#status.current(pod));
    const changed = ({ owner: { uid } }: PodEntry): void => {
      this.#queue.add(uid);
      this.#status.add(uid);
    };
    const entries = this.#records.all();
    await shutDown({ entries, rules, isOver, changed, clock: this.#clock, log: this.#options.log }, this.#stop);
  }

  #nodeState(node: PodNode): NodeState {
    const { provider } = node;
    const rules: Rules = {
      canUpdate: provider.updatePod !== undefined,
      canUpdateVolumes: this.#resolutionFor(node) !== undefined && provider.updateVolumes !== undefined,
      canFollow: this.#resolutionFor(node) !== undefined && takesPartial(provider),
      consistencyDelayMs: (provider.capabilities?.consistencyDelaySeconds ?? 0) * 1000,
      lostAfterMs: this.#options.lostAfterMs ?? 30_000,
      orphanGraceMs: this.#options.orphanGraceMs ?? 60_000,
      deleteAgainMs: 10_000,
    };
    const usage = new NodeUsage();
    const context = this.#context(node, usage, rules);
    const limit = this.#options.workers ?? 10;
    const [slots, deleteSlots] = [new CallSlots(limit), new CallSlots(limit)];
    return {
      ...{ node, usage, rules, context, slots, deleteSlots },
      listed: false,
      firstListing: Promise.withResolvers(),
      trouble: undefined,
    };
  }

  #resolutionFor({ provider }: PodNode): PodResolution | undefined {
    return provider.capabilities?.resolve === true ? this.#options.resolution : undefined;
  }

  #createInformers(): readonly Informer<Pod>[] {
    const { client, log, metrics, watchMode } = this.#options;
    const common: InformerOptions<Pod> = {
      client,
      resource: pods,
      log,
      metrics,
      clock: this.#clock,
      random: this.#random,
      onChange: (change) => this.#changed(change),
    };
    if (watchMode === "shared")
      return [
        new Informer<Pod>({
          ...common,
          fieldSelector: allBound,
          accept: (pod) => this.#nodes.has(pod.spec?.nodeName ?? ""),
        }),
      ];
    const mayWiden = this.#options.mayWatchAll === true && this.#nodes.size <= mostWideWatches;
    return [...this.#nodes.keys()].map((name) => {
      const accept = (pod: Pod): boolean => pod.spec?.nodeName === name;
      const wide = mayWiden ? { fieldSelector: allBound, accept } : undefined;
      return new Informer<Pod>({ ...common, fieldSelector: `spec.nodeName=${name}`, wide });
    });
  }

  #changed(change: Change<Pod>): void {
    if (change.type === "deleted") {
      // What one that was deleted by force still has, nobody counts any more, the scheduler least of all.
      this.#nodes.get(change.object.spec?.nodeName ?? "")?.usage.remove(change.object.metadata.uid);
      this.#records.left(change.object);
    } else this.#records.seen(change.object, this.#status.isOwn(change.object, previousOf(change)));
  }

  #watchBackend(state: NodeState, signal: AbortSignal): Promise<void> {
    const { node } = state;
    const log = this.#options.log.child({ node: node.name });
    return watchBackend(
      {
        node: node.name,
        provider: node.provider,
        clock: this.#clock,
        random: this.#random,
        log,
        pollMinMs: this.#options.pollMinMs ?? 1000,
        pollMaxMs: this.#options.pollMaxMs ?? 30_000,
        resyncMs: this.#options.resyncMs ?? 60_000,
        callTimeoutMs: this.#options.callTimeoutMs ?? 120_000,
        sink: {
          listed: (reports, startedAt) => {
            this.#records.listed(node.name, reports, startedAt);
            if (state.listed) return;
            state.listed = true;
            state.firstListing.resolve();
            for (const entry of this.#records.ofNode(node.name)) this.#queue.add(entry.owner.uid);
          },
          reported: (report, at) => this.#records.reported(node.name, report, at),
          gone: (owner, at) => this.#records.gone(owner, at),
          event: (event) => this.#recordEvent(event),
          trouble: (message) => this.#trouble(state, message),
          inMotion: () => isInMotion(this.#records.ofNode(node.name)),
        },
      },
      signal,
    );
  }

  #recordEvent({ owner, eventType, reason, message, container }: PodEvent): void {
    const entry = this.#records.get(owner.uid);
    if (entry !== undefined && owner.cluster === this.#options.cluster)
      event(entry, this.#options, eventType, reason, message, container);
  }

  #trouble(state: NodeState, message: string | undefined): void {
    state.trouble = message;
    state.firstListing.resolve();
    if (message === undefined || state.listed) return;
    for (const entry of this.#records.ofNode(state.node.name)) this.#queue.add(entry.owner.uid);
  }

  async #process(uid: string, signal: AbortSignal): Promise<{ readonly requeueAfterMs?: number } | undefined> {
    const entry = this.#records.get(uid);
    const state = entry === undefined ? undefined : this.#nodes.get(entry.owner.node);
    if (entry === undefined || state === undefined) return undefined;
    // What is where must be known on both sides before anything is done; the first listing enqueues every pod.
    if (!this.hasSynced()) return { requeueAfterMs: syncPollMs };
    if (!state.listed) {
      if (state.trouble !== undefined && entry.failure !== state.trouble) {
        entry.failure = state.trouble;
        this.#status.add(uid);
      }
      return undefined;
    }
    let held: CallSlots | undefined;
    try {
      for (;;) {
        // Planned anew after each wait for a slot: the pod may have been deleted meanwhile.
        const action = this.#plan(entry, state);
        const slots = slotsOf(state, action);
        if (held !== slots) {
          held?.give();
          held = undefined;
          if (slots !== undefined && !(await this.#takeSlot(slots, entry))) {
            if (this.#stop.aborted) return undefined;
            continue;
          }
          held = slots;
          if (slots !== undefined) continue;
        }
        return await this.#act(action, entry, state, signal);
      }
    } finally {
      held?.give();
    }
  }

  /** False: the pod is being deleted, or the program ends. */
  async #takeSlot(slots: CallSlots, entry: PodEntry): Promise<boolean> {
    if (slots.tryTake()) return true;
    const left = new AbortController();
    entry.call = left;
    try {
      return await slots.wait(AbortSignal.any([left.signal, this.#stop]), this.#queue.retries(entry.owner.uid) > 0);
    } finally {
      entry.call = undefined;
    }
  }

  async #act(
    action: PodAction,
    entry: PodEntry,
    state: NodeState,
    signal: AbortSignal,
  ): Promise<{ readonly requeueAfterMs?: number } | undefined> {
    const { uid } = entry.owner;
    this.#adopt(entry, state, action);
    // Somebody else may have ended it in the API: nothing of it runs, so it takes no room.
    if (action.type === "none" && isTerminal(entry.pod?.status)) {
      state.usage.remove(uid);
      state.context.resolution?.release(uid);
    }
    const result = await act(action, entry, state.context, signal);
    if (action.type === "forget") {
      this.#status.forget(uid);
      this.#running.delete(uid);
    }
    return result;
  }

  /** Takes in what runs on the backend without our having created it just now. */
  #adopt(entry: PodEntry, state: NodeState, action: PodAction): void {
    const { uid, node } = entry.owner;
    if (entry.backend.type !== "present" || !entry.inApi || entry.pod === undefined) return;
    if (action.type === "finish" || isTerminal(entry.pod.status)) return;
    state.usage.add(uid, entry.pod);
    if (entry.applied !== undefined || action.type === "update") return;
    entry.applied = entry.backend.report.revision ?? revisionOf(entry.pod);
    if (entry.createStartedAt === undefined) this.#options.metrics.podsAdopted.inc({ node });
  }

  #plan(entry: PodEntry, state: NodeState): PodAction {
    return plan(entry, entry, this.#clock.now(), state.rules);
  }

  #context(node: PodNode, usage: NodeUsage, rules: Rules): ActionContext {
    const { client, recorder, log, metrics } = this.#options;
    return {
      node,
      usage,
      records: this.#records,
      pacer: this.#pacer,
      resolution: this.#resolutionFor(node),
      client,
      recorder,
      clock: this.#clock,
      log: log.child({ node: node.name }),
      callTimeoutMs: this.#options.callTimeoutMs ?? 120_000,
      consistencyDelayMs: rules.consistencyDelayMs,
      isShuttingDown: () => this.#shuttingDown,
      onStatus: (uid, afterMs) => (afterMs === undefined ? this.#status.add(uid) : this.#status.addAfter(uid, afterMs)),
      onOrphanRemoved: () => metrics.orphansRemoved.inc({ node: node.name }),
      onLost: () => metrics.podsLost.inc({ node: node.name }),
      onRefused: (reason) => metrics.podsRefused.inc({ node: node.name, reason }),
    };
  }

  #shown({ inApi, pod }: PodEntry): Stored<Pod> | undefined {
    if (!inApi || pod === undefined) return undefined;
    const status = this.#status.current(pod);
    return status === pod.status ? pod : { ...pod, status };
  }

  #podInApi(uid: string): Stored<Pod> | undefined {
    const entry = this.#records.get(uid);
    return entry?.inApi === true ? entry.pod : undefined;
  }

  #outlook(uid: string): StatusOutlook {
    const entry = this.#records.get(uid);
    const state = entry === undefined ? undefined : this.#nodes.get(entry.owner.node);
    if (entry === undefined || state === undefined) return { input: undefined, removable: false };
    const now = this.#clock.now();
    if (!this.hasSynced()) return { input: undefined, removable: false, dueAt: now + syncPollMs };
    const handlers = state.node.object()?.status?.runtimeHandlers;
    const recursiveReadOnly = handlers?.some(({ name, features }) => !name && features?.recursiveReadOnlyMounts);
    const ofNode = { nodeIPs: state.node.addresses(), recursiveReadOnly };
    return statusOutlook(entry, this.#plan(entry, state), ofNode, now);
  }

  #written(uid: string, status: PodStatus): void {
    const entry = this.#records.get(uid);
    if (entry?.pod === undefined || status.phase !== "Running" || this.#running.has(uid)) return;
    this.#running.add(uid);
    if (entry.createStartedAt === undefined) return;
    this.#options.metrics.podStart.observe((this.#clock.now() - boundAt(entry)) / 1000);
  }

  async #resync(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#clock, jitter(this.#options.resyncMs ?? 60_000, 0.1, true, this.#random), signal);
      for (const entry of this.#records.all()) this.#look(entry.owner.uid);
    }
  }

  /** Not those that wait out a back-off: a look without a cause must not cut it short. */
  #look(uid: string): void {
    if (this.#queue.retries(uid) === 0) this.#queue.add(uid);
  }
}

function previousOf(change: Change<Pod>): Stored<Pod> | undefined {
  return change.type === "updated" ? change.previous : undefined;
}
