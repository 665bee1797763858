import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Lease, Node } from "../kube/types.gen.ts";
import { createMetrics } from "../metrics.ts";
import type { NodeReport } from "../provider/node.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { MemoryNodes } from "../testing/memory-nodes.ts";
import { NodeController, type NodeControllerOptions } from "./node-controller.ts";
import type { NodeSpec } from "./node-entry.ts";

const refusal = new VirtualKubeletError("Forbidden", "not for you", { httpStatus: 403 });
const isNode = (write: string): boolean => write.includes(" nodes/");

class Bench implements AsyncDisposable {
  readonly api: MemoryNodes = new MemoryNodes();
  readonly clock: FakeClock = new FakeClock();
  readonly events: string[] = [];
  readonly warnings: string[] = [];
  readonly nodes: NodeController;
  readonly #end = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: Partial<NodeControllerOptions> = {}) {
    const log: NonNullable<NodeControllerOptions["log"]> = {
      debug() {},
      info() {},
      warn: (_fields, message) => this.warnings.push(message),
      error: (_fields, message) => this.warnings.push(message),
      child: () => log,
    };
    this.nodes = new NodeController({
      client: this.api.client,
      recorder: { record: (_target, type, reason) => this.events.push(`${type} ${reason}`) },
      credentials: "service-account",
      clock: this.clock,
      random: () => 0.5,
      log,
      ...options,
    });
  }

  async run(...specs: Partial<NodeSpec>[]): Promise<void> {
    for (const spec of specs) this.add(spec);
    this.#running = this.nodes.run(this.#end.signal);
    await this.clock.advance(10);
  }

  add(spec: Partial<NodeSpec> = {}): void {
    this.nodes.add({ name: "n", provider: { name: "mock", version: "1" }, kubeletVersion: "v1.36.3", ...spec });
  }

  /** Writes to Nodes since the last time. */
  async writes(ms = 10): Promise<readonly string[]> {
    await this.clock.advance(ms);
    return this.api.writes().filter(isNode);
  }

  node(name = "n"): Node {
    const node = this.api.object<Node>("nodes", name);
    assert.ok(node !== undefined, `no node ${name}`);
    return node;
  }

  ready(): string {
    const ready = this.node().status?.conditions?.find(({ type }) => type === "Ready");
    return `${ready?.status} ${ready?.reason} ${ready?.message}`;
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.clock.advance(0);
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

const isReady = "True KubeletReady kubelet is posting ready status";

describe("registration", () => {
  it("is told as not ready from the start on, until it is registered", async () => {
    const metrics = createMetrics();
    await using bench = new Bench({ metrics });
    const told = async (): Promise<readonly number[]> =>
      (await metrics.nodeReady.get()).values.map(({ value }) => value);
    bench.api.fault = () => refusal;
    await bench.run({});
    assert.deepEqual(await told(), [0]);
    bench.api.fault = () => undefined;
    await bench.clock.advance(60_000);
    assert.deepEqual(await told(), [1]);
  });

  it("is one write, with all events of a kubelet", async () => {
    await using bench = new Bench();
    await bench.run({});
    await bench.nodes.registered("n");
    assert.deepEqual(await bench.writes(60_000), ["create nodes/n"]);
    assert.ok(bench.nodes.ready("n"));
    assert.deepEqual(bench.events, [
      "Normal Starting",
      "Normal NodeHasSufficientMemory",
      "Normal NodeHasNoDiskPressure",
      "Normal NodeHasSufficientPID",
      "Normal NodeReady",
    ]);
  });

  it("takes over a Node that is there, with a write that shows life", async () => {
    await using bench = new Bench();
    await bench.run({});
    await bench.stop();
    bench.api.writes();
    const second = new NodeController({
      client: bench.api.client,
      recorder: { record: () => undefined },
      credentials: "service-account",
      clock: bench.clock,
    });
    second.add({ name: "n", provider: { name: "mock", version: "1" }, kubeletVersion: "v1.36.3" });
    const end = new AbortController();
    const running = second.run(end.signal);
    assert.deepEqual(await bench.writes(), ["patch nodes/n/status"]);
    end.abort();
    await bench.clock.advance(0);
    await running;
  });

  it("goes on without the right to create, and for ever without an answer", async () => {
    await using bench = new Bench();
    let outage = true;
    bench.api.fault = ({ verb }) =>
      outage ? new VirtualKubeletError("Unavailable", "down") : verb === "create" ? refusal : undefined;
    await bench.run({});
    await bench.clock.advance(3_600_000);
    outage = false;
    await bench.clock.advance(15_000);
    assert.equal(bench.nodes.current("n"), undefined);
    bench.api.fault = () => undefined;
    await bench.clock.advance(15_000);
    assert.equal(bench.ready(), isReady);
    assert.ok(bench.warnings.length < 10, `${bench.warnings.length} warnings in an hour of outage`);
  });

  it("waits for the provider's first report and lets the provider change the Node", async () => {
    await using bench = new Bench();
    const first = Promise.withResolvers<NodeReport>();
    const reports = async function* (): AsyncGenerator<NodeReport> {
      yield await first.promise;
      await new Promise<never>(() => undefined);
    };
    const configureNode = (node: Node): Promise<Node> =>
      Promise.resolve({
        ...node,
        metadata: { ...node.metadata, labels: { ...node.metadata?.labels, configured: "1" } },
      });
    await bench.run({ watchNode: reports, configureNode });
    assert.deepEqual(await bench.writes(60_000), []);
    first.resolve({ capacity: { cpu: "3" } });
    assert.deepEqual(await bench.writes(), ["create nodes/n"]);
    assert.equal(bench.node().status?.capacity?.["cpu"], "3");
    assert.equal(bench.node().metadata?.labels?.["configured"], "1");
  });

  it("asks the provider again when it stops telling, and passes over what is not usable", async () => {
    await using bench = new Bench();
    let begun = 0;
    const watchNode = async function* (): AsyncGenerator<NodeReport> {
      begun += 1;
      yield { capacity: { cpu: begun === 2 ? "rubbish" : String(begun) } };
      if (begun < 3) throw new Error("lost");
      await new Promise<never>(() => undefined);
    };
    await bench.run({ watchNode });
    await bench.clock.advance(5_000);
    assert.equal(begun, 3);
    assert.equal(bench.node().status?.capacity?.["cpu"], "3");
    assert.ok(bench.warnings.some((warning) => warning.includes("not usable")));
  });
});

describe("a Node that others write to", () => {
  it("is restored in one write, and left alone when nothing of ours is touched", async () => {
    await using bench = new Bench();
    await bench.run({ labels: { mine: "1" } });
    await bench.writes();
    bench.api.edit("nodes", "n", (node) => ({
      ...node,
      metadata: { ...Object(node["metadata"]), labels: { theirs: "1" } },
    }));
    assert.deepEqual(await bench.writes(), ["patch nodes/n/status"]);
    assert.equal(bench.node().metadata?.labels?.["mine"], "1");
    assert.equal(bench.node().metadata?.labels?.["theirs"], "1");
    bench.api.edit("nodes", "n", (node) => ({ ...node, spec: { ...Object(node["spec"]), unschedulable: true } }));
    assert.deepEqual(await bench.writes(), []);
    assert.equal(bench.events.at(-1), "Normal NodeNotSchedulable");
    bench.api.edit("nodes", "n", (node) => ({ ...node, spec: {} }));
    assert.deepEqual(await bench.writes(), ["patch nodes/n"]);
    assert.equal(bench.node().spec?.taints?.[0]?.key, "virtual-kubelet.io/provider");
  });

  it("comes back when it is deleted, with the lease under its new UID", async () => {
    await using bench = new Bench();
    await bench.run({});
    await bench.clock.advance(1_000);
    bench.api.remove("nodes", "n");
    await bench.clock.advance(1_000);
    assert.equal(bench.ready(), isReady);
    const uid = bench.node().metadata?.uid;
    assert.equal(bench.api.object<Lease>("leases", "n")?.metadata?.ownerReferences?.[0]?.uid, uid);
  });

  it("is not fought over without end", async () => {
    await using bench = new Bench();
    await bench.run({ labels: { mine: "1" } });
    await bench.writes();
    // Somebody undoes ours as soon as it is there.
    bench.api.fault = ({ plural }) => {
      if (plural === "nodes") {
        queueMicrotask(() =>
          queueMicrotask(() =>
            bench.api.edit("nodes", "n", (node) => ({
              ...node,
              metadata: { ...Object(node["metadata"]), labels: {} },
            })),
          ),
        );
      }
      return undefined;
    };
    bench.api.edit("nodes", "n", (node) => ({ ...node, metadata: { ...Object(node["metadata"]), labels: {} } }));
    const count = (await bench.writes(60_000)).length;
    assert.ok(count >= 20 && count <= 35, `${count} writes in a minute`);
  });

  it("is not written again and again when the API server takes something else", async () => {
    await using bench = new Bench();
    bench.api.rewrite = (object) => {
      const status: Record<string, unknown> = { ...Object(object["status"]) };
      delete status["declaredFeatures"];
      const metadata = { ...Object(object["metadata"]) };
      metadata.labels = { ...metadata.labels };
      delete metadata.labels.stripped;
      return "status" in object ? { ...object, metadata, status } : object;
    };
    await bench.run({ declaredFeatures: ["ExtendWebSocketsToKubelet"], labels: { stripped: "1" } });
    assert.ok((await bench.writes(60_000)).length <= 3);
    bench.nodes.update("n", { labels: { kept: "1" } });
    assert.ok((await bench.writes(60_000)).length <= 2);
    assert.equal(bench.node().metadata?.labels?.["kept"], "1");
  });

  it("is Ready again at once when it was made Unknown just before a write of something else", async () => {
    await using bench = new Bench();
    await bench.run({});
    bench.api.writes();
    // Not seen yet when the label is written: the watch was cut, or is late.
    bench.api.fault = ({ verb, plural }) => {
      if (verb === "patch" && plural === "nodes") {
        bench.api.fault = () => undefined;
        bench.api.edit("nodes", "n", (node) => ({
          ...node,
          status: { ...Object(node["status"]), conditions: [{ type: "Ready", status: "Unknown" }] },
        }));
      }
      return undefined;
    };
    bench.nodes.update("n", { labels: { during: "outage" } });
    assert.deepEqual(await bench.writes(1_000), ["patch nodes/n/status", "patch nodes/n/status"]);
    assert.equal(bench.node().metadata?.labels?.["during"], "outage");
    assert.equal(bench.ready(), isReady);
  });

  it("is written again from its newest state on a conflict", async () => {
    await using bench = new Bench();
    await bench.run({});
    let conflicts = 2;
    bench.api.fault = ({ verb, plural }) =>
      verb === "patch" && plural === "nodes" && conflicts-- > 0
        ? new VirtualKubeletError("Conflict", "other")
        : undefined;
    bench.nodes.update("n", { taints: [{ key: "a", effect: "NoSchedule" }] });
    await bench.clock.advance(10);
    assert.equal(bench.node().spec?.taints?.length, 2);
  });
});

describe("status", () => {
  it("is written on change and else each five minutes, of all nodes at different times", async () => {
    await using bench = new Bench();
    await bench.run({});
    await bench.writes();
    // After the change half a period to one and a half; 0.5 at random makes it one.
    assert.deepEqual(await bench.writes(299_000), []);
    assert.deepEqual(await bench.writes(2_000), ["patch nodes/n/status"]);
    assert.deepEqual(await bench.writes(298_000), []);
    assert.deepEqual(await bench.writes(2_000), ["patch nodes/n/status"]);
  });

  it("takes a whole report in one write, and the same again in none", async () => {
    await using bench = new Bench();
    await bench.run({});
    await bench.writes();
    const report: NodeReport = {
      capacity: { cpu: "2" },
      labels: { a: "1" },
      conditions: [{ type: "MemoryPressure", status: "True", reason: "Full" }],
    };
    bench.nodes.update("n", report);
    assert.deepEqual(await bench.writes(), ["patch nodes/n/status"]);
    assert.equal(bench.events.at(-1), "Normal NodeHasInsufficientMemory");
    bench.nodes.update("n", { ...report });
    assert.deepEqual(await bench.writes(), []);
    assert.throws(() => bench.nodes.update("n", { capacity: { cpu: "x" } }), { kind: "Invalid" });
    assert.throws(() => bench.nodes.update("other", {}), { kind: "NotFound" });
  });

  it("goes on when labels are refused, which is told once", async () => {
    await using bench = new Bench();
    await bench.run({});
    await bench.writes();
    bench.api.fault = ({ body }) => (JSON.stringify(body["metadata"] ?? {}).includes("bad") ? refusal : undefined);
    bench.nodes.update("n", { labels: { bad: "1" }, capacity: { cpu: "2" } });
    await bench.writes();
    assert.equal(bench.node().status?.capacity?.["cpu"], "2");
    bench.nodes.update("n", { labels: { bad: "1" }, capacity: { cpu: "3" } });
    assert.deepEqual(await bench.writes(), ["patch nodes/n/status"]);
    assert.equal(bench.events.filter((event) => event === "Warning NodeUpdateRefused").length, 1);
  });

  it("goes on when a node's own credentials may not change taints, which is told once", async () => {
    await using bench = new Bench({ credentials: "node-user" });
    await bench.run({});
    await bench.writes();
    for (let cpu = 1; cpu < 5; cpu++) {
      bench.nodes.update("n", { taints: [{ key: "a", effect: "NoSchedule" }], capacity: { cpu: String(cpu) } });
      assert.deepEqual(await bench.writes(), ["patch nodes/n/status"]);
    }
    assert.equal(bench.events.filter((event) => event === "Warning NodeTaintsDiffer").length, 1);
  });

  it("is not ready while the program holds it back", async () => {
    await using bench = new Bench();
    bench.add();
    bench.nodes.setReadyGate("n", "pods are being read");
    await bench.run();
    assert.equal(bench.ready(), "False KubeletNotReady pods are being read");
    await bench.writes();
    bench.nodes.setReadyGate("n", undefined);
    assert.deepEqual(await bench.writes(), ["patch nodes/n/status"]);
    assert.equal(bench.ready(), isReady);
  });
});

describe("ping", () => {
  it("makes the node not ready after three failures, in one write, and ready after one success", async () => {
    await using bench = new Bench();
    let fails = false;
    let pings = 0;
    const ping = (): Promise<void> => {
      pings += 1;
      return fails ? Promise.reject(new Error(`away ${pings}`)) : Promise.resolve();
    };
    await bench.run({ ping });
    assert.deepEqual(await bench.writes(), ["create nodes/n"]);
    await bench.clock.advance(30_000);
    assert.equal(pings, 4);
    fails = true;
    assert.deepEqual(await bench.writes(20_000), []);
    assert.deepEqual(await bench.writes(10_000), ["patch nodes/n/status"]);
    assert.equal(bench.ready(), "False ProviderNotReady away 7");
    // Other messages are no other state; leases go on.
    const before = bench.api.object<Lease>("leases", "n")?.spec?.renewTime ?? "";
    assert.deepEqual(await bench.writes(100_000), []);
    assert.ok((bench.api.object<Lease>("leases", "n")?.spec?.renewTime ?? "") > before);
    fails = false;
    assert.deepEqual(await bench.writes(10_000), ["patch nodes/n/status"]);
    assert.equal(bench.ready(), isReady);
    assert.deepEqual(bench.events.slice(-2), ["Normal NodeNotReady", "Normal NodeReady"]);
  });

  it("counts a hung call, aborts it, and never makes a second one beside it", async () => {
    await using bench = new Bench();
    const calls: AbortSignal[] = [];
    let hangs = false;
    let release: () => void = () => undefined;
    const ping = (signal: AbortSignal): Promise<void> => {
      calls.push(signal);
      if (!hangs) return Promise.resolve();
      const { promise, resolve } = Promise.withResolvers<void>();
      release = resolve;
      return promise;
    };
    await bench.run({ ping });
    hangs = true;
    await bench.clock.advance(10_000);
    assert.equal(calls.length, 2);
    await bench.clock.advance(19_000);
    assert.equal(bench.ready(), isReady);
    assert.equal(calls[1]?.aborted, true);
    await bench.clock.advance(21_000);
    assert.match(bench.ready(), /^False ProviderNotReady an earlier ping has still not returned/);
    assert.equal(calls.length, 2);
    hangs = false;
    release();
    await bench.clock.advance(11_000);
    assert.equal(calls.length, 3);
    assert.equal(bench.ready(), isReady);
  });

  it("registers the node as not ready when the first one fails", async () => {
    await using bench = new Bench();
    await bench.run({ ping: () => Promise.reject(new Error("never there")) });
    assert.deepEqual(await bench.writes(), ["create nodes/n"]);
    assert.equal(bench.ready(), "False ProviderNotReady never there");
  });

  it("of one backend does not wait for another's", async () => {
    await using bench = new Bench();
    const hung = Array.from({ length: 300 }, (_, index) => ({
      name: `hung-${index}`,
      ping: () => new Promise<void>(() => undefined),
    }));
    await bench.run(...hung, { ping: () => Promise.resolve() });
    assert.deepEqual(await bench.writes(), ["create nodes/n"]);
  });
});

describe("the end", () => {
  it("leaves the Node by default", async () => {
    const bench = new Bench();
    await bench.run({});
    await bench.writes();
    await bench.stop();
    assert.deepEqual(bench.api.writes(), []);
    assert.equal(bench.clock.pending, 0, "no timer is left");
  });

  it("says that the node is not ready, once, when configured so", async () => {
    const bench = new Bench({ shutdown: "not-ready" });
    await bench.run({});
    await bench.writes();
    await bench.stop();
    assert.deepEqual(bench.api.writes(), ["patch nodes/n/status"]);
    assert.equal(bench.ready(), "False KubeletNotReady virtual kubelet is shutting down");
  });

  it("deletes Node and lease when configured so, but never another Node of that name", async () => {
    const bench = new Bench({ shutdown: "delete" });
    await bench.run({}, { name: "other" });
    await bench.clock.advance(1_000);
    bench.api.writes();
    bench.api.fault = ({ verb, name }) =>
      verb === "delete" && name === "other" ? new VirtualKubeletError("Conflict", "uid") : undefined;
    await bench.stop();
    assert.equal(bench.api.object("nodes", "n"), undefined);
    assert.equal(bench.api.object("leases", "n"), undefined);
    assert.ok(
      bench.api.calls.some(
        ({ verb, plural, body }) => verb === "delete" && plural === "nodes" && body["uid"] === "uid-1",
      ),
    );
  });

  it("of one node touches neither its Node nor the others", async () => {
    await using bench = new Bench();
    await bench.run({}, { name: "other" });
    await bench.clock.advance(1_000);
    bench.nodes.remove("n");
    bench.api.writes();
    bench.api.remove("nodes", "n");
    assert.deepEqual(await bench.writes(60_000), []);
    assert.ok(bench.nodes.ready("other"));
    bench.add();
    assert.deepEqual(await bench.writes(), ["create nodes/n"]);
  });
});
