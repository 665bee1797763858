// What is read of the cluster for pods, and for how long; in fake time, against an API in memory.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { configMaps, type Stored, secrets, services } from "../kube/resource.ts";
import type { Pod, PodSpec } from "../kube/types.gen.ts";
import { createMetrics } from "../metrics.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { knownPod, knownService } from "../testing/known-cluster.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import { MemoryObjects } from "../testing/memory-objects.ts";
import { PodResolver } from "./pod-resolver.ts";

const minute = 60_000;
const base64 = (text: string): string => Buffer.from(text).toString("base64");

class Bench implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly api = new MemoryObjects(() => this.clock.now());
  readonly log = new LogRecorder();
  readonly told: string[] = [];
  readonly resolver: PodResolver;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    const node = { metadata: { name: "vk", uid: "n", resourceVersion: "1" }, status: { allocatable: { cpu: "4" } } };
    this.resolver = new PodResolver({
      client: this.api.client,
      clusterDomain: "c.local",
      node: () => node,
      onChange: (uid) => this.told.push(uid),
      metrics: createMetrics(),
      log: this.log,
      clock: this.clock,
      random: () => 0,
    });
    this.#running = this.resolver.run(this.#end.signal);
    this.api.put(services, knownService("kubernetes", { clusterIP: "10.0.0.1", ports: [{ port: 443 }] }, "default"));
  }

  config(name: string, text: string): void {
    this.api.put(configMaps, { metadata: { name, namespace: "shop" }, data: { key: text } });
  }

  secret(name: string, text: string): void {
    this.api.put(secrets, { metadata: { name, namespace: "shop" }, data: { key: base64(text) } });
  }

  get watched(): readonly string[] {
    return [...this.api.open].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.clock.advance(0);
    await this.#running;
    assert.deepEqual(this.api.open, []);
  }
}

const pod = (spec: Partial<PodSpec>, uid = "u"): Stored<Pod> => knownPod(spec, { uid });
const ofSecret = (name: string): Partial<PodSpec> => ({
  containers: [{ name: "main", image: "i", env: [{ name: "K", valueFrom: { secretKeyRef: { name, key: "key" } } }] }],
});
const ofConfig = (name: string): Partial<PodSpec> => ({ volumes: [{ name: "v", configMap: { name } }] });
const token = { serviceAccountToken: { path: "token", expirationSeconds: 600 } };

describe("PodResolver", () => {
  it("asks for nothing before a pod needs it", async () => {
    await using bench = new Bench();
    await bench.clock.advance(10 * minute);
    assert.deepEqual([bench.api.begun, bench.api.tokenRequests], [[], []]);
  });

  it("reads what the pod refers to, object by object, and tells when to ask again", async () => {
    await using bench = new Bench();
    bench.secret("s", "hidden");
    bench.config("c", "text");
    const both = pod({ ...ofSecret("s"), ...ofConfig("c"), imagePullSecrets: [{ name: "pull" }] });
    assert.deepEqual(bench.resolver.resolve(both), { type: "pending" });
    await settle();
    assert.ok(bench.told.includes("u"));
    assert.deepEqual(bench.watched, [
      "configmaps shop metadata.name=c",
      "secrets shop metadata.name=pull",
      "secrets shop metadata.name=s",
      "services",
    ]);
    const resolution = bench.resolver.resolve(both);
    assert.ok(resolution.type === "ready");
    const env = new Map(resolution.resolved.containers[0]?.env.map(({ name, value }) => [name, value]));
    assert.equal(env.get("K"), "hidden");
    assert.equal(env.get("KUBERNETES_SERVICE_HOST"), "10.0.0.1");
    assert.equal(bench.api.begun.length, 4);
  });

  it("waits for the first full read of the Services, and tells of no later change of them", async () => {
    await using bench = new Bench();
    assert.equal(bench.resolver.resolve(pod({})).type, "pending");
    await settle();
    assert.equal(bench.resolver.resolve(pod({})).type, "ready");
    bench.told.length = 0;
    bench.api.put(services, knownService("db", { clusterIP: "10.0.0.2", ports: [{ port: 1 }] }));
    await settle();
    assert.deepEqual(bench.told, []);
  });

  it("watches for a pod that runs what its volumes need, and nothing else", async () => {
    await using bench = new Bench();
    bench.secret("s", "hidden");
    bench.config("c", "one");
    const both = pod({ ...ofSecret("s"), ...ofConfig("c") });
    bench.resolver.resolve(both);
    await settle();
    bench.resolver.volumes(both);
    await settle();
    assert.deepEqual(bench.watched, ["configmaps shop metadata.name=c", "services"]);
    bench.told.length = 0;
    bench.secret("s", "other");
    await settle();
    assert.deepEqual(bench.told, []);
    bench.config("c", "two");
    await settle();
    assert.deepEqual(bench.told, ["u"]);
    const { volumes } = bench.resolver.volumes(both);
    const [volume] = volumes;
    assert.ok(volume?.type === "files");
    assert.equal(Buffer.from(volume.files[0]?.data ?? []).toString(), "two");
  });

  it("keeps what is watched where that is asked for", async () => {
    await using bench = new Bench();
    const both = pod({ ...ofSecret("s"), ...ofConfig("c") });
    bench.resolver.resolve(both);
    await settle();
    bench.resolver.volumes(both, true);
    bench.resolver.volumes(pod(ofConfig("d")), true);
    await settle();
    const objects = [
      "configmaps shop metadata.name=c",
      "configmaps shop metadata.name=d",
      "secrets shop metadata.name=s",
    ];
    assert.deepEqual(bench.watched, [...objects, "services"]);
    bench.resolver.release("u");
    await settle();
    assert.deepEqual([bench.watched, bench.resolver.held], [["services"], 0]);
  });

  it("tells when a token was renewed", async () => {
    await using bench = new Bench();
    const of = pod({ volumes: [{ name: "v", projected: { sources: [token] } }] });
    bench.resolver.resolve(of);
    await bench.clock.advance(479_000);
    const data = (): string => {
      const [volume] = bench.resolver.volumes(of).volumes;
      return volume?.type === "files" ? Buffer.from(volume.files[0]?.data ?? []).toString() : "";
    };
    assert.equal(data(), "token 1");
    bench.told.length = 0;
    await bench.clock.advance(2000);
    assert.deepEqual([bench.told, data()], [["u"], "token 2"]);
  });

  it("shares objects among pods, and lets go of them with the last", async () => {
    await using bench = new Bench();
    bench.secret("s", "x");
    for (const uid of ["u", "w"]) bench.resolver.resolve(pod(ofSecret("s"), uid));
    await settle();
    bench.resolver.release("u");
    await settle();
    assert.deepEqual(bench.watched, ["secrets shop metadata.name=s", "services"]);
    bench.resolver.release("w");
    await settle();
    assert.deepEqual([bench.watched, bench.resolver.held], [["services"], 0]);
  });

  it("follows a pod whose spec changed", async () => {
    await using bench = new Bench();
    bench.resolver.resolve(pod(ofConfig("one")));
    await settle();
    bench.resolver.resolve(pod(ofConfig("two")));
    await settle();
    assert.deepEqual(bench.watched, ["configmaps shop metadata.name=two", "services"]);
  });

  it("holds nothing of pods that are gone, whatever was asked in whatever order", async () => {
    const uid = fc.constantFrom("u", "v", "w");
    const spec = fc.constantFrom<Partial<PodSpec>>(
      ofSecret("a"),
      ofSecret("b"),
      ofConfig("a"),
      { ...ofSecret("a"), ...ofConfig("b"), imagePullSecrets: [{ name: "b" }] },
      { volumes: [{ name: "v", projected: { sources: [token, { secret: { name: "a" } }] } }] },
      {},
    );
    const step = fc.record({ do: fc.constantFrom("resolve", "volumes", "release", "settle", "put"), uid, spec });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        await using bench = new Bench();
        for (const { do: what, uid: of, spec: given } of steps) {
          if (what === "resolve") bench.resolver.resolve(pod(given, of));
          else if (what === "volumes") bench.resolver.volumes(pod(given, of));
          else if (what === "release") bench.resolver.release(of);
          else if (what === "put") bench.secret("a", of);
          else await settle();
        }
        for (const each of ["u", "v", "w"]) bench.resolver.release(each);
        await settle();
        assert.equal(bench.resolver.held, 0);
        assert.deepEqual(
          bench.watched.filter((each) => each !== "services"),
          [],
        );
        const asked = bench.api.tokenRequests.length;
        bench.told.length = 0;
        bench.secret("a", "changed");
        await bench.clock.advance(60 * minute);
        assert.deepEqual([bench.told, bench.api.tokenRequests.length], [[], asked]);
      }),
      { numRuns: 60 },
    );
  });

  it("writes no secret into its log", async () => {
    await using bench = new Bench();
    bench.secret("s", "hidden-value");
    bench.resolver.resolve(pod({ ...ofSecret("s"), volumes: [{ name: "v", projected: { sources: [token] } }] }));
    await bench.clock.advance(20 * minute);
    const text = JSON.stringify(bench.log.lines);
    for (const hidden of ["hidden-value", base64("hidden-value"), "token 1"]) assert.ok(!text.includes(hidden));
  });
});
