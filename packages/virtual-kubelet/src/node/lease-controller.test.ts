import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Lease } from "../kube/types.gen.ts";
import { createMetrics, type Metrics } from "../metrics.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { MemoryNodes } from "../testing/memory-nodes.ts";
import { LeaseController } from "./lease-controller.ts";

class Bench implements AsyncDisposable {
  readonly api: MemoryNodes = new MemoryNodes();
  readonly clock: FakeClock = new FakeClock();
  readonly warnings: string[] = [];
  readonly metrics: Metrics = createMetrics();
  uid: string | undefined = "node-uid";
  readonly leases: LeaseController;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;

  constructor(random: () => number = () => 0.5) {
    const warn = (_fields: object, message: string): void => void this.warnings.push(message);
    const log = { debug() {}, info() {}, warn, error: warn, child: () => log };
    this.leases = new LeaseController({
      client: this.api.client,
      nodeUid: () => this.uid,
      clock: this.clock,
      random,
      log,
      metrics: this.metrics,
    });
    this.#running = this.leases.run(this.#end.signal);
  }

  lease(name = "n"): Lease | undefined {
    return this.api.object<Lease>("leases", name);
  }

  async writes(ms: number): Promise<readonly string[]> {
    await this.clock.advance(ms);
    return this.api.writes();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.clock.advance(0);
    await this.#running;
  }
}

describe("leases", () => {
  it("are made as a kubelet makes them, and renewed each ten seconds", async () => {
    await using bench = new Bench();
    bench.leases.touch("n");
    assert.deepEqual(await bench.writes(10), ["create leases/n"]);
    assert.deepEqual(bench.lease()?.spec, {
      holderIdentity: "n",
      leaseDurationSeconds: 40,
      renewTime: "2026-01-01T00:00:00.005000Z",
    });
    assert.equal(bench.lease()?.metadata?.namespace, "kube-node-lease");
    assert.deepEqual(bench.lease()?.metadata?.ownerReferences, [
      { apiVersion: "v1", kind: "Node", name: "n", uid: "node-uid" },
    ]);
    assert.deepEqual(await bench.writes(5_000), ["replace leases/n"]);
    for (let turn = 0; turn < 5; turn++) assert.deepEqual(await bench.writes(10_200), ["replace leases/n"]);
    assert.ok(!bench.api.calls.some(({ verb }) => verb === "get"));
  });

  it("wait for their Node", async () => {
    await using bench = new Bench();
    bench.uid = undefined;
    bench.leases.touch("n");
    assert.deepEqual(await bench.writes(60_000), []);
    bench.uid = "later";
    bench.leases.touch("n");
    assert.deepEqual(await bench.writes(10), ["create leases/n"]);
  });

  it("follow a new Node, and keep what others wrote on them", async () => {
    await using bench = new Bench();
    bench.leases.touch("n");
    await bench.clock.advance(10);
    bench.api.edit("leases", "n", (lease) => ({
      ...lease,
      metadata: { ...Object(lease["metadata"]), labels: { theirs: "1" } },
    }));
    bench.uid = "second";
    bench.leases.touch("n");
    await bench.clock.advance(10);
    assert.equal(bench.lease()?.metadata?.ownerReferences?.[0]?.uid, "second");
    assert.equal(bench.lease()?.metadata?.ownerReferences?.length, 1);
    assert.deepEqual(bench.lease()?.metadata?.labels, { theirs: "1" });
  });

  it("are made again when somebody deleted them", async () => {
    await using bench = new Bench();
    bench.leases.touch("n");
    await bench.clock.advance(10);
    bench.api.remove("leases", "n");
    bench.api.writes();
    assert.deepEqual(await bench.writes(5_000), ["replace leases/n", "create leases/n"]);
  });

  it("are tried again soon, five times at once only for conflicts, and told of once per outage", async () => {
    await using bench = new Bench();
    bench.leases.touch("n");
    bench.leases.touch("m");
    await bench.clock.advance(5_000);
    bench.api.writes();
    bench.api.fault = () => new VirtualKubeletError("Unavailable", "down");
    const during = await bench.writes(60_000);
    assert.ok(during.length >= 14 && during.length <= 60, `${during.length} tries in a minute`);
    assert.equal(bench.warnings.length, 1);
    bench.api.fault = () => undefined;
    assert.ok((await bench.writes(7_000)).includes("replace leases/n"));
    assert.equal(bench.lease()?.spec?.leaseDurationSeconds, 40);

    bench.api.fault = ({ verb }) => (verb === "replace" ? new VirtualKubeletError("Conflict", "always") : undefined);
    bench.api.writes();
    bench.leases.touch("n");
    assert.equal((await bench.writes(20)).length, 5);
  });

  it("tell their age, which grows while they are not renewed and is no more for a node that left", async () => {
    await using bench = new Bench();
    const ages = async (): Promise<readonly number[]> =>
      (await bench.metrics.leaseAge.get()).values.map(({ value }) => value);
    bench.leases.touch("n");
    await bench.clock.advance(15_000);
    assert.ok(((await ages())[0] ?? 99) <= 10, String(await ages()));
    bench.api.fault = () => new VirtualKubeletError("Unavailable", "down");
    await bench.clock.advance(60_000);
    const [age = 0] = await ages();
    assert.ok(age >= 60 && age <= 75, String(age));
    bench.leases.remove("n");
    assert.deepEqual(await ages(), []);
    assert.equal((await bench.metrics.leaseDuration.get()).values[0]?.value, 40);
  });

  it("of a thousand nodes are renewed evenly", async () => {
    let seed = 1;
    await using bench = new Bench(() => {
      seed = (seed * 16_807) % 2_147_483_647;
      return seed / 2_147_483_647;
    });
    for (let node = 0; node < 1_000; node++) bench.leases.touch(`n-${node}`);
    await bench.clock.advance(12_000);
    bench.api.writes();
    for (let second = 0; second < 20; second++) {
      const count = (await bench.writes(1_000)).length;
      assert.ok(count > 50 && count < 160, `${count} renewals in one second`);
    }
  });

  it("are left alone after remove, and gone after delete", async () => {
    await using bench = new Bench();
    bench.leases.touch("n");
    await bench.clock.advance(10);
    bench.leases.remove("n");
    bench.api.writes();
    assert.deepEqual(await bench.writes(60_000), []);
    assert.ok(bench.lease());
    await bench.leases.delete("n", new AbortController().signal);
    await bench.leases.delete("n", new AbortController().signal);
    assert.equal(bench.lease(), undefined);
  });

  it("need a duration that renewals can keep up with", () => {
    const api = new MemoryNodes();
    for (const durationSeconds of [0, 3, 4.5, -1]) {
      assert.throws(() => new LeaseController({ client: api.client, nodeUid: () => "u", durationSeconds }), {
        kind: "Invalid",
      });
    }
  });
});
