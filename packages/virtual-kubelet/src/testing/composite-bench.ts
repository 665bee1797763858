// A composite of two clouds in memory, "first" and "second", for tests of where pods go.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { CloudProvider } from "../cloud/cloud-provider.ts";
import { CompositeProvider } from "../composite/composite-provider.ts";
import { memberAnnotation, parseCompositeConfig } from "../composite/config.ts";
import { VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { NodeReport } from "../provider/node.ts";
import type { PodReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext, Provider } from "../provider.ts";
import { MemoryCloud } from "./memory-cloud.ts";
import { withResolved } from "./resolved-literally.ts";

interface BenchOptions {
  readonly settings?: object | undefined;
  readonly capabilities?: Readonly<Record<string, Capabilities>> | undefined;
  readonly clouds?: ReadonlyMap<string, MemoryCloud> | undefined;
}

export class CompositeBench implements AsyncDisposable {
  readonly clouds: ReadonlyMap<string, MemoryCloud>;
  readonly updates: PodUpdate[] = [];
  readonly provider: CompositeProvider;
  readonly #stop: AbortController = new AbortController();

  constructor({ settings = {}, capabilities = {}, clouds }: BenchOptions = {}) {
    this.clouds = clouds ?? new Map(["first", "second"].map((name) => [name, new MemoryCloud()]));
    const pace = { fastMs: 20, slowMs: 50, steadyMs: 50 };
    const common = { node: "n", log: silentLogger, pace, consistencyMs: 100 };
    const providers = new Map(
      [...this.clouds].map(([name, backend]): [string, Provider] => [
        name,
        new CloudProvider({ ...common, backend, capabilities: capabilities[name] ?? {} }),
      ]),
    );
    const members = [...this.clouds.keys()].map((name) => ({ name, provider: "memory" }));
    const config = parseCompositeConfig({ members, ...settings });
    this.provider = new CompositeProvider({ node: "n", config, providers, log: silentLogger, lookMs: 50 });
    void this.#collect();
  }

  get context(): CallContext {
    return { signal: this.#stop.signal, log: silentLogger };
  }

  cloud(name: string): MemoryCloud {
    return this.clouds.get(name) ?? assert.fail(`no cloud ${name}`);
  }

  fail(name: string, kind: "Quota" | "Throttled" | "Unavailable" | undefined): void {
    if (kind === undefined) this.cloud(name).faults.clear();
    else this.cloud(name).faults.set("create", new VirtualKubeletError(kind, `${name}: ${kind}`));
  }

  /** By member: how many pods it has. */
  counts(): readonly number[] {
    return [...this.clouds.values()].map(({ size }) => size);
  }

  async create(change: Partial<PodRequest["pod"]> = {}, image = "sleep"): Promise<PodRequest> {
    const request = requestOf(change, image);
    await this.provider.createPod(request, this.context);
    return request;
  }

  reasons(): readonly string[] {
    return this.updates.flatMap((update) => (update.type === "event" ? [update.reason] : []));
  }

  async node(holds: (report: NodeReport) => boolean): Promise<NodeReport> {
    const end = new AbortController();
    const context = { signal: end.signal, log: silentLogger };
    try {
      for await (const report of this.provider.watchNode(context)) if (holds(report)) return report;
    } finally {
      end.abort();
    }
    return assert.fail("no such report of the node");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.provider[Symbol.asyncDispose]();
  }

  async #collect(): Promise<void> {
    for await (const update of this.provider.watchPods(this.context)) this.updates.push(update);
  }
}

export function requestOf(change: Partial<PodRequest["pod"]>, image = "sleep"): PodRequest {
  const owner = { cluster: "c", node: "n", namespace: "default", name: "a", uid: randomUUID() };
  const metadata = { name: "a", namespace: "default", uid: owner.uid, resourceVersion: "1" };
  const spec = { containers: [{ name: "web", image }] };
  return withResolved({ owner, revision: "1", pod: { apiVersion: "v1", kind: "Pod", metadata, spec, ...change } });
}

/** The member that a report names. */
export const memberOf = (report: PodReport): string | undefined => report.annotations?.[memberAnnotation];
