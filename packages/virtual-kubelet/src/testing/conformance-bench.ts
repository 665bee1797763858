// What the conformance suite works with: its options, the provider under test, and what was made with it and seen of it.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isErrorKind } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod, PodSpec } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import type { PodOwner, PodReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type { ContainerTarget } from "../provider/streams.ts";
import type { CallContext, Provider } from "../provider.ts";
import { reportFaults } from "./report-faults.ts";
import { withResolved } from "./resolved-literally.ts";

/** What of a pod matters to the backend. */
export interface PodTemplate {
  readonly spec: PodSpec;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

export interface ConformanceSubject {
  /** Made for `node` of the options and for the cluster "conformance". */
  readonly provider: Provider;
  readonly dispose: () => Promise<void>;
}

export interface ConformanceOptions {
  /** Called once for the suite, and once more by the test of adoption when `outlives` is set. */
  readonly create: () => Promise<ConformanceSubject>;
  /** Default "conformance-node". */
  readonly node?: string | undefined;
  /** A pod with one container that runs until it is stopped and ends soon after TERM. Default: image pause. */
  readonly runningPod?: PodTemplate | undefined;
  /** A pod of restartPolicy Never whose one container ends with this code. Absent: no test of that. */
  readonly finishingPod?: ((exitCode: number) => PodTemplate) | undefined;
  /** A pod of restartPolicy Always whose one container ends by itself, again and again. Absent: no test of that. */
  readonly restartingPod?: PodTemplate | undefined;
  /** A pod whose one container writes at least a line soon after its start. Absent: logs may be empty. */
  readonly loggingPod?: PodTemplate | undefined;
  /** A pod whose one container has `sh`, `cat` and `sleep`, for runInContainer. Default: runningPod. */
  readonly shellPod?: PodTemplate | undefined;
  /** Whether commands can have a terminal. Default true. */
  readonly terminals?: boolean | undefined;
  /** A pod whose one container has a stdin and writes to stdout what it reads there. Absent: attach is tried without stdin. */
  readonly interactivePod?: PodTemplate | undefined;
  /** A pod in which a server on this port sends back what it gets. Absent: only closed ports are tried. */
  readonly echoPod?: (PodTemplate & { readonly port: number }) | undefined;
  /** Whether running pods have an IP address of their own. Default true. */
  readonly addresses?: boolean | undefined;
  /** Whether pods outlive the provider object, as everywhere but in memory. Default false. */
  readonly outlives?: boolean | undefined;
  /** Optional methods that the provider does not have: the suite holds it to that as well. Default: none is lacking. */
  readonly lacks?: readonly OptionalMethod[] | undefined;
  /** How long a pod may take to start, or beyond its grace to end. Default 120 000. */
  readonly timeoutMs?: number | undefined;
}

export const optionalMethods = [
  "updatePod",
  "stopPod",
  "watchPods",
  "watchNode",
  "ping",
  "configureNode",
  "getContainerLogs",
  "runInContainer",
  "attachToContainer",
  "portForward",
  "getStatsSummary",
] as const;
export type OptionalMethod = (typeof optionalMethods)[number];

const defaultPod: PodTemplate = { spec: { containers: [{ name: "main", image: "pause:3.10" }] } };

/** The provider under test, what was made with it, and what was seen of that. */
export class Bench {
  readonly #options: ConformanceOptions;
  readonly #timeoutMs: number;
  readonly #made = new Map<string, PodRequest>();
  readonly #seen = new Map<string, PodReport>();
  readonly #stop = new AbortController();
  #subject: ConformanceSubject | undefined;

  constructor(options: ConformanceOptions) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 120_000;
  }

  get provider(): Provider {
    assert.ok(this.#subject !== undefined, "the provider was made");
    return this.#subject.provider;
  }

  get node(): string {
    return this.#options.node ?? "conformance-node";
  }

  get context(): CallContext {
    return { signal: this.#stop.signal, log: silentLogger };
  }

  async open(): Promise<void> {
    this.#subject = await this.#options.create();
  }

  async reopen(): Promise<void> {
    await this.#dispose();
    await this.open();
  }

  /** Leaves nothing on the backend. What cannot be deleted is thrown after all else is disposed of. */
  async close(): Promise<void> {
    if (this.#subject === undefined) return;
    await using parts = new AsyncDisposableStack();
    parts.defer(() => this.#stop.abort());
    parts.defer(() => this.#dispose());
    for (const { owner } of this.#made.values())
      parts.defer(async () => {
        await this.provider.deletePod(owner, { gracePeriodSeconds: 0 }, this.context).catch(expectNotFound);
      });
  }

  async #dispose(): Promise<void> {
    const subject = this.#subject;
    this.#subject = undefined;
    try {
      await subject?.provider[Symbol.asyncDispose]?.();
    } finally {
      await subject?.dispose();
    }
  }

  /** A pod of its own UID, not yet created. */
  request(name?: string, namespace = "conformance", template?: PodTemplate): PodRequest {
    const { spec, annotations } = template ?? this.#options.runningPod ?? defaultPod;
    const uid = randomUUID();
    const own = name ?? `pod-${uid.slice(0, 8)}`;
    const owner: PodOwner = { cluster: "conformance", node: this.node, namespace, name: own, uid };
    const metadata = {
      name: own,
      namespace,
      uid,
      resourceVersion: "1",
      ...(annotations === undefined ? {} : { annotations }),
    };
    const pod: Stored<Pod> = { apiVersion: "v1", kind: "Pod", metadata, spec: { ...spec, nodeName: this.node } };
    const bare: PodRequest = { owner, pod, revision: "1" };
    const request = this.provider.capabilities?.resolve === true ? withResolved(bare) : bare;
    this.#made.set(uid, request);
    return request;
  }

  async created(template?: PodTemplate): Promise<PodRequest> {
    const request = this.request(undefined, undefined, template);
    await this.provider.createPod(request, this.context);
    return request;
  }

  /** Holds every report against the contract and against the one before it. */
  see(report: PodReport): PodReport {
    const { uid } = report.owner;
    assert.deepEqual(reportFaults(report, this.#made.get(uid)?.pod, this.#seen.get(uid)), []);
    this.#seen.set(uid, report);
    return report;
  }

  /** Reports of one pod that were pushed, in their own order: statuses that were asked for meanwhile may be newer. */
  seeInOrder(reports: readonly PodReport[]): void {
    let before: PodReport | undefined;
    for (const report of reports) {
      assert.deepEqual(reportFaults(report, this.#made.get(report.owner.uid)?.pod, before), []);
      before = report;
    }
  }

  async report(owner: PodOwner, accept: (report: PodReport) => boolean, what: string): Promise<PodReport> {
    let last: PodReport | undefined;
    await this.until(async () => {
      last = await this.provider.getPodStatus(owner, this.context).catch(expectNotFound);
      return last !== undefined && accept(this.see(last));
    }, what);
    assert.ok(last !== undefined);
    return last;
  }

  /** A running pod and its first container. */
  async runningTarget(template?: PodTemplate): Promise<ContainerTarget> {
    const { owner, pod } = await this.created(template);
    await this.running(owner);
    const [container] = pod.spec?.containers ?? [];
    assert.ok(container !== undefined);
    return { owner, pod, container: container.name };
  }

  async running(owner: PodOwner): Promise<PodReport> {
    return await this.report(owner, isRunning, "the pod to run");
  }

  async appeared(owner: PodOwner): Promise<PodReport> {
    return await this.report(owner, () => true, "the pod to appear");
  }

  async deleted(owner: PodOwner, gracePeriodSeconds: number): Promise<void> {
    await this.provider.deletePod(owner, { gracePeriodSeconds }, this.context);
    await this.ended(owner, gracePeriodSeconds);
  }

  /** A deletion is over: gone, or every container terminated. */
  async ended(owner: PodOwner, gracePeriodSeconds: number): Promise<void> {
    await this.until(
      async () => {
        const report = await this.provider.getPodStatus(owner, this.context).catch(expectNotFound);
        return report === undefined || isOver(this.see(report));
      },
      "the deletion to end",
      gracePeriodSeconds * 1000,
    );
  }

  async until(condition: () => boolean | Promise<boolean>, what: string, moreMs = 0): Promise<void> {
    const consistencyMs = (this.provider.capabilities?.consistencyDelaySeconds ?? 0) * 1000;
    const deadline = performance.now() + this.#timeoutMs + moreMs + consistencyMs;
    for (let wait = 5; !(await condition()); wait = Math.min(2 * wait, 500)) {
      assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
      await sleep(wait);
    }
  }
}

export function isRunning(report: PodReport): boolean {
  return report.containers.length > 0 && report.containers.every((container) => container.state.running !== undefined);
}

export function isOver(report: PodReport): boolean {
  return report.containers.every((container) => container.state.terminated !== undefined);
}

/** What tells one run of a container from another. */
export function identities(report: PodReport): readonly unknown[] {
  return report.containers.map(({ name, containerID, restartCount }) => ({ name, containerID, restartCount }));
}

export function isNotFound(error: unknown): true {
  assert.ok(isErrorKind(error, "NotFound"), `expected NotFound, got ${String(error)}`);
  return true;
}

export function isAborted(error: unknown): true {
  assert.ok(isErrorKind(error, "Aborted"), `expected Aborted, got ${String(error)}`);
  return true;
}

export function expectNotFound(error: unknown): undefined {
  isNotFound(error);
}

export function expectAborted(error: unknown): undefined {
  isAborted(error);
}

export async function collect(updates: AsyncIterable<PodUpdate>, into: PodUpdate[]): Promise<void> {
  for await (const update of updates) into.push(update);
}

/** Fails when the promise takes longer, by default than ten seconds: less than any time limit of a provider's own, more than a busy machine takes. */
export async function promptly<T>(promise: Promise<T>, what: string, limitMs = 10_000): Promise<T> {
  const timer = new AbortController();
  const late = sleep(limitMs, undefined, { signal: timer.signal }).then(() =>
    assert.fail(`${what} did not end promptly`),
  );
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

/** Registers the test if it has a name: one for what the subject cannot do has none. */
export function optional(name: string | false | undefined, work: () => Promise<void>): void {
  if (typeof name === "string") test(name, work);
}
