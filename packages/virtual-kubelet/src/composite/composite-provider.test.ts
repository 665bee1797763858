// Where pods of a composite go: by rule, past members that have no room, never to two at once, and away from where nothing starts.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { CloudProvider } from "../cloud/cloud-provider.ts";
import { VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { NodeReport } from "../provider/node.ts";
import type { PodReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext, Provider } from "../provider.ts";
import { eventually } from "../testing/eventually.ts";
import { MemoryCloud } from "../testing/memory-cloud.ts";
import { withResolved } from "../testing/resolved-literally.ts";
import { CompositeProvider } from "./composite-provider.ts";
import { parseCompositeConfig } from "./config.ts";
import { memberAnnotation } from "./placement-table.ts";

interface BenchOptions {
  readonly settings?: object | undefined;
  readonly capabilities?: Readonly<Record<string, Capabilities>> | undefined;
  readonly clouds?: ReadonlyMap<string, MemoryCloud> | undefined;
}

class Bench implements AsyncDisposable {
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

function requestOf(change: Partial<PodRequest["pod"]>, image = "sleep"): PodRequest {
  const owner = { cluster: "c", node: "n", namespace: "default", name: "a", uid: randomUUID() };
  const metadata = { name: "a", namespace: "default", uid: owner.uid, resourceVersion: "1" };
  const spec = { containers: [{ name: "web", image }] };
  return withResolved({ owner, revision: "1", pod: { apiVersion: "v1", kind: "Pod", metadata, spec, ...change } });
}

const memberOf = (report: PodReport): string | undefined => report.annotations?.[memberAnnotation];

describe("a pod of a composite", () => {
  test("goes to the first that can, which is told", async () => {
    await using bench = new Bench();
    const { owner } = await bench.create();
    assert.deepEqual(bench.counts(), [1, 0]);
    assert.equal(memberOf(await bench.provider.getPodStatus(owner, bench.context)), "first");
    await eventually("an event", 2000, () => bench.reasons().includes("MemberChosen"));
  });

  for (const kind of ["Quota", "Throttled"] as const)
    test(`goes to the next when the first says ${kind}`, async () => {
      await using bench = new Bench();
      bench.fail("first", kind);
      const { owner } = await bench.create();
      assert.deepEqual(bench.counts(), [0, 1]);
      assert.equal(memberOf(await bench.provider.getPodStatus(owner, bench.context)), "second");
    });

  test("is never given to a second one while the first may have it", async () => {
    await using bench = new Bench();
    const request = requestOf({});
    bench.fail("first", "Unavailable");
    await assert.rejects(bench.provider.createPod(request, bench.context), { kind: "Unavailable" });
    assert.deepEqual(bench.counts(), [0, 0]);
    bench.cloud("first").faults.set("list", new VirtualKubeletError("Unavailable", "down"));
    await assert.rejects(bench.provider.createPod(request, bench.context), { kind: "Unavailable" });
    assert.deepEqual(bench.counts(), [0, 0], "it cannot say whether it has it");
    bench.cloud("first").faults.delete("list");
    bench.fail("first", "Quota");
    await eventually("it says that it has none", 5000, async () => {
      await bench.provider.createPod(request, bench.context);
      return true;
    });
    assert.deepEqual(bench.counts(), [0, 1]);
  });

  test("is refused for good only when no member ever can", async () => {
    const features = ["probes"] as const;
    await using bench = new Bench({ capabilities: { first: { features }, second: { features } } });
    const spec = { hostNetwork: true, containers: [{ name: "web", image: "sleep" }] };
    await assert.rejects(bench.provider.createPod(requestOf({ spec }), bench.context), {
      kind: "Unsupported",
      field: "spec.hostNetwork",
      message: /first: .*; second: /,
    });
    await using other = new Bench({ capabilities: { first: { features } } });
    bench.fail("first", undefined);
    const tty = { containers: [{ name: "web", image: "sleep", tty: true }] };
    await other.create({ spec: tty });
    assert.deepEqual(other.counts(), [0, 1], "the one that can");
  });

  test("waits while none takes it now, with the words of each", async () => {
    await using bench = new Bench();
    bench.fail("first", "Throttled");
    bench.fail("second", "Quota");
    await assert.rejects(bench.provider.createPod(requestOf({}), bench.context), {
      kind: "Quota",
      message: /first: first: Throttled; second: second: Quota/,
    });
  });

  test("is adopted where it is after a restart, whatever the rule says", async () => {
    const bench = new Bench();
    bench.fail("first", "Quota");
    const { owner } = await bench.create();
    await bench[Symbol.asyncDispose]();
    bench.fail("first", undefined);
    await using next = new Bench({ clouds: bench.clouds });
    const [found] = await next.provider.getPods(next.context);
    assert.deepEqual([found?.owner, found && memberOf(found)], [owner, "second"]);
    await next.provider.deletePod(owner, { gracePeriodSeconds: 0 }, next.context);
    await eventually("it is gone", 5000, () => next.updates.some(({ type }) => type === "gone"));
    assert.deepEqual(next.counts(), [0, 0]);
  });

  test("that this process has not seen yet waits for a member that is silent, a new one does not", async () => {
    await using bench = new Bench();
    bench.cloud("second").faults.set("list", new VirtualKubeletError("Unavailable", "down"));
    await assert.rejects(bench.provider.getPods(bench.context), { kind: "Unavailable" });
    const status = { startTime: "2026-01-01T00:00:00Z" };
    await assert.rejects(bench.provider.createPod(requestOf({ status }), bench.context), /second may have the pod/);
    await bench.create();
    assert.deepEqual(bench.counts(), [1, 0]);
  });

  test("of which nothing starts moves to the next, and stays where it started", async () => {
    await using bench = new Bench({ settings: { moveAfterSeconds: 0.2 } });
    const runs = await bench.create();
    const stuck = await bench.create({}, "never");
    await eventually("it is with the other", 10_000, () => bench.counts()[1] === 1);
    assert.deepEqual(bench.counts(), [1, 1]);
    const report = await bench.provider.getPodStatus(stuck.owner, bench.context);
    assert.equal(memberOf(report), "second");
    assert.equal(memberOf(await bench.provider.getPodStatus(runs.owner, bench.context)), "first");
    assert.ok(bench.reasons().includes("MemberLeft"));
    assert.deepEqual(
      bench.updates.filter(({ type }) => type === "gone"),
      [],
      "it was never told to be gone",
    );
  });

  test("is not given to a member whose circuit is open, as the node says", async () => {
    await using bench = new Bench({ settings: { circuit: { failures: 2, openSeconds: 1 } } });
    const [type] = ["members.virtual-kubelet.io/first"];
    const status = ({ conditions = [] }: NodeReport): string | undefined =>
      conditions.find((condition) => condition.type === type)?.status;
    assert.equal(status(await bench.node(() => true)), "True");
    bench.fail("first", "Quota");
    await bench.create();
    await bench.create();
    const tries = bench.cloud("first").calls.get("create");
    const open = await bench.node((report) => status(report) === "False");
    assert.match(open.conditions?.[0]?.message ?? "", /first takes no new pods for now: first: Quota/);
    await bench.create();
    assert.equal(bench.cloud("first").calls.get("create"), tries);
    bench.fail("first", undefined);
    await eventually("it is tried again", 5000, async () => {
      await bench.create();
      return bench.cloud("first").size > 0;
    });
    assert.equal(status(await bench.node(() => true)), "True");
  });
});
