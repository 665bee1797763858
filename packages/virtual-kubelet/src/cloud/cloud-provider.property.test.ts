// Random histories of pods on a cloud whose calls take their time, fail, and lose their answers: nothing is told to be gone that is
// there, made twice, told twice, taken back, or left.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { errorText, isErrorKind } from "../errors.ts";
import type { Container } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import type { ContainerReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { MemoryCloud, type MemoryCloudOptions } from "../testing/memory-cloud.ts";
import { withResolved } from "../testing/resolved-literally.ts";
import { seededRandom, Unreliable } from "../testing/unreliable.ts";
import { CloudProvider } from "./cloud-provider.ts";

interface Step {
  readonly pod: number;
  readonly what:
    | "create"
    | "delete"
    | "deleteNow"
    | "stop"
    | "status"
    | "list"
    | "restart"
    | "happens"
    | "vanish"
    | "wait";
  /** Milliseconds after the step before. */
  readonly afterMs: number;
}

interface History {
  readonly seed: number;
  readonly cloud: MemoryCloudOptions;
  readonly images: readonly string[];
  readonly steps: readonly Step[];
}

const whats = [
  "create",
  "create",
  "create",
  "delete",
  "deleteNow",
  "stop",
  "status",
  "list",
  "restart",
  "happens",
] as const;
const history: fc.Arbitrary<History> = fc.record({
  seed: fc.integer(),
  cloud: fc.record({
    describeAtOnce: fc.constantFrom(1, 3),
    shownAfterMs: fc.constantFrom(0, 5_000),
    listsPartly: fc.boolean(),
    restartsAll: fc.boolean(),
    heedsTerm: fc.boolean(),
  }),
  images: fc.array(fc.constantFrom("sleep", "sleep", "exit-1", "never"), { minLength: 3, maxLength: 3 }),
  steps: fc.array(
    fc.record<Step>({
      pod: fc.nat(2),
      what: fc.constantFrom(...whats, "vanish" as const, "wait" as const),
      afterMs: fc.constantFrom(0, 0, 500, 2_000, 12_000),
    }),
    { minLength: 5, maxLength: 30 },
  ),
});

/** What the core keeps to: calls for one pod never overlap, and what was accepted is not created again. */
class World {
  readonly clock: FakeClock = new FakeClock();
  readonly cloud: MemoryCloud;
  readonly unreliable: Unreliable;
  readonly requests: readonly PodRequest[];
  readonly faults: string[] = [];
  readonly told = new Map<string, number>();
  readonly #last = new Map<string, ContainerReport>();
  /** UIDs that are not created any more: accepted, or to be deleted. */
  readonly #settled = new Set<string>();
  readonly #work = new Map<string, Promise<void>>();
  readonly #random: () => number;
  #stop = new AbortController();
  #happenings = 0;
  provider: CloudProvider;

  constructor({ seed, cloud, images }: History) {
    this.#random = seededRandom(seed);
    this.unreliable = new Unreliable(this.clock, this.#random);
    const around = <T>(method: string, work: () => T): Promise<T> => this.unreliable.around(method, work);
    this.cloud = new MemoryCloud({ ...cloud, clock: this.clock, around });
    this.requests = images.map((image, index) => requestOf(`uid-${index}`, image));
    this.provider = this.#begun();
  }

  /** A live CloudProvider, as after a start of the program. */
  #begun(): CloudProvider {
    this.#stop = new AbortController();
    this.#last.clear();
    this.told.clear();
    const provider = new CloudProvider({
      ...{ backend: this.cloud, node: "n", log: silentLogger, capabilities: {} },
      ...{ clock: this.clock, random: this.#random, consistencyMs: 20_000 },
    });
    void this.#watch(provider, this.context);
    return provider;
  }

  get context(): CallContext {
    return { signal: this.#stop.signal, log: silentLogger };
  }

  async step({ pod, what, afterMs }: Step): Promise<void> {
    await this.clock.advance(afterMs);
    const request = this.requests[pod];
    if (request === undefined) return;
    const { owner } = request;
    const { context } = this;
    if (what === "restart") await this.restart();
    else if (what === "list") void this.provider.getPods(context).catch(() => {});
    else if (what === "happens") this.#happens(owner.uid);
    else if (what === "vanish") this.cloud.lose(owner.uid);
    else if (what !== "wait") this.#queue(owner.uid, () => this.#call(what, request, context));
  }

  async restart(): Promise<void> {
    this.#stop.abort();
    const over = this.provider[Symbol.asyncDispose]();
    // Calls that are on their way take effect all the same.
    await this.clock.advance(10_000);
    await over;
    this.provider = this.#begun();
  }

  /** All is well again, and everything is deleted. */
  async end(): Promise<void> {
    this.unreliable.faults = 0;
    this.unreliable.mostMs = 0;
    // What is not shown yet is asked for again.
    for (let round = 0; round < 3; round++) {
      const { context } = this;
      for (const request of this.requests)
        this.#queue(request.owner.uid, () => this.#call("deleteNow", request, context));
      await this.clock.advance(60_000);
    }
    await Promise.all(this.#work.values());
  }

  async dispose(): Promise<void> {
    this.#stop.abort();
    const over = this.provider[Symbol.asyncDispose]();
    await this.clock.advance(10_000);
    await over;
  }

  #queue(uid: string, work: () => Promise<void>): void {
    this.#work.set(uid, (this.#work.get(uid) ?? Promise.resolve()).then(work));
  }

  async #call(what: Step["what"], request: PodRequest, context: CallContext): Promise<void> {
    const { owner } = request;
    const wasThere = this.cloud.shows(owner.uid);
    try {
      if (what === "create" && !this.#settled.has(owner.uid)) {
        await this.provider.createPod(request, context);
        this.#settled.add(owner.uid);
      }
      if (what === "delete" || what === "deleteNow") this.#settled.add(owner.uid);
      if (what === "delete") await this.provider.deletePod(owner, { gracePeriodSeconds: 30 }, context);
      if (what === "deleteNow") await this.provider.deletePod(owner, { gracePeriodSeconds: 0 }, context);
      if (what === "stop") await this.provider.stopPod?.(owner, { gracePeriodSeconds: 5, failure }, context);
      if (what === "status") this.#saw((await this.provider.getPodStatus(owner, context)).containers, owner.uid);
    } catch (error) {
      if (isErrorKind(error, "NotFound") && wasThere && this.cloud.shows(owner.uid))
        this.faults.push(`${what} of ${owner.uid}: ${errorText(error)}, and it is there`);
      if (isErrorKind(error, "Internal")) this.faults.push(errorText(error));
    }
  }

  #happens(uid: string): void {
    if (!this.cloud.shows(uid)) return;
    const key = `${this.#happenings++}`;
    const event = { key, time: this.clock.now(), eventType: "Normal", reason: "Happened", message: key } as const;
    this.cloud.group(uid).events.push(event);
  }

  async #watch(provider: CloudProvider, context: CallContext): Promise<void> {
    for await (const update of provider.watchPods(context)) this.#updated(update);
  }

  #updated(update: PodUpdate): void {
    if (update.type === "gone" && this.cloud.has(update.owner.uid)) this.faults.push(`${update.owner.uid} is not gone`);
    if (update.type === "report") this.#saw(update.report.containers, update.report.owner.uid);
    if (update.type === "event" && update.reason === "Happened")
      this.told.set(update.message, (this.told.get(update.message) ?? 0) + 1);
  }

  #saw(containers: readonly ContainerReport[], uid: string): void {
    for (const report of containers) {
      const key = `${uid}/${report.name}`;
      const before = this.#last.get(key);
      this.#last.set(key, report);
      if (before === undefined) continue;
      const [was, is] = [before.restartCount ?? 0, report.restartCount ?? 0];
      if (is < was) this.faults.push(`${key}: ${was} restarts became ${is}`);
      if (is === was && before.state.terminated !== undefined && report.state.terminated === undefined)
        this.faults.push(`${key}: what had ended has not`);
      if (is === was && before.state.running !== undefined && report.state.waiting !== undefined)
        this.faults.push(`${key}: what ran waits`);
    }
  }
}

const failure = { reason: "DeadlineExceeded", message: "too long" };

function requestOf(uid: string, image: string): PodRequest {
  const owner = { cluster: "c", node: "n", namespace: "default", name: uid, uid };
  const metadata = { name: uid, namespace: "default", uid, resourceVersion: "1" };
  const web: Container = { name: "web", image, lifecycle: { preStop: { sleep: { seconds: 3 } } } };
  const spec = { nodeName: "n", restartPolicy: "Never", containers: [web] };
  return withResolved({ owner, revision: "1", pod: { apiVersion: "v1", kind: "Pod", metadata, spec } });
}

test("whatever a cloud does, pods are neither lost nor doubled nor left, and nothing is told twice or taken back", async () => {
  await fc.assert(
    fc.asyncProperty(history, async (given) => {
      const world = new World(given);
      for (const step of given.steps) await world.step(step);
      await world.end();
      assert.deepEqual(world.faults, []);
      assert.deepEqual(
        [...world.cloud.made.values()].filter((times) => times > 1),
        [],
        "made twice",
      );
      assert.deepEqual(
        [...world.told].filter(([, times]) => times > 1),
        [],
        "told twice",
      );
      assert.equal(world.cloud.size, 0, "left on the cloud");
      assert.deepEqual(await world.provider.getPods(world.context).catch(() => "no listing"), []);
      await world.dispose();
      assert.equal(world.clock.pending, 0, "timers left");
    }),
    { numRuns: Number(process.env["FC_RUNS"] ?? 40) },
  );
});
