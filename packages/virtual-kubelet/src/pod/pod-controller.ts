// Brings the pods of any number of nodes from the API to their providers and back: one queue of UIDs for the work, the
// status manager's for the writes, one watcher per backend; plan decides, the actions act.
import { type Clock, jitter, pause, systemClock } from "../clock.ts";
import type { Change, Informer } from "../kube/informer.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import { isTerminal } from "../status/pod-status.ts";
import { event } from "./action-context.ts";
import { type PodEvent, watchBackend } from "./backend-watcher.ts";
import type { ShutdownRule } from "./node-shutdown.ts";
import { isInMotion, type NodeParts, type NodeState, nodeState } from "./node-state.ts";
import { plan } from "./plan.ts";
import { defaultCallTimeoutMs, type PodControllerOptions } from "./pod-controller-options.ts";
import type { PodEntry } from "./pod-entry.ts";
import { podInformers } from "./pod-informers.ts";
import type { Inspected, InspectedNode } from "./pod-inspection.ts";
import { PodRecords } from "./pod-records.ts";
import { PodTally } from "./pod-tally.ts";
import { PodWorker, syncPollMs } from "./pod-worker.ts";
import { RefusalPacer } from "./refusal-pacer.ts";
import { shutDown } from "./shut-down.ts";
import { StatusManager, type StatusOutlook } from "./status-manager.ts";
import { statusOutlook } from "./status-outlook.ts";

const busyBacklog = 8;

export class PodController {
  readonly #options: PodControllerOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #nodes = new Map<string, NodeState>();
  readonly #records: PodRecords;
  readonly #queue: WorkQueue;
  readonly #status: StatusManager;
  readonly #informers: readonly Informer<Pod>[];
  readonly #tally: PodTally;
  readonly #worker: PodWorker;
  #stop: AbortSignal = new AbortController().signal;
  #shuttingDown = false;

  constructor(options: PodControllerOptions) {
    this.#options = options;
    const { client, metrics, log, observer } = options;
    const clock = options.clock ?? systemClock;
    const random = options.random ?? Math.random;
    const common = { clock, random, log, metrics };
    this.#clock = clock;
    this.#random = random;
    this.#tally = new PodTally(metrics, clock);
    this.#queue = new WorkQueue({
      name: "pods",
      // What is limited are the provider's calls, per node: a worker that waits for its slot costs nothing.
      workers: Number.POSITIVE_INFINITY,
      process: (uid, signal) => this.#worker.process(uid, signal),
      onFailed: observer && ((...failed) => observer.retry("pods", ...failed)),
      ...common,
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
        written: (uid, { phase }) => {
          const entry = this.#records.get(uid);
          if (entry?.pod !== undefined && phase === "Running") this.#tally.runs(entry);
        },
      },
      workers: options.statusWorkers ?? 128,
      form: options.statusForm ?? "put",
      onFailed: observer && ((...failed) => observer.retry("pod-status", ...failed)),
      ...common,
    });
    const parts = { records: this.#records, tally: this.#tally, clock };
    const ofNodes: NodeParts = {
      ...{ ...parts, options, pacer: new RefusalPacer() },
      onWork: (uid) => this.#queue.add(uid),
      isShuttingDown: () => this.#shuttingDown,
      onStatus: (uid, afterMs) => (afterMs === undefined ? this.#status.add(uid) : this.#status.addAfter(uid, afterMs)),
    };
    for (const node of options.nodes) this.#nodes.set(node.name, nodeState(node, ofNodes));
    this.#worker = new PodWorker({
      ...parts,
      nodes: this.#nodes,
      queue: this.#queue,
      status: this.#status,
      hasSynced: () => this.hasSynced(),
    });
    this.#informers = podInformers({
      common: { client, ...common, onChange: (change) => this.#changed(change) },
      nodes: this.#nodes,
      watchMode: options.watchMode,
      mayWatchAll: options.mayWatchAll,
    });
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
    return this.#records.size + this.#status.size + this.#tally.size;
  }

  /** Works until the signal aborts; then lets calls under way finish and writes the statuses that are due. */
  async run(signal: AbortSignal): Promise<void> {
    this.#stop = signal;
    this.#worker.stopAt(signal);
    const statusEnd = new AbortController();
    const statuses = this.#status.run(statusEnd.signal);
    const watchers = [...this.#nodes.values()].map((state) => this.#watchBackend(state, signal));
    const informers = this.#informers.map((informer) => informer.run(signal));
    const tallied = this.#tally.begin({
      nodes: this.#nodes,
      entries: () => this.#records.all(),
      phaseOf: ({ pod }) => (pod === undefined ? undefined : this.#status.current(pod).phase) ?? "Pending",
    });
    try {
      await Promise.all([this.#queue.run(signal), this.#resync(signal), ...watchers, ...informers]);
    } finally {
      statusEnd.abort();
      await statuses;
      tallied();
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
        callTimeoutMs: this.#options.callTimeoutMs ?? defaultCallTimeoutMs,
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
    return statusOutlook(entry, plan(entry, entry, now, state.rules), ofNode, now);
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
