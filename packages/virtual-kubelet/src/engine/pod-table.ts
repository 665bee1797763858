// The pods that the engine looks after: takes in those on the backend, and looks at each of which something changed.
import { type Clock, pause } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import type { Logger } from "../log.ts";
import type { PodOwner } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import type { Quantities } from "../status/pod-resources.ts";
import type { ActorOptions } from "./actor-options.ts";
import type { ContainerRuntime, RuntimeSandbox } from "./container-runtime.ts";
import { PodActor } from "./pod-actor.ts";
import { type ResizeVerdict, resizeVerdict } from "./resize-room.ts";
import { timedCall } from "./timed-call.ts";

export interface PodTableOptions extends Omit<ActorOptions, "room" | "wake"> {
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** Pods looked at side by side. */
  readonly workers: number;
  readonly gone: (owner: PodOwner) => void;
  /** Of the node, as its runtime says; undefined: nothing is known, and all fits. */
  readonly allocatable: () => Quantities | undefined;
}

/** Between two listings: of a runtime that tells nothing, after a broken stream, and for what a stream may have missed. */
const pollMs = 1000;
const retryMs = 1000;
const resyncMs = 60_000;

export class PodTable {
  readonly #options: PodTableOptions;
  readonly #pods = new Map<string, PodActor>();
  readonly #queue: WorkQueue;

  constructor(options: PodTableOptions) {
    this.#options = options;
    const { clock, random, log, workers } = options;
    this.#queue = new WorkQueue({
      name: "engine",
      ...{ workers, clock, random, log },
      process: (uid, signal) => this.#look(uid, signal),
      backoff: { baseMs: 500, maxMs: 30_000 },
    });
  }

  wake(uid: string): void {
    if (this.#pods.has(uid)) this.#queue.add(uid);
  }

  /** The pod, a new one if need be. */
  add(owner: PodOwner): PodActor {
    let pod = this.#pods.get(owner.uid);
    if (pod === undefined) {
      pod = new PodActor(owner, {
        ...this.#options,
        wake: (uid) => this.wake(uid),
        room: (uid) => this.#room(uid),
      });
      this.#pods.set(owner.uid, pod);
      this.#queue.add(owner.uid);
    }
    return pod;
  }

  /** The pod, if it is here or on the backend; NotFound when it is positively neither. */
  async find(owner: PodOwner, context: CallContext): Promise<PodActor> {
    const known = this.#pods.get(owner.uid);
    const sandbox =
      known === undefined || known.isSeen ? await this.#options.runtime.get(owner.uid, context) : undefined;
    if (sandbox !== undefined) return this.#seen(sandbox, context);
    const pod = this.#pods.get(owner.uid);
    if (pod === undefined || (pod === known && pod.isSeen) || pod.isGone)
      throw new VirtualKubeletError("NotFound", `there is no pod ${owner.uid}`);
    return pod;
  }

  /** All there are, after a complete listing of the backend. */
  async list(context: CallContext): Promise<readonly PodActor[]> {
    const sandboxes = await this.#options.runtime.list(context);
    await Promise.all(sandboxes.map((sandbox) => this.#seen(sandbox, context)));
    return [...this.#pods.values()].filter((pod) => !pod.isGone);
  }

  all(): Iterable<PodActor> {
    return this.#pods.values();
  }

  /** Works until the signal aborts; pods go on without it. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#queue.run(signal, { drainMs: 0 }), this.#watch(signal)]);
    for (const pod of this.#pods.values()) pod.stop();
  }

  #room(uid: string): ResizeVerdict {
    const allocatable = this.#options.allocatable();
    if (allocatable === undefined) return { state: "fits" };
    return resizeVerdict(
      uid,
      [...this.#pods.values()].flatMap((pod) => pod.claim() ?? []),
      allocatable,
    );
  }

  async #seen(sandbox: RuntimeSandbox, context: CallContext): Promise<PodActor> {
    const pod = this.add(sandbox.owner);
    await pod.adopt(sandbox, context);
    return pod;
  }

  async #look(uid: string, signal: AbortSignal): Promise<{ readonly requeueAfterMs?: number } | undefined> {
    const pod = this.#pods.get(uid);
    if (pod === undefined) return undefined;
    const outcome = await pod.look(signal);
    if (outcome === "gone" || outcome === "lost") {
      if (outcome === "lost") this.#options.log.error({ uid }, "a pod is gone from the runtime");
      pod.stop();
      this.#pods.delete(uid);
      this.#options.gone(pod.owner);
      return undefined;
    }
    const { again } = outcome;
    return again === Number.POSITIVE_INFINITY
      ? undefined
      : { requeueAfterMs: Math.max(0, again - this.#options.clock.now()) };
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { runtime, clock, log } = this.#options;
    let troubled = false;
    while (!signal.aborted) {
      const round = new AbortController();
      const context = { signal: AbortSignal.any([signal, round.signal]), log };
      try {
        // Opened before the listing, so that nothing falls between the two.
        const events = this.#follow(context);
        events.catch(() => round.abort());
        await this.#compare(context);
        if (troubled) log.info({}, "the runtime answers again");
        troubled = false;
        if (runtime.events === undefined) await pause(clock, pollMs, signal);
        else {
          await pause(clock, resyncMs, context.signal);
          if (round.signal.aborted) await events;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!troubled) log.warn({ err: errorText(error) }, "the runtime cannot be listed or watched");
        troubled = true;
        await pause(clock, retryMs, signal);
      } finally {
        round.abort();
      }
    }
  }

  /** Until the round ends; throws when the stream breaks or ends before. */
  async #follow(context: CallContext): Promise<void> {
    const { runtime } = this.#options;
    if (runtime.events === undefined) return;
    for await (const uid of runtime.events(context)) {
      if (context.signal.aborted) return;
      if (this.#pods.has(uid)) this.#queue.add(uid);
    }
    if (!context.signal.aborted) throw new VirtualKubeletError("Unavailable", "the runtime's event stream ended");
  }

  readonly #listed = new Map<string, string>();

  /** Has those looked at that are not as they were in the listing before. */
  async #compare(context: CallContext): Promise<void> {
    const { clock, runtime, callTimeoutMs } = this.#options;
    const sandboxes = await timedCall(clock, context, callTimeoutMs, (limited) => runtime.list(limited));
    const present = new Set<string>();
    for (const sandbox of sandboxes) {
      const { uid } = sandbox.owner;
      present.add(uid);
      this.add(sandbox.owner);
      const text = JSON.stringify(sandbox);
      if (this.#listed.get(uid) !== text) this.#queue.add(uid);
      this.#listed.set(uid, text);
    }
    for (const uid of this.#listed.keys())
      if (!present.has(uid)) {
        this.#listed.delete(uid);
        this.wake(uid);
      }
  }
}
