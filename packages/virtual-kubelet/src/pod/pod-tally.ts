// Counts what becomes of pods: adopted, running after so long, refused, lost, removed as orphans; and has the gauges of pods set
// when they are read.
import type { Clock } from "../clock.ts";
import type { Metrics } from "../metrics.ts";
import type { ActionTally, PodNode } from "./action-context.ts";
import type { NodeUsage } from "./node-usage.ts";
import type { PodEntry } from "./pod-entry.ts";
import { boundAt, tellPods, tellRoom } from "./pod-figures.ts";

/** Reasons that have a value of the label of their own. Providers choose theirs freely, and each value is a series for ever. */
const mostReasons = 32;
/** "OutOfcpu", "OutOfexample.com/gpu", "ProviderFailed". */
const reasonForm = /^[A-Z][\w./-]{0,63}$/;
const otherReason = "Other";

export interface TalliedPods {
  readonly nodes: ReadonlyMap<string, { readonly node: PodNode; readonly usage: NodeUsage }>;
  entries(): Iterable<PodEntry>;
  /** As last written. */
  phaseOf(entry: PodEntry): string;
}

export class PodTally implements ActionTally {
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  /** UIDs of pods that were told to run. */
  readonly #running = new Set<string>();
  readonly #reasons = new Set<string>();

  constructor(metrics: Metrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** Pods that something is held of. */
  get size(): number {
    return this.#running.size;
  }

  adopted(node: string): void {
    this.#metrics.podsAdopted.inc({ node });
  }

  orphanRemoved(node: string): void {
    this.#metrics.orphansRemoved.inc({ node });
  }

  lost(node: string): void {
    this.#metrics.podsLost.inc({ node });
  }

  refused(node: string, reason: string): void {
    this.#metrics.podsRefused.inc({ node, reason: this.#bounded(reason) });
  }

  /** The API has been told that the pod runs; the first time counts. */
  runs(entry: PodEntry): void {
    const { uid } = entry.owner;
    if (this.#running.has(uid)) return;
    this.#running.add(uid);
    if (entry.createStartedAt === undefined) return;
    this.#metrics.podStart.observe((this.#clock.now() - boundAt(entry)) / 1000);
  }

  forget(uid: string): void {
    this.#running.delete(uid);
  }

  /** Gauges tell of these pods until what it answers is called. */
  begin({ nodes, entries, phaseOf }: TalliedPods): () => void {
    const metrics = this.#metrics;
    const tell = (): void => {
      tellPods(metrics, nodes.keys(), entries(), phaseOf, this.#clock.now());
      for (const { node, usage } of nodes.values()) tellRoom(metrics, node, usage);
    };
    // From the start on, or nobody would see the first of them.
    for (const node of nodes.keys())
      for (const counter of [metrics.podsAdopted, metrics.orphansRemoved, metrics.podsLost]) counter.inc({ node }, 0);
    metrics.podSources.add(tell);
    return () => void metrics.podSources.delete(tell);
  }

  #bounded(reason: string): string {
    if (this.#reasons.has(reason)) return reason;
    if (this.#reasons.size >= mostReasons || !reasonForm.test(reason)) return otherReason;
    this.#reasons.add(reason);
    return reason;
  }
}
