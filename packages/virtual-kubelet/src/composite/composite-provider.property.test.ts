// Random histories of pods on a composite of two clouds that fail, are down, and lose answers, with starts of the program in between:
// in the end no pod is on two members, none is lost by a move, and none is left.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CloudProvider } from "../cloud/cloud-provider.ts";
import { errorText, isErrorKind } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext, Provider } from "../provider.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { MemoryCloud } from "../testing/memory-cloud.ts";
import { withResolved } from "../testing/resolved-literally.ts";
import { seededRandom, Unreliable } from "../testing/unreliable.ts";
import { CompositeProvider } from "./composite-provider.ts";
import { parseCompositeConfig } from "./config.ts";

interface Step {
  readonly pod: number;
  readonly what: "create" | "delete" | "status" | "list" | "restart" | "down" | "up" | "wait";
  readonly cloud: number;
  readonly afterMs: number;
}

interface History {
  readonly seed: number;
  /** By pod: whether it starts on the one and the other cloud. */
  readonly starts: readonly (readonly [boolean, boolean])[];
  readonly steps: readonly Step[];
}

const history: fc.Arbitrary<History> = fc.record({
  seed: fc.integer(),
  starts: fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 3, maxLength: 3 }),
  steps: fc.array(
    fc.record<Step>({
      pod: fc.nat(2),
      what: fc.constantFrom(
        ...(["create", "create", "create", "delete", "status", "list", "restart", "down", "up", "wait"] as const),
      ),
      cloud: fc.nat(1),
      afterMs: fc.constantFrom(0, 500, 2_000, 15_000, 40_000),
    }),
    { minLength: 5, maxLength: 25 },
  ),
});

interface Place {
  readonly cloud: MemoryCloud;
  readonly way: Unreliable;
}

class World {
  readonly clock: FakeClock = new FakeClock();
  readonly places: readonly Place[];
  readonly requests: readonly PodRequest[];
  readonly faults: string[] = [];
  readonly #random: () => number;
  /** UIDs, since the last start of the program. */
  readonly #accepted = new Set<string>();
  readonly #wanted = new Set<string>();
  readonly #deleted = new Set<string>();
  readonly #work = new Map<string, Promise<void>>();
  #stop: AbortController = new AbortController();
  provider: CompositeProvider;

  constructor({ seed, starts }: History) {
    this.#random = seededRandom(seed);
    this.places = [0, 1].map((index): Place => {
      const way = new Unreliable(this.clock, this.#random);
      const neverStarts = ({ pod }: PodRequest): boolean => !(starts[Number(pod.metadata.name)]?.[index] ?? true);
      const around = <T>(method: string, work: () => T): Promise<T> =>
        way.around(method, () => {
          const answer = work();
          this.#checkAlone();
          return answer;
        });
      return { way, cloud: new MemoryCloud({ clock: this.clock, around, shownAfterMs: 3_000, neverStarts }) };
    });
    this.requests = starts.map((_, index) => requestOf(`${index}`));
    this.provider = this.#begun();
  }

  get context(): CallContext {
    return { signal: this.#stop.signal, log: silentLogger };
  }

  async step({ pod, what, cloud, afterMs }: Step): Promise<void> {
    await this.clock.advance(afterMs);
    const request = this.requests[pod];
    const place = this.places[cloud];
    if (request === undefined || place === undefined) return;
    const { context } = this;
    if (what === "restart") await this.restart();
    else if (what === "list") void this.provider.getPods(context).catch(() => {});
    else if (what === "down" || what === "up") place.way.isDown = what === "down";
    else if (what !== "wait") this.#queue(request, () => this.#call(what, request, context));
  }

  async restart(): Promise<void> {
    await this.dispose();
    this.#accepted.clear();
    this.provider = this.#begun();
  }

  async dispose(): Promise<void> {
    this.#stop.abort();
    const over = this.provider[Symbol.asyncDispose]();
    await this.clock.advance(10_000);
    await over;
    await this.clock.advance(10_000);
  }

  /** All is well again, and the core has what it wants done. */
  async settle(): Promise<void> {
    for (const { way } of this.places) Object.assign(way, { faults: 0, mostMs: 0, isDown: false });
    for (let round = 0; round < 8; round++) {
      const { context } = this;
      void this.provider.getPods(context).catch(() => {});
      for (const request of this.requests) {
        const { uid } = request.owner;
        const what = this.#deleted.has(uid) ? "delete" : this.#wanted.has(uid) ? "create" : "status";
        this.#queue(request, () => this.#call(what, request, context));
      }
      await this.clock.advance(60_000);
    }
    await Promise.all(this.#work.values());
  }

  async check(): Promise<void> {
    for (const { owner } of this.requests) {
      const isWanted = this.#wanted.has(owner.uid) && !this.#deleted.has(owner.uid);
      // One that starts nowhere goes on from member to member, and is with none for a moment.
      for (let second = 0; isWanted && second < 30; second++)
        if (!this.places.some(({ cloud }) => cloud.has(owner.uid))) await this.clock.advance(1_000);
      const count = this.places.filter(({ cloud }) => cloud.has(owner.uid)).length;
      if (count > 1) this.faults.push(`${owner.uid} is on two members`);
      if (count > 0 && this.#deleted.has(owner.uid)) this.faults.push(`${owner.uid} is left`);
      if (count === 0 && isWanted) this.faults.push(`${owner.uid} is lost`);
    }
  }

  /** At any time, not only in the end: nothing here takes effect later than it is waited for. */
  #checkAlone(): void {
    for (const { owner } of this.requests)
      if (this.places.every(({ cloud }) => cloud.has(owner.uid))) this.faults.push(`${owner.uid} is on both members`);
  }

  deleteAll(): void {
    for (const { owner } of this.requests) this.#deleted.add(owner.uid);
  }

  #begun(): CompositeProvider {
    this.#stop = new AbortController();
    const { clock } = this;
    const common = { node: "n", log: silentLogger, clock, random: this.#random };
    const providers = new Map(
      this.places.map(({ cloud }, index): [string, Provider] => [
        `m${index}`,
        new CloudProvider({ ...common, backend: cloud, capabilities: {}, consistencyMs: 10_000 }),
      ]),
    );
    const members = [...providers.keys()].map((name) => ({ name, provider: "memory" }));
    const config = parseCompositeConfig({ members, moveAfterSeconds: 30 });
    const provider = new CompositeProvider({ ...common, config, providers });
    void this.#watch(provider, this.context);
    return provider;
  }

  #queue({ owner: { uid } }: PodRequest, work: () => Promise<void>): void {
    this.#work.set(uid, (this.#work.get(uid) ?? Promise.resolve()).then(work));
  }

  async #call(what: Step["what"], request: PodRequest, context: CallContext): Promise<void> {
    const { owner } = request;
    const { uid } = owner;
    if (context.signal.aborted) return;
    try {
      if (what === "create" && !this.#accepted.has(uid) && !this.#deleted.has(uid)) {
        this.#wanted.add(uid);
        await this.provider.createPod(request, context);
        this.#accepted.add(uid);
      }
      if (what === "delete") {
        this.#deleted.add(uid);
        await this.provider.deletePod(owner, { gracePeriodSeconds: 0 }, context);
      }
      if (what === "status") await this.provider.getPodStatus(owner, context);
    } catch (error) {
      const isLost = isErrorKind(error, "NotFound") && this.#accepted.has(uid) && !this.#deleted.has(uid);
      if (isLost || isErrorKind(error, "Internal")) this.faults.push(`${what} of ${uid}: ${errorText(error)}`);
    }
  }

  async #watch(provider: CompositeProvider, context: CallContext): Promise<void> {
    for await (const update of provider.watchPods(context)) this.#updated(update);
  }

  #updated(update: PodUpdate): void {
    if (update.type !== "gone") return;
    const { uid } = update.owner;
    if (this.#accepted.has(uid) && !this.#deleted.has(uid)) this.faults.push(`${uid} is told to be gone`);
  }
}

function requestOf(name: string): PodRequest {
  const uid = `uid-${name}`;
  const owner = { cluster: "c", node: "n", namespace: "default", name, uid };
  // Older than any start of the program but the first.
  const creationTimestamp = new Date(new FakeClock().now()).toISOString();
  const metadata = { name, namespace: "default", uid, resourceVersion: "1", creationTimestamp };
  const spec = { nodeName: "n", containers: [{ name: "web", image: "sleep" }] };
  return withResolved({ owner, revision: "1", pod: { apiVersion: "v1", kind: "Pod", metadata, spec } });
}

/** A member answers a question that was asked of it before it lost the pod. */
const answeredLate: History = {
  seed: -761659579,
  starts: [
    [false, false],
    [false, false],
    [false, false],
  ],
  steps: (
    [
      [0, "list", 0],
      [0, "list", 0],
      [1, "create", 15_000],
      [0, "create", 40_000],
      [1, "status", 0],
      [0, "create", 0],
      [2, "status", 0],
      [0, "create", 0],
      [0, "create", 0],
      [0, "create", 0],
    ] as const
  ).map(([pod, what, afterMs]): Step => ({ pod, what, cloud: 0, afterMs })),
};

test("whatever its members do, a pod ends up on one of them alone, is not lost by a move, and none is left", async () => {
  await fc.assert(
    fc.asyncProperty(history, async (given) => {
      const world = new World(given);
      for (const step of given.steps) await world.step(step);
      await world.settle();
      await world.check();
      world.deleteAll();
      await world.settle();
      await world.check();
      assert.deepEqual(world.faults, []);
      await world.dispose();
      assert.equal(world.clock.pending, 0, "timers left");
    }),
    { numRuns: Number(process.env["FC_RUNS"] ?? 40), examples: [[answeredLate]] },
  );
});
