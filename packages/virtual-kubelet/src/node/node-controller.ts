// All virtual nodes of the process: registers them and holds them to what is configured, reported and found out by pinging.
// One queue for their state, one for their leases, one for their pings; a node is an entry in a map.
import { type Clock, pause, systemClock } from "../clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import type { EventRecorder } from "../kube/event-recorder.ts";
import type { Change } from "../kube/informer.ts";
import { nodes, type Stored } from "../kube/resource.ts";
import type { Node } from "../kube/types.gen.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import type { NodeReport } from "../provider/node.ts";
import { LeaseController } from "./lease-controller.ts";
import { type NodeAddition, withAddition } from "./node-addition.ts";
import type { NotReady } from "./node-conditions.ts";
import { NodeEntry, type NodeSpec } from "./node-entry.ts";
import { checkNodeReport, desiredNode, nodeFromTemplate } from "./node-object.ts";
import { NodeWatch, type NodeWatchMode, nodeWatchMode } from "./node-watch.ts";
import { NodeWriter } from "./node-writer.ts";
import { PingMonitor } from "./ping-monitor.ts";
import { watchReports } from "./watch-reports.ts";

export interface NodeControllerOptions {
  readonly client: KubeClient;
  readonly recorder: Pick<EventRecorder, "record">;
  /** "node-user": a node's own credentials (system:node:<name>); "service-account": any with the rights of deploy/rbac.yaml. */
  readonly credentials: "node-user" | "service-account";
  /** See nodeWatchMode; default: per node for a node user, else shared. */
  readonly watchMode?: NodeWatchMode | undefined;
  /** Seconds; default 40. */
  readonly leaseDurationSeconds?: number | undefined;
  /** Milliseconds between status writes while nothing changes; default 5 min. */
  readonly statusReportMs?: number | undefined;
  /** What becomes of the Nodes at the end: left as they are (default), set not ready, or deleted with their leases. */
  readonly shutdown?: "leave" | "not-ready" | "delete" | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  readonly log?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
}

/** A Node is asked for by POST when the watch has not told of one within this time (it may not be allowed to). */
const firstReadMs = 2_000;

export class NodeController {
  readonly #options: NodeControllerOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #log: Logger;
  readonly #entries = new Map<string, NodeEntry>();
  readonly #queue: WorkQueue;
  readonly #writer: NodeWriter;
  readonly #watch: NodeWatch;
  readonly #pings: PingMonitor;
  readonly #leases: LeaseController;
  readonly #tasks = new Set<Promise<void>>();
  #running: AbortSignal | undefined;
  #stopping = false;

  constructor(options: NodeControllerOptions) {
    this.#options = options;
    const { client, recorder, credentials, metrics } = options;
    const clock = options.clock ?? systemClock;
    const random = options.random ?? Math.random;
    const log = options.log ?? silentLogger;
    this.#clock = clock;
    this.#random = random;
    this.#log = log;
    const common = { clock, random, log, metrics };
    this.#queue = new WorkQueue({
      name: "node-status",
      workers: 16,
      process: (name, signal) => this.#process(name, signal),
      backoff: { baseMs: 200, maxMs: 15_000 },
      clock,
      random,
      ...(metrics === undefined ? {} : { metrics }),
    });
    const heartbeatMs = options.statusReportMs ?? 300_000;
    this.#writer = new NodeWriter({ client, recorder, clock, random, log, credentials, heartbeatMs });
    this.#watch = new NodeWatch({
      ...common,
      client,
      mode: options.watchMode ?? nodeWatchMode(credentials, Number.POSITIVE_INFINITY),
      onChange: (change) => this.#changed(change),
    });
    this.#pings = new PingMonitor({ ...common, onChange: (name) => this.#queue.add(name) });
    this.#leases = new LeaseController({
      ...common,
      client,
      durationSeconds: options.leaseDurationSeconds,
      nodeUid: (name) => this.current(name)?.metadata.uid,
    });
  }

  /** Adds a node, before or while the controller runs. Throws Invalid for a template that no Node can be made of, Conflict for a name twice. */
  add(spec: NodeSpec): void {
    if (this.#entries.has(spec.name)) throw new VirtualKubeletError("Conflict", `node ${spec.name} is there already`);
    const base = nodeFromTemplate(spec);
    const entry = new NodeEntry(spec);
    if (spec.configureNode === undefined) entry.base = base;
    this.#entries.set(spec.name, entry);
    this.#watch.add(spec.name);
    this.#options.metrics?.nodeReady.set({ node: spec.name }, 0);
    if (spec.ping !== undefined) this.#pings.add(spec.name, { ...spec, ping: spec.ping });
    if (this.#running !== undefined) this.#start(entry, this.#running);
  }

  /** Forgets a node. Node and lease stay in the API as they are. */
  remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.stop.abort();
    entry.registered.reject(new VirtualKubeletError("Aborted", `node ${name} was removed`));
    this.#entries.delete(name);
    this.#queue.forget(name);
    this.#pings.remove(name);
    this.#leases.remove(name);
    this.#watch.remove(name);
    this.#options.metrics?.nodeReady.remove({ node: name });
  }

  /** Replaces what the provider reports. Throws Invalid, and changes nothing, when the API could not take it; NotFound for an unknown node. */
  update(name: string, report: NodeReport): void {
    checkNodeReport(report);
    const entry = this.#known(name);
    entry.report = report;
    this.#queue.add(name);
  }

  /** Replaces what the program itself adds to the node. Throws NotFound for an unknown node. */
  setAddition(name: string, addition: NodeAddition): void {
    this.#known(name).addition = addition;
    this.#queue.add(name);
  }

  /** Has the node announce this port of its kubelet API instead of the template's. Throws NotFound for an unknown node. */
  setPort(name: string, port: number): void {
    this.#known(name).port = port;
    this.#queue.add(name);
  }

  /** Holds a node not ready, with this message, until called with undefined. Throws NotFound for an unknown node. */
  setReadyGate(name: string, message: string | undefined): void {
    this.#known(name).gate = message;
    this.#queue.add(name);
  }

  /** Is the Node in the API Ready=True, as far as known here? */
  ready(name: string): boolean {
    return (
      this.current(name)?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true
    );
  }

  /** The Node as last seen or written; undefined when there is none, or none of ours. */
  current(name: string): Stored<Node> | undefined {
    return this.#entries.get(name)?.newest(this.#watch.get(name));
  }

  /** Resolves when the Node was first written as wanted. Throws NotFound for an unknown node, Aborted when it is removed before. */
  async registered(name: string): Promise<void> {
    await this.#known(name).registered.promise;
  }

  /** Works until the signal aborts and the writes under way, and those of the configured shutdown, are done. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#running !== undefined) throw new VirtualKubeletError("Internal", "node controller runs already");
    const shutdown = this.#options.shutdown ?? "leave";
    const failed = new AbortController();
    const sources = AbortSignal.any([signal, failed.signal]);
    const writes = new AbortController();
    this.#running = sources;
    this.#stopping = false;
    try {
      const parts = [
        this.#watch.run(sources),
        this.#pings.run(sources),
        this.#leases.run(sources),
        this.#queue.run(writes.signal, { flush: shutdown !== "leave" }),
      ].map((part) =>
        part.catch((error: unknown) => {
          failed.abort();
          throw error;
        }),
      );
      for (const entry of this.#entries.values()) this.#start(entry, sources);
      sources.addEventListener(
        "abort",
        () => {
          this.#stopping = true;
          if (shutdown !== "leave") for (const name of this.#entries.keys()) this.#queue.add(name);
          writes.abort();
        },
        { once: true },
      );
      if (sources.aborted) writes.abort();
      // All have ended before a fault of one is thrown: nothing is left behind.
      const outcomes = await Promise.allSettled(parts);
      await Promise.all(this.#tasks);
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    } finally {
      this.#running = undefined;
    }
  }

  #known(name: string): NodeEntry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new VirtualKubeletError("NotFound", `no node ${name} here`);
    return entry;
  }

  #start(entry: NodeEntry, signal: AbortSignal): void {
    const { name, watchNode } = entry.spec;
    const stop = AbortSignal.any([signal, entry.stop.signal]);
    this.#track(this.#open(entry, stop));
    if (watchNode === undefined) return;
    const options = { node: name, clock: this.#clock, random: this.#random, log: this.#log };
    const take = (report: NodeReport): void => {
      if (this.#entries.get(name) === entry) this.update(name, report);
    };
    this.#track(watchReports(watchNode, take, stop, options));
  }

  #track(task: Promise<void>): void {
    const tracked = task.finally(() => this.#tasks.delete(tracked));
    this.#tasks.add(tracked);
  }

  async #open(entry: NodeEntry, signal: AbortSignal): Promise<void> {
    const { name } = entry.spec;
    await Promise.race([this.#watch.synced(name), pause(this.#clock, firstReadMs, signal)]);
    if (signal.aborted) return;
    entry.open = true;
    this.#queue.add(name);
  }

  #changed(change: Change<Node>): void {
    const { name, uid } = change.object.metadata;
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    if (change.type === "deleted") {
      entry.gone(uid);
      if (!this.#stopping) this.#log.warn({ node: name, uid }, "node was deleted, registering it again");
    } else {
      entry.saw(change.object);
    }
    if (change.type === "updated") {
      const cordoned = change.object.spec?.unschedulable === true;
      if (cordoned !== (change.previous.spec?.unschedulable === true)) {
        const reason = cordoned ? "NodeNotSchedulable" : "NodeSchedulable";
        const target = { apiVersion: "v1", kind: "Node", name, uid };
        this.#options.recorder.record(target, "Normal", reason, `Node ${name} status is now: ${reason}`, {
          host: name,
        });
      }
    }
    this.#queue.add(name);
  }

  async #process(name: string, signal: AbortSignal): Promise<{ readonly requeueAfterMs?: number } | undefined> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    try {
      const requeueAfterMs = await this.#reconcile(entry, signal);
      if (entry.failures > 0) this.#log.info({ node: name, failures: entry.failures }, "node is written again");
      entry.failures = 0;
      return requeueAfterMs === undefined || this.#entries.get(name) !== entry ? undefined : { requeueAfterMs };
    } catch (thrown) {
      const error = VirtualKubeletError.from(thrown);
      if (!signal.aborted) {
        entry.failures += 1;
        const stack = error.kind === "Internal" ? { stack: thrown instanceof Error ? thrown.stack : undefined } : {};
        const fields = { node: name, err: errorText(error), kind: error.kind, failures: entry.failures, ...stack };
        if (entry.failures === 1) this.#log.warn(fields, "node not written, will be retried");
        else this.#log.debug(fields, "node not written, will be retried");
      }
      throw error;
    }
  }

  /** Answers when to look again though nothing changes. */
  async #reconcile(entry: NodeEntry, signal: AbortSignal): Promise<number | undefined> {
    const { name, configureNode, watchNode } = entry.spec;
    const observed = this.current(name);
    if (this.#stopping && observed === undefined) return undefined;
    if (this.#stopping && this.#options.shutdown === "delete") return this.#delete(name, signal);
    const ping = this.#pings.state(name);
    const isWaiting = ping.is === "waiting" || (watchNode !== undefined && entry.report === undefined);
    if (!entry.open || (isWaiting && !this.#stopping)) return undefined;
    if (entry.base === undefined) {
      const stop = AbortSignal.any([signal, entry.stop.signal]);
      entry.base = (await configureNode?.(nodeFromTemplate(entry.spec), stop)) ?? nodeFromTemplate(entry.spec);
    }
    const { report, addition } = entry;
    const mayTaint = this.#options.credentials !== "node-user";
    const told = addition === undefined ? report : withAddition(report, addition, mayTaint);
    const desired = desiredNode(entry.base, told, this.#notReady(entry), entry.port);
    try {
      if (observed !== undefined && entry.uid === undefined) this.#writer.takeOver(entry, observed);
      const present = observed ?? (await this.#writer.register(entry, desired, signal));
      this.#sees(entry, present);
      const againMs = await this.#writer.write(entry, desired, present, signal);
      if (this.#entries.get(name) === entry)
        this.#options.metrics?.nodeReady.set({ node: name }, this.ready(name) ? 1 : 0);
      entry.registered.resolve();
      return againMs;
    } catch (error) {
      // Deleted since it was last seen: the next look registers it.
      if (observed === undefined || !isErrorKind(error, "NotFound") || this.#stopping) throw error;
      return 0;
    }
  }

  #sees(entry: NodeEntry, node: Stored<Node>): void {
    if (entry.uid === node.metadata.uid) return;
    entry.uid = node.metadata.uid;
    if (!this.#stopping) this.#leases.touch(entry.spec.name);
  }

  #notReady(entry: NodeEntry): NotReady | undefined {
    if (this.#stopping && this.#options.shutdown === "not-ready") {
      return { reason: "KubeletNotReady", message: "virtual kubelet is shutting down" };
    }
    if (entry.gate !== undefined) return { reason: "KubeletNotReady", message: entry.gate };
    const ping = this.#pings.state(entry.spec.name);
    if (ping.is === "failed") return { reason: "ProviderNotReady", message: ping.message };
    return undefined;
  }

  async #delete(name: string, signal: AbortSignal): Promise<undefined> {
    const uid = this.current(name)?.metadata.uid;
    await this.#leases.delete(name, signal);
    try {
      await this.#options.client.delete(nodes, { name }, { signal, uid });
    } catch (error) {
      // Conflict: the Node is no longer the one we registered.
      if (!isErrorKind(error, "NotFound", "Conflict")) throw error;
    }
    if (uid !== undefined) this.#entries.get(name)?.gone(uid);
  }
}
