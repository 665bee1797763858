// What a pod's claim is bound to: read by get alone, once, only where a provider takes claims.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { services } from "../kube/resource.ts";
import { createMetrics } from "../metrics.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { knownPod, knownService } from "../testing/known-cluster.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import { MemoryObjects } from "../testing/memory-objects.ts";
import { PodResolver } from "./pod-resolver.ts";
import { claimedVolume, claimsFor } from "./volume-claim.ts";

const csi = { driver: "efs.csi.aws.com", volumeHandle: "fs-1" };
const pod = knownPod({ nodeName: "vk", volumes: [{ name: "v", persistentVolumeClaim: { claimName: "data" } }] });

class Bench implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  readonly asked: string[] = [];
  readonly objects: Map<string, object> = new Map();
  readonly resolver: PodResolver;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;

  constructor(claims: boolean) {
    const api = new MemoryObjects(() => this.clock.now());
    api.put(services, knownService("kubernetes", { ports: [{ port: 443 }] }, "default"));
    const get: KubeClient["get"] = async (of, { namespace, name }) => {
      const path = [namespace, of.plural, name].filter((part) => part !== undefined).join("/");
      this.asked.push(path);
      const object = this.objects.get(path);
      if (object === undefined) throw new VirtualKubeletError("NotFound", `${of.plural} "${name}" not found`);
      return JSON.parse(JSON.stringify({ metadata: { name, uid: `uid of ${name}`, resourceVersion: "1" }, ...object }));
    };
    this.resolver = new PodResolver({
      client: { ...api.client, get },
      ...{ clusterDomain: "c.local", node: () => undefined, onChange: () => {}, claims: () => claims },
      ...{ metrics: createMetrics(), log: new LogRecorder(), clock: this.clock, random: () => 0 },
    });
    this.#running = this.resolver.run(this.#end.signal);
  }

  async resolved() {
    this.resolver.resolve(pod);
    await settle();
    return this.resolver.resolve(pod);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.clock.advance(0);
    await this.#running;
  }
}

describe("a claim", () => {
  it("comes with what it is bound to, and is asked for once", async () => {
    await using bench = new Bench(true);
    bench.objects.set("shop/persistentvolumeclaims/data", { spec: { volumeName: "pv-1" } });
    const claimRef = { uid: "uid of data" };
    bench.objects.set("persistentvolumes/pv-1", { spec: { csi, claimRef, mountOptions: ["tls"], capacity: {} } });
    const resolution = await bench.resolved();
    assert.ok(resolution.type === "ready", JSON.stringify(resolution));
    const claimed = { name: "pv-1", csi, mountOptions: ["tls"] };
    assert.deepEqual(resolution.resolved.volumes, [{ name: "v", type: "backend", claimed }]);
    await bench.resolved();
    assert.deepEqual(bench.asked, ["shop/persistentvolumeclaims/data", "persistentvolumes/pv-1"]);
    assert.equal(bench.resolver.held > 0, true);
    bench.resolver.release(pod.metadata.uid);
    assert.equal(bench.resolver.held, 0);
  });

  it("that is not there, or not bound, is waited for, and told after a while", async () => {
    await using bench = new Bench(true);
    assert.equal((await bench.resolved()).type, "pending");
    await bench.clock.advance(11_000);
    const missing = await bench.resolved();
    assert.ok(missing.type === "missing");
    const [fault] = missing.faults;
    assert.deepEqual([fault?.field, fault?.reason], ["spec.volumes[0].persistentVolumeClaim", "FailedMount"]);
    assert.match(fault?.message ?? "", /^MountVolume.SetUp failed for volume "v" : .*"data" not found/);
    bench.objects.set("shop/persistentvolumeclaims/data", { spec: { volumeName: "pv-1" } });
    bench.objects.set("persistentvolumes/pv-1", { spec: { csi, claimRef: { uid: "of another" } } });
    await bench.clock.advance(60_000);
    const unbound = await bench.resolved();
    assert.match(unbound.type === "missing" ? (unbound.faults[0]?.message ?? "") : "", /"data" is not bound/);
  });

  it("is not read for a provider that takes none", async () => {
    await using bench = new Bench(false);
    const resolution = await bench.resolved();
    assert.ok(resolution.type === "ready");
    assert.deepEqual(resolution.resolved.volumes, [{ name: "v", type: "backend" }]);
    assert.deepEqual(bench.asked, []);
  });
});

describe("whose claims are read", () => {
  it("those of nodes whose provider says so", () => {
    const volumes = ["persistentVolumeClaim"] as const;
    const node = (name: string, capabilities?: object) => ({
      node: { name },
      provider: { ...(capabilities && { capabilities }) },
    });
    const are = claimsFor([
      node("a", { resolve: true, volumes }),
      node("b", { volumes }),
      node("c", { resolve: true }),
      node("d"),
    ]);
    assert.deepEqual(["a", "b", "c", "d", "e"].filter(are), ["a"]);
  });

  it("a file's objects count without UIDs", () => {
    const volume = { metadata: { name: "pv" }, spec: { nfs: { server: "s", path: "/" } } };
    assert.deepEqual(claimedVolume({}, volume), { name: "pv", nfs: { server: "s", path: "/" } });
  });
});
