// Writes pod statuses to the API, from a queue of its own: a slow create never delays a status. One write per transition,
// guarded by UID; after the terminal status of a deleted pod, the DELETE that ends it.
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient, WrittenMeta } from "../kube/client.ts";
import { pods, type Stored } from "../kube/resource.ts";
import type { Pod, PodStatus } from "../kube/types.gen.ts";
import { WorkQueue, type WorkQueueOptions } from "../kube/work-queue.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { isTerminal, podStatus, type StatusInput } from "../status/pod-status.ts";
import { fullStatus, statusPatch } from "../status/status-patch.ts";
import type { PendingRetry } from "./pod-inspection.ts";
import { RivalWriters } from "./rival-writers.ts";

/** How a pod stands, all seen at one moment. */
export interface StatusOutlook {
  /** The input of podStatus beside the pod; undefined: nothing is to be written. */
  readonly input: Omit<StatusInput, "pod" | "now"> | undefined;
  /** Nothing of it is left on the backend, and the API waits for our DELETE. */
  readonly removable: boolean;
  /** Epoch ms at which to look again even if nothing happens. */
  readonly dueAt?: number | undefined;
}

/** What the status manager needs to know of a pod at the moment it writes. */
export interface StatusSource {
  /** Undefined: the pod is no longer in the API. */
  pod(uid: string): Stored<Pod> | undefined;
  /** What is to be written of it now, and whether that is the last word. */
  outlook(uid: string): StatusOutlook;
  /** A status was written or the object deleted: what comes next may be due. */
  written(uid: string, status: PodStatus): void;
}

/** How statuses are written: "patch", or "put" where the cached object is complete (falls back to the patch on a conflict). */
export type StatusForm = "patch" | "put";

export interface StatusManagerOptions {
  readonly client: KubeClient;
  readonly source: StatusSource;
  readonly workers: number;
  readonly form: StatusForm;
  /** As of WorkQueueOptions. */
  readonly onFailed?: WorkQueueOptions["onFailed"];
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Body of a status patch. */
interface StatusBody {
  readonly metadata: { readonly uid: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly status: Readonly<Record<string, unknown>>;
}

/** The status the API has by our last write, until the informer shows an object as new. */
interface Written {
  readonly resourceVersion: string;
  /** Version of the object that it was computed from. */
  readonly base: string;
  readonly status: PodStatus;
}

/** A pod that is still there so long after its DELETE (a finalizer aside) is deleted again. */
const removeAgainMs = 30_000;

export class StatusManager {
  readonly #options: StatusManagerOptions;
  readonly #queue: WorkQueue;
  readonly #written = new Map<string, Written>();
  /** When a DELETE was answered, epoch ms: its own echo asks for no second one. */
  readonly #removed = new Map<string, number>();
  readonly #rivals: RivalWriters = new RivalWriters((uid) => this.#tellRival(uid));

  constructor(options: StatusManagerOptions) {
    this.#options = options;
    const { clock, random, log, metrics } = options;
    this.#queue = new WorkQueue({
      name: "pod-status",
      workers: options.workers,
      process: (uid, signal) => this.#process(uid, signal),
      backoff: { baseMs: 200, maxMs: 60_000 },
      onFailed: options.onFailed,
      clock,
      random,
      log,
      metrics,
    });
  }

  /** Pods of which something is remembered. */
  get size(): number {
    return this.#written.size + this.#removed.size + this.#rivals.size;
  }

  /** Statuses that wait to be written or are being written. */
  get backlog(): number {
    const { waiting, active } = this.#queue.depth;
    return waiting + active;
  }

  /** Where writing the pod's status has failed and is to be done again. */
  retry(uid: string): PendingRetry | undefined {
    const failures = this.#queue.retries(uid);
    return failures === 0 ? undefined : { queue: "pod-status", failures, nextAt: this.#queue.nextDue(uid) };
  }

  add(uid: string): void {
    this.#queue.add(uid);
  }

  addAfter(uid: string, delayMs: number): void {
    this.#queue.addAfter(uid, delayMs);
  }

  forget(uid: string): void {
    this.#written.delete(uid);
    this.#removed.delete(uid);
    this.#rivals.forget(uid);
    this.#queue.forget(uid);
  }

  /** Is this object nothing but the echo of our own last write? `before` was seen last; a foreign write may lie between. */
  isOwn(pod: Stored<Pod>, before: Stored<Pod> | undefined): boolean {
    const written = this.#written.get(pod.metadata.uid);
    return (
      written?.resourceVersion === pod.metadata.resourceVersion && written.base === before?.metadata.resourceVersion
    );
  }

  /** The status as the API has it, our own last write included. */
  current(pod: Stored<Pod>): PodStatus {
    const written = this.#written.get(pod.metadata.uid);
    if (written === undefined) return pod.status ?? {};
    if (isNewer(written.resourceVersion, pod.metadata.resourceVersion)) return written.status;
    if (written.resourceVersion !== pod.metadata.resourceVersion) {
      this.#written.delete(pod.metadata.uid);
      if (statusPatch(pod.status ?? {}, written.status, pod.metadata.uid) !== undefined)
        this.#rivals.undid(pod.metadata.uid);
    }
    return pod.status ?? {};
  }

  /** Works until the signal aborts, then writes what is due. */
  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(signal, { flush: true });
  }

  async #process(uid: string, signal: AbortSignal): Promise<{ readonly requeueAfterMs: number } | undefined> {
    const { source, clock } = this.#options;
    const pod = source.pod(uid);
    if (pod === undefined) {
      this.forget(uid);
      return undefined;
    }
    // Taken before the write: what comes to be while it is under way is the next run's business.
    const outlook = source.outlook(uid);
    await this.#settle(uid, pod, outlook, signal);
    // A look that was asked for later is lost to one that was due when it was asked for: this one.
    return outlook.dueAt === undefined ? undefined : { requeueAfterMs: Math.max(1, outlook.dueAt - clock.now()) };
  }

  async #settle(
    uid: string,
    pod: Stored<Pod>,
    { input, removable }: StatusOutlook,
    signal: AbortSignal,
  ): Promise<void> {
    const { source } = this.#options;
    try {
      const status = input === undefined ? undefined : await this.#write(uid, pod, input, signal);
      if (status !== undefined) source.written(uid, status);
      // The object never goes without its last status.
      if (!removable || !isTerminal(status ?? this.current(pod))) return;
      const again = (this.#removed.get(uid) ?? Number.NEGATIVE_INFINITY) + removeAgainMs;
      if (this.#options.clock.now() < again) return;
      await this.#options.client.delete(
        pods,
        { namespace: pod.metadata.namespace, name: pod.metadata.name },
        { gracePeriodSeconds: 0, uid, signal },
      );
      // The object may have left before the answer came: nobody would forget what is remembered then.
      if (source.pod(uid) !== undefined) this.#removed.set(uid, this.#options.clock.now());
    } catch (error) {
      if (!isGone(error)) throw error;
      this.#options.metrics.statusWrites.inc({ outcome: "dropped" });
      this.#options.log.debug({ ...logFields(pod) }, "status dropped: the pod is gone or was replaced");
    }
  }

  /** Writes the status if it differs from what the API has; the status now in the API, or undefined if there was nothing to do. */
  async #write(
    uid: string,
    pod: Stored<Pod>,
    input: Omit<StatusInput, "pod" | "now">,
    signal: AbortSignal,
  ): Promise<PodStatus | undefined> {
    const { clock, metrics } = this.#options;
    const current = this.current(pod);
    if (isTerminal(current)) return undefined;
    const base = this.#written.get(uid)?.resourceVersion ?? pod.metadata.resourceVersion;
    const next = podStatus({ ...input, pod: { ...pod, status: current }, now: clock.now() });
    const annotations = missingAnnotations(pod, input);
    const patch = statusPatch(current, next, uid);
    if (patch === undefined && annotations === undefined) {
      this.#rivals.agree(uid);
      return undefined;
    }
    // The end of a pod is never put off.
    const waitMs =
      pod.metadata.deletionTimestamp === undefined && !isTerminal(next) ? this.#rivals.waitMs(uid, clock.now()) : 0;
    if (waitMs > 0) {
      this.#queue.addAfter(uid, waitMs);
      return undefined;
    }
    const body: StatusBody = {
      metadata: { uid, ...(annotations === undefined ? {} : { annotations }) },
      status: patch?.status ?? {},
    };
    const full = fullStatus(current, next);
    const meta = await this.#send(pod, current, full, body, signal);
    const { resourceVersion } = meta;
    if (this.#options.source.pod(uid) !== undefined) this.#written.set(uid, { resourceVersion, base, status: full });
    metrics.statusWrites.inc({ outcome: "ok" });
    return full;
  }

  #tellRival(uid: string): void {
    const pod = this.#options.source.pod(uid);
    const message =
      "somebody else changes pod statuses as often as they are written here: does another process run this node?";
    this.#options.log.warn(pod === undefined ? { uid } : logFields(pod), message);
  }

  async #send(
    pod: Stored<Pod>,
    current: PodStatus,
    full: PodStatus,
    body: StatusBody,
    signal: AbortSignal,
  ): Promise<WrittenMeta> {
    const { client, form } = this.#options;
    // A PUT replaces all that it does not hold: only from the very object that the server is known to have. The spec is
    // left out, as the server takes none here.
    if (form === "put" && current === pod.status) {
      const annotations = { ...pod.metadata.annotations, ...body.metadata.annotations };
      const object: Pod = { apiVersion: "v1", kind: "Pod", metadata: { ...pod.metadata, annotations }, status: full };
      try {
        return await client.replaceMeta(pods, object, { subresource: "status", signal });
      } catch (error) {
        if (VirtualKubeletError.from(error).kind !== "Conflict") throw error;
      }
    }
    const ref = { namespace: pod.metadata.namespace, name: pod.metadata.name };
    return client.patchMeta(pods, ref, "strategic", body, { subresource: "status", signal });
  }
}

/** 404; or 422/409 because the name now belongs to another UID: the write was for a pod that is no more. */
function isGone(value: unknown): boolean {
  const error = VirtualKubeletError.from(value);
  if (error.kind === "NotFound" || error.kind === "Conflict") return true;
  return error.kind === "Invalid" && error.message.includes("metadata.uid");
}

function missingAnnotations(
  pod: Stored<Pod>,
  input: Omit<StatusInput, "pod" | "now">,
): Record<string, string> | undefined {
  if (input.situation.type !== "reported") return undefined;
  let missing: Record<string, string> | undefined;
  for (const [key, value] of Object.entries(input.situation.report.annotations ?? {}))
    if (pod.metadata.annotations?.[key] !== value) missing = { ...missing, [key]: value };
  return missing;
}

/** Resource versions compare as whole numbers (KEP-5504); they may exceed 53 bits. */
function isNewer(left: string, right: string): boolean {
  return left.length === right.length ? left > right : left.length > right.length;
}

function logFields(pod: Stored<Pod>): {
  readonly pod: string;
  readonly uid: string;
  readonly node: string | undefined;
} {
  return { pod: `${pod.metadata.namespace}/${pod.metadata.name}`, uid: pod.metadata.uid, node: pod.spec?.nodeName };
}
