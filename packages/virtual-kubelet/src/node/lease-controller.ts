// The leases of all virtual nodes, renewed from one queue: the heartbeat by which the control plane knows that a node lives.
import { type Clock, jitter, systemClock } from "../clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { leases, type Stored } from "../kube/resource.ts";
import type { Lease, ObjectMeta } from "../kube/types.gen.ts";
import { WorkQueue, type WorkQueueRunOptions } from "../kube/work-queue.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { Metrics } from "../metrics.ts";

export const leaseNamespace = "kube-node-lease";

export interface LeaseControllerOptions {
  readonly client: KubeClient;
  /** UID of the present Node; undefined while there is none: its lease is then neither made nor renewed. */
  readonly nodeUid: (node: string) => string | undefined;
  /** Seconds; default 40. A lease is renewed each quarter of it. */
  readonly durationSeconds?: number | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
  readonly log?: Logger | undefined;
  readonly metrics?: Metrics | undefined;
}

interface Entry {
  /** As last read or written, without the fields that renewal sets. */
  lease: { readonly metadata: ObjectMeta } | undefined;
  renewed: boolean;
  /** When it last was renewed, or began to wait for that; epoch milliseconds. */
  since: number;
}

const tries = 5;

export class LeaseController {
  readonly #options: LeaseControllerOptions;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #log: Logger;
  readonly #durationSeconds: number;
  readonly #intervalMs: number;
  readonly #entries = new Map<string, Entry>();
  readonly #queue: WorkQueue;
  /** Nodes whose last renewal failed, and the kinds of error told since the first of them did. */
  readonly #failing = new Set<string>();
  readonly #told = new Set<string>();

  /** Throws Invalid when the duration is shorter than 4 seconds: renewals could not keep up. */
  constructor(options: LeaseControllerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
    this.#log = options.log ?? silentLogger;
    this.#durationSeconds = options.durationSeconds ?? 40;
    if (!Number.isInteger(this.#durationSeconds) || this.#durationSeconds < 4) {
      throw new VirtualKubeletError(
        "Invalid",
        `lease duration: ${this.#durationSeconds} s is no whole number of at least 4`,
        {
          field: "leaseDurationSeconds",
        },
      );
    }
    this.#intervalMs = this.#durationSeconds * 250;
    this.#queue = new WorkQueue({
      name: "node-lease",
      workers: 32,
      process: (node, signal) => this.#renew(node, signal),
      backoff: { baseMs: 200, maxMs: Math.min(7_000, this.#intervalMs) },
      clock: this.#clock,
      random: this.#random,
      ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
    });
  }

  /** Renew the node's lease soon: it is new here, or its Node was made (anew). The Node's own heartbeat covers the time until then. */
  touch(node: string): void {
    if (!this.#entries.has(node)) {
      this.#entries.set(node, { lease: undefined, renewed: false, since: this.#clock.now() });
    }
    // A hundred a second at most, as far as the interval allows: a start with many nodes is no burst of leases.
    this.#queue.addAfter(node, Math.min(this.#intervalMs, this.#entries.size * 10) * this.#random());
  }

  /** No more renewals; the lease itself stays. */
  remove(node: string): void {
    this.#entries.delete(node);
    this.#failing.delete(node);
    this.#options.metrics?.leaseAge.remove({ node });
    this.#queue.forget(node);
  }

  /** Deletes the lease from the API; no error when there is none. */
  async delete(node: string, signal: AbortSignal): Promise<void> {
    this.remove(node);
    try {
      await this.#options.client.delete(leases, { namespace: leaseNamespace, name: node }, { signal });
    } catch (error) {
      if (!isErrorKind(error, "NotFound")) throw error;
    }
  }

  /** Renews until the signal aborts. Leases are left as they are. */
  async run(signal: AbortSignal, options?: WorkQueueRunOptions): Promise<void> {
    const { metrics } = this.#options;
    const tell = (): void => {
      for (const [node, { since }] of this.#entries)
        metrics?.leaseAge.set({ node }, (this.#clock.now() - since) / 1000);
    };
    metrics?.leaseDuration.set(this.#durationSeconds);
    metrics?.leaseSources.add(tell);
    try {
      await this.#queue.run(signal, options);
    } finally {
      metrics?.leaseSources.delete(tell);
    }
  }

  async #renew(node: string, signal: AbortSignal): Promise<{ readonly requeueAfterMs: number } | undefined> {
    const entry = this.#entries.get(node);
    const uid = this.#options.nodeUid(node);
    if (entry === undefined) return undefined;
    if (uid === undefined) return { requeueAfterMs: this.#intervalMs };
    try {
      await this.#write(node, uid, entry, signal);
    } catch (thrown) {
      const error = VirtualKubeletError.from(thrown);
      if (!signal.aborted) this.#failed(node, entry, error);
      throw error;
    }
    const first = !entry.renewed;
    entry.renewed = true;
    entry.since = this.#clock.now();
    this.#options.metrics?.leaseRenewals.inc({ outcome: "ok" });
    this.#succeeded(node);
    // The second renewal comes at any time of the interval: nodes that start together do not stay in step.
    return {
      requeueAfterMs: first ? this.#intervalMs * this.#random() : jitter(this.#intervalMs, 0.04, false, this.#random),
    };
  }

  async #write(node: string, uid: string, entry: Entry, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const where = { namespace: leaseNamespace, name: node };
    const call = { signal, timeoutMs: this.#intervalMs };
    for (let attempt = 1; this.#entries.get(node) === entry; attempt++) {
      try {
        entry.lease ??= await this.#read(node, call);
        if (entry.lease === undefined) {
          entry.lease = trimmed(await client.create(leases, this.#lease(where, uid), call));
        } else {
          const lease = this.#lease(entry.lease.metadata, uid);
          const written = await client.replaceMeta(leases, lease, call);
          entry.lease = { metadata: { ...lease.metadata, ...written } };
        }
        return;
      } catch (error) {
        // Somebody else wrote, made or removed it: look again. A write of unknown outcome comes to the same next time.
        if (!isErrorKind(error, "Conflict", "NotFound")) throw error;
        entry.lease = undefined;
        if (attempt >= tries) throw error;
      }
    }
  }

  async #read(
    node: string,
    call: { readonly signal: AbortSignal; readonly timeoutMs: number },
  ): Promise<Entry["lease"]> {
    try {
      return trimmed(await this.#options.client.get(leases, { namespace: leaseNamespace, name: node }, call));
    } catch (error) {
      if (isErrorKind(error, "NotFound")) return undefined;
      throw error;
    }
  }

  #lease(metadata: ObjectMeta & { readonly name?: string }, uid: string): Lease & { readonly metadata: ObjectMeta } {
    const node = metadata.name ?? "";
    const others = (metadata.ownerReferences ?? []).filter(({ kind }) => kind !== "Node");
    return {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { ...metadata, ownerReferences: [...others, { apiVersion: "v1", kind: "Node", name: node, uid }] },
      spec: {
        holderIdentity: node,
        leaseDurationSeconds: this.#durationSeconds,
        renewTime: new Date(this.#clock.now()).toISOString().replace("Z", "000Z"),
      },
    };
  }

  #failed(node: string, entry: Entry, error: VirtualKubeletError): void {
    this.#options.metrics?.leaseRenewals.inc({ outcome: error.kind });
    this.#failing.add(node);
    const fields = { node, err: errorText(error), kind: error.kind, sinceMs: this.#clock.now() - entry.since };
    // One line per kind of failure and outage, not one per node and try.
    if (this.#told.has(error.kind)) this.#log.debug(fields, "lease not renewed, will be retried");
    else this.#log.warn(fields, "lease not renewed, will be retried; more of this kind only at debug level");
    this.#told.add(error.kind);
  }

  #succeeded(node: string): void {
    if (!this.#failing.delete(node) || this.#failing.size > 0) return;
    this.#told.clear();
    this.#log.info({ node }, "leases are renewed again");
  }
}

/** What renewal needs of a lease: all that is not rewritten each time. */
function trimmed({ metadata }: Stored<Lease>): { readonly metadata: ObjectMeta } {
  const { managedFields: _, ...rest } = metadata;
  return { metadata: rest };
}
