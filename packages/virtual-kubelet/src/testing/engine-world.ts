// A random pod over a runtime that is slow, fails and loses answers, under an engine that is killed at any moment: what its
// property test is made of.
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Container, Pod, PodSpec, PodStatus } from "../kube/types.gen.ts";
import { everRan } from "../pod/pod-entry.ts";
import type { PodReport, PodRequest } from "../provider/pods.ts";
import { EngineBench, quiet, requestOf } from "./engine-bench.ts";
import type { RunScript } from "./memory-run.ts";
import { ProbesByHand } from "./probes-by-hand.ts";

export type Role = "init" | "sidecar" | "main";

export interface Shape {
  readonly restartPolicy: string;
  /** `hooks`: 1 postStart, 2 preStop, 4 a main container whose exit code 2 restarts all. */
  readonly containers: readonly { readonly role: Role; readonly hooks: number }[];
  /** Of run n of container m: entry (m * 7 + n) of these. */
  readonly scripts: readonly RunScript[];
}

/** terminationGracePeriodSeconds of any pod. */
export const graceSeconds = 10;

export type Step =
  | { readonly type: "pass"; readonly ms: number }
  | { readonly type: "kill" }
  | { readonly type: "delete"; readonly grace: number }
  | { readonly type: "stop"; readonly grace: number }
  | { readonly type: "exit"; readonly container: number; readonly exitCode: number }
  | { readonly type: "vanish"; readonly container: number }
  | { readonly type: "image"; readonly container: number }
  | { readonly type: "unhealthy"; readonly container: number }
  | { readonly type: "restartHost" };

const script: fc.Arbitrary<RunScript> = fc.record({
  exitAfterMs: fc.constantFrom(undefined, undefined, 0, 700, 5000, 40_000),
  exitCode: fc.constantFrom(0, 0, 1),
  termMs: fc.constantFrom(0, 0, 500, 3000, Number.POSITIVE_INFINITY),
  termExitCode: fc.constantFrom(0, 143),
});

/** Any pod. */
export const shape: fc.Arbitrary<Shape> = fc.record({
  restartPolicy: fc.constantFrom("Always", "OnFailure", "Never"),
  containers: fc
    .array(fc.record({ role: fc.constantFrom<Role[]>("init", "sidecar", "main"), hooks: fc.nat(7) }), { maxLength: 4 })
    .map((list) => [...list, { role: "main" as const, hooks: 0 }]),
  scripts: fc.array(script, { minLength: 1, maxLength: 12 }),
});

/** Whatever may happen to it. */
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant("pass" as const), ms: fc.constantFrom(0, 1, 300, 2000, 11_000, 60_000) }),
  },
  { weight: 3, arbitrary: fc.constant({ type: "kill" as const }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), grace: fc.constantFrom(0, 1, 5, 30) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("stop" as const), grace: fc.constantFrom(0, 1, 5, 30) }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("exit" as const), container: fc.nat(4), exitCode: fc.constantFrom(0, 2) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("vanish" as const), container: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("image" as const), container: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("unhealthy" as const), container: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.constant({ type: "restartHost" as const }) },
);

/** Numbers below 1000: what happens around the calls of the runtime, one after another. */
export const faults: fc.Arbitrary<readonly number[]> = fc.array(fc.nat(999), { maxLength: 40 });

const restartAll = { action: "RestartAllContainers", exitCodes: { operator: "In", values: [2] } };

function specOf({ restartPolicy, containers }: Shape, images: ReadonlyMap<string, string>): PodSpec {
  const made = containers.map(({ role, hooks }, index): Container & { readonly role: Role } => ({
    role,
    name: `${role}${index}`,
    image: images.get(`${role}${index}`) ?? "img",
    ...(role === "sidecar" ? { restartPolicy: "Always" } : {}),
    ...(role === "main" ? { livenessProbe: {} } : {}),
    ...(role === "main" && hooks & 4 ? { restartPolicy, restartPolicyRules: [restartAll] } : {}),
    ...(hooks > 0 && role !== "init"
      ? { lifecycle: { ...(hooks & 1 ? { postStart: {} } : {}), ...(hooks & 2 ? { preStop: {} } : {}) } }
      : {}),
  }));
  const bare = (list: readonly (Container & { readonly role: Role })[]): readonly Container[] =>
    list.map(({ role: _role, ...container }) => container);
  return {
    restartPolicy,
    terminationGracePeriodSeconds: graceSeconds,
    initContainers: bare(made.filter(({ role }) => role !== "main")),
    containers: bare(made.filter(({ role }) => role === "main")),
  };
}

/** A pod, its backend and the engine that looks after it. */
export class EngineWorld {
  readonly bench: EngineBench;
  readonly shape: Shape;
  readonly #faults: number[];
  #probes: ProbesByHand = new ProbesByHand();
  /** The runtime does not fail any more. */
  calm: boolean = false;
  request: PodRequest;
  api: Stored<Pod>;
  /** Of containers whose image was changed. */
  readonly images: Map<string, string> = new Map();
  generation: number = 1;
  /** The containers whose exit code 2 restarts all. */
  readonly restartsAll: ReadonlySet<string>;
  /** When the grace ends with which it was stopped or deleted. */
  deadline: number | undefined;
  /** It was stopped, to be kept. */
  stopped: boolean = false;
  /** It was deleted. */
  deleted: boolean = false;
  forced: boolean = false;
  /** The API's phase is terminal. */
  ended: boolean = false;

  constructor(shape: Shape, noise: readonly number[]) {
    this.shape = shape;
    this.#faults = [...noise];
    const asks = shape.containers.map(({ role, hooks }, index) =>
      role === "main" && hooks & 4 ? `${role}${index}` : "",
    );
    this.restartsAll = new Set(asks.filter((name) => name !== ""));
    this.bench = new EngineBench(
      {
        script: ({ name, attempt }) => {
          const index = Number(name.replace(/\D/g, ""));
          return shape.scripts[(index * 7 + attempt) % shape.scripts.length] ?? {};
        },
        around: (call, work) => this.#around(call, work),
      },
      {
        runHook: (_handler, _target, context) => this.#hook(context.signal),
        probes: (listener) => {
          this.#probes = new ProbesByHand();
          return this.#probes.listenTo(listener);
        },
      },
    );
    this.api = this.#pod({ phase: "Pending" });
    this.request = requestOf(this.api);
  }

  #pod(status: PodStatus): Stored<Pod> {
    const metadata = { name: "p", namespace: "ns", uid: "uid-p", resourceVersion: "1", generation: this.generation };
    return { metadata, spec: specOf(this.shape, this.images), status };
  }

  async #around<T>(call: string, work: () => T): Promise<T> {
    const noise = this.calm ? 0 : (this.#faults.shift() ?? 0);
    const pause = async (ms: number): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.bench.clock.schedule(ms, resolve);
      await promise;
    };
    const kind = noise % 5;
    if (kind === 1 || kind === 2) await pause(noise);
    if (kind === 3) throw new VirtualKubeletError("Unavailable", `${call} failed`);
    const answer = work();
    if (kind === 2) await pause(noise);
    if (kind === 4) throw new VirtualKubeletError("Unavailable", `${call} lost its answer`);
    return answer;
  }

  async #hook(signal: AbortSignal): Promise<{ readonly type: "succeeded" }> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.bench.clock.schedule(1500, resolve);
    signal.addEventListener("abort", () => {
      cancel();
      resolve();
    });
    await promise;
    signal.throwIfAborted();
    return { type: "succeeded" };
  }

  async apply(one: Step): Promise<void> {
    const { bench, request } = this;
    const { owner } = request;
    const running = bench.runtime.running(owner.uid);
    switch (one.type) {
      case "pass":
        return bench.pass(one.ms);
      case "kill":
        return this.kill();
      case "delete":
        return this.delete(one.grace);
      case "stop":
        return this.#stop(one.grace);
      case "exit": {
        const run = running[one.container % Math.max(1, running.length)];
        if (run !== undefined) bench.runtime.exit(run, one.exitCode);
        return bench.pass(0);
      }
      case "vanish": {
        const run = running[one.container % Math.max(1, running.length)];
        if (run !== undefined) bench.runtime.vanish(run);
        return bench.pass(0);
      }
      case "unhealthy": {
        const run = running[one.container % Math.max(1, running.length)];
        if (run !== undefined) this.#probes.say(`${run.name}/${run.attempt}`, { liveness: "failure" });
        return bench.pass(0);
      }
      case "restartHost":
        bench.runtime.restartHost();
        return bench.pass(0);
      case "image": {
        if (this.deadline !== undefined || this.ended) return;
        const container = this.shape.containers[one.container % this.shape.containers.length];
        if (container === undefined) return;
        this.images.set(`${container.role}${one.container % this.shape.containers.length}`, `img${this.generation}`);
        this.generation += 1;
        this.api = this.#pod(this.api.status ?? {});
        this.request = requestOf(this.api);
        await this.#tell();
        return bench.pass(0);
      }
    }
  }

  async kill(): Promise<void> {
    const { bench } = this;
    // What the program does in its first moments is tried until it works.
    for (;;) {
      try {
        await bench.during(bench.restart());
        break;
      } catch {
        await bench.pass(100);
      }
    }
    if (!this.deleted && !this.ended) await this.#tell();
    if (this.deadline !== undefined) {
      const grace = Math.max(this.forced ? 0 : 1, Math.ceil((this.deadline - bench.clock.now()) / 1000));
      if (this.deleted) await this.#tryEnd("delete", grace);
      else if (!this.ended) await this.#tryEnd("stop", grace);
    }
    await bench.pass(0);
  }

  /** Says what the pod is to be until that is taken, as the core does: one that was never seen to run is made again. */
  async #tell(): Promise<void> {
    const { bench } = this;
    for (;;) {
      const report = await this.current();
      if (report?.revision === this.request.revision || (report === undefined && everRan(this.api))) return;
      try {
        if (report === undefined) await bench.engine.createPod(this.request, quiet);
        else await bench.during(bench.engine.updatePod(this.request, quiet));
        return;
      } catch (error) {
        const { kind } = VirtualKubeletError.from(error);
        if (kind !== "NotFound" && kind !== "Unavailable") throw error;
        await bench.pass(100);
      }
    }
  }

  async current(): Promise<PodReport | undefined> {
    for (;;) {
      try {
        return await this.bench.during(this.bench.report(this.request.owner));
      } catch {
        await this.bench.pass(100);
      }
    }
  }

  async delete(grace: number): Promise<void> {
    const at = this.bench.clock.now() + grace * 1000;
    this.deadline = Math.min(this.deadline ?? at, at);
    if (grace === 0) this.forced = true;
    this.deleted = true;
    this.api = { ...this.api, metadata: { ...this.api.metadata, deletionTimestamp: new Date(at).toISOString() } };
    await this.#tryEnd("delete", grace);
    await this.bench.pass(0);
  }

  async #stop(grace: number): Promise<void> {
    if (this.deleted || this.ended) return;
    const at = this.bench.clock.now() + grace * 1000;
    this.deadline = Math.min(this.deadline ?? at, at);
    if (grace === 0) this.forced = true;
    this.stopped = true;
    await this.#tryEnd("stop", grace);
    await this.bench.pass(0);
  }

  async #tryEnd(how: "stop" | "delete", gracePeriodSeconds: number): Promise<void> {
    const { engine } = this.bench;
    const { owner } = this.request;
    const failure = { reason: "Terminated", message: "m" };
    for (let left = 50; left > 0; left--) {
      try {
        await this.bench.during(
          how === "stop"
            ? engine.stopPod(owner, { gracePeriodSeconds, failure }, quiet)
            : engine.deletePod(owner, { gracePeriodSeconds }, quiet),
        );
        return;
      } catch (error) {
        if (VirtualKubeletError.from(error).kind === "NotFound") return;
        await this.bench.pass(100);
      }
    }
  }
}
