// A pod engine over a runtime in memory, in a time that tests move: what its tests say and see.

import { PodEngine, type PodEngineOptions } from "../engine/pod-engine.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { ContainerState, Pod, PodSpec } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import type { ContainerReport, PodOwner, PodReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import { FakeClock } from "./fake-clock.ts";
import { MemoryRuntime, type MemoryRuntimeOptions } from "./memory-runtime.ts";

export const quiet: CallContext = { signal: new AbortController().signal, log: silentLogger };

export function podOf(spec: Partial<PodSpec>, name = "p", generation = 1): Stored<Pod> {
  const metadata = { name, namespace: "ns", uid: `uid-${name}`, resourceVersion: "1", generation };
  return { metadata, spec: { restartPolicy: "Always", containers: [{ name: "c", image: "img" }], ...spec } };
}

export function requestOf(pod: Stored<Pod>): PodRequest {
  const { name, namespace = "", uid, generation } = pod.metadata;
  const owner: PodOwner = { cluster: "cluster", node: "node", namespace, name, uid };
  return { owner, pod, revision: `${generation ?? 0}` };
}

export class EngineBench {
  readonly clock: FakeClock = new FakeClock();
  readonly runtime: MemoryRuntime;
  readonly updates: PodUpdate[] = [];
  readonly #options: Partial<PodEngineOptions>;
  engine: PodEngine;
  #stop: AbortController = new AbortController();

  constructor(runtime: Partial<MemoryRuntimeOptions> = {}, engine: Partial<PodEngineOptions> = {}) {
    this.runtime = new MemoryRuntime({ clock: this.clock, ...runtime });
    this.#options = engine;
    this.engine = this.#open();
  }

  /** Accepts a pod of this spec, and lets what follows at once follow. */
  async create(spec: Partial<PodSpec> = {}, name = "p"): Promise<PodRequest> {
    const request = requestOf(podOf(spec, name));
    await this.engine.createPod(request, quiet);
    await this.pass(0);
    return request;
  }

  async pass(ms: number): Promise<void> {
    await this.clock.advance(ms);
    for (let turn = 0; turn < 3; turn++) await this.clock.advance(0);
  }

  /** The program is killed; a new one begins over the same runtime. It is told of what is to be, as the core does. */
  async restart(...requests: readonly PodRequest[]): Promise<void> {
    this.#stop.abort();
    await this.engine[Symbol.asyncDispose]();
    this.engine = this.#open();
    const reports = await this.engine.getPods(quiet);
    for (const request of requests)
      if (reports.some(({ owner, revision }) => owner.uid === request.owner.uid && revision !== request.revision))
        await this.engine.updatePod(request, quiet);
    await this.pass(0);
  }

  /** Moves time on until the promise has settled. */
  async during<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = (): void => {
      settled = true;
    };
    promise.then(done, done);
    for (let turn = 0; !settled; turn++) {
      if (turn > 10_000) throw new VirtualKubeletError("Internal", "a promise does not settle");
      await this.clock.advance(turn === 0 ? 0 : 20);
    }
    return promise;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.engine[Symbol.asyncDispose]();
  }

  async report(owner: PodOwner): Promise<PodReport | undefined> {
    try {
      return await this.engine.getPodStatus(owner, quiet);
    } catch (error) {
      if (VirtualKubeletError.from(error).kind === "NotFound") return undefined;
      throw error;
    }
  }

  async container(owner: PodOwner, name = "c"): Promise<ContainerReport | undefined> {
    return (await this.report(owner))?.containers.find((one) => one.name === name);
  }

  /** "running", "waiting CrashLoopBackOff" or "terminated 1 Error", and how often it was restarted. */
  async state(owner: PodOwner, name = "c"): Promise<string> {
    const report = await this.container(owner, name);
    return report === undefined ? "gone" : `${stateText(report.state)} #${report.restartCount ?? 0}`;
  }

  /** "reason: message", of containers with their name before. */
  get events(): readonly string[] {
    return this.updates.flatMap((update) =>
      update.type === "event"
        ? [`${update.container === undefined ? "" : `${update.container} `}${update.reason}: ${update.message}`]
        : [],
    );
  }

  /** What the runtime did, without times: "start c/0". */
  get history(): readonly string[] {
    return this.runtime.journal.map(({ what, name, attempt }) => (name === "" ? what : `${what} ${name}/${attempt}`));
  }

  #open(): PodEngine {
    const { runtime, clock } = this;
    const random = (): number => 0.5;
    const engine = new PodEngine({ runtime, clock, random, node: "node", log: silentLogger, ...this.#options });
    this.#stop = new AbortController();
    void this.#follow(engine, this.#stop.signal);
    return engine;
  }

  async #follow(engine: PodEngine, signal: AbortSignal): Promise<void> {
    for await (const update of engine.watchPods({ signal, log: silentLogger })) this.updates.push(update);
  }
}

export function stateText({ running, waiting, terminated }: ContainerState): string {
  if (running) return "running";
  if (terminated) return `terminated ${terminated.exitCode} ${terminated.reason ?? ""}`.trim();
  return `waiting ${waiting?.reason ?? ""}`.trim();
}
