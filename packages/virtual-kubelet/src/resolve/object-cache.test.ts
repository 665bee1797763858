// One watch for each object, whoever holds it and in whatever order: shared, counted, told of, closed.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import { configMaps } from "../kube/resource.ts";
import type { ConfigMap } from "../kube/types.gen.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import { MemoryObjects } from "../testing/memory-objects.ts";
import { ObjectCache, patienceMs } from "./object-cache.ts";

class Bench implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly api = new MemoryObjects(() => this.clock.now());
  readonly log = new LogRecorder();
  readonly told: string[] = [];
  readonly cache: ObjectCache<ConfigMap>;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;

  constructor() {
    this.cache = new ObjectCache({
      client: this.api.client,
      resource: configMaps,
      onChange: (uid) => this.told.push(uid),
      clock: this.clock,
      random: () => 0.5,
      log: this.log,
    });
    this.#running = this.cache.run(this.#end.signal);
  }

  put(name: string, data: Readonly<Record<string, string>>, more: Partial<ConfigMap> = {}): void {
    this.api.put(configMaps, { metadata: { name, namespace: "shop" }, data, ...more });
  }

  /** Its data, or its state. */
  look(uid: string, name: string): unknown {
    const view = this.cache.hold(uid, "shop", name);
    return view.state === "found" ? view.value.data : view.state;
  }

  release(uid: string, name: string): void {
    this.cache.release(uid, this.cache.key("shop", name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#running;
    assert.deepEqual(this.api.open, []);
  }
}

describe("ObjectCache", () => {
  it("reads an object once for all who hold it, and tells each of changes", async () => {
    await using bench = new Bench();
    bench.put("a", { k: "1" });
    assert.equal(bench.look("p1", "a"), "pending");
    assert.equal(bench.look("p2", "a"), "pending");
    await settle();
    assert.deepEqual(bench.told.splice(0).sort(), ["p1", "p2"]);
    assert.deepEqual(bench.look("p1", "a"), { k: "1" });
    bench.put("a", { k: "2" });
    bench.put("other", { k: "x" });
    await settle();
    assert.deepEqual(bench.told.splice(0).sort(), ["p1", "p2"]);
    assert.deepEqual(bench.look("p2", "a"), { k: "2" });
    assert.deepEqual(bench.api.begun, ["configmaps shop metadata.name=a"]);
  });

  it("knows what is not there, and tells when it comes and goes", async () => {
    await using bench = new Bench();
    bench.look("p", "a");
    await settle();
    assert.equal(bench.look("p", "a"), "absent");
    bench.told.length = 0;
    bench.put("a", { k: "1" });
    await settle();
    assert.deepEqual([bench.told.splice(0), bench.look("p", "a")], [["p"], { k: "1" }]);
    bench.api.delete(configMaps, "shop", "a");
    await settle();
    assert.deepEqual([bench.told.splice(0), bench.look("p", "a")], [["p"], "absent"]);
  });

  it("ends the watch with the last who holds it, and begins anew", async () => {
    await using bench = new Bench();
    bench.put("a", { k: "1" });
    for (const uid of ["p1", "p2"]) bench.look(uid, "a");
    await settle();
    bench.release("p1", "a");
    bench.release("p1", "a");
    await settle();
    assert.equal(bench.api.open.length, 1);
    bench.told.length = 0;
    bench.release("p2", "a");
    assert.equal(bench.cache.size, 0);
    bench.put("a", { k: "2" });
    await settle();
    assert.deepEqual([bench.api.open, bench.told], [[], []]);
    assert.equal(bench.look("p3", "a"), "pending");
    await settle();
    assert.deepEqual(bench.look("p3", "a"), { k: "2" });
  });

  it("waits out an authoriser that lags, without a word", async () => {
    await using bench = new Bench();
    bench.put("a", { k: "1" });
    bench.api.fault = () => new VirtualKubeletError("Forbidden", "no relationship found");
    bench.look("p", "a");
    await bench.clock.advance(3000);
    assert.equal(bench.look("p", "a"), "pending");
    bench.api.fault = undefined;
    await bench.clock.advance(4000);
    assert.deepEqual([bench.told, bench.look("p", "a")], [["p"], { k: "1" }]);
    assert.equal(bench.log.count(/./, "warn") + bench.log.count(/./, "error"), 0);
  });

  it("says what keeps an object from being read, and goes on trying", async () => {
    await using bench = new Bench();
    bench.put("a", { k: "1" });
    bench.api.fault = () => new VirtualKubeletError("Forbidden", "not for you");
    bench.look("p", "a");
    await bench.clock.advance(patienceMs);
    assert.deepEqual(bench.told.splice(0), ["p"]);
    assert.deepEqual(bench.cache.hold("p", "shop", "a"), { state: "unreadable", message: "not for you" });
    bench.api.fault = undefined;
    await bench.clock.advance(30_000);
    assert.deepEqual([bench.told, bench.look("p", "a")], [["p"], { k: "1" }]);
  });

  it("does not watch what cannot change", async () => {
    await using bench = new Bench();
    bench.put("fixed", { k: "1" }, { immutable: true });
    bench.put("becomes", { k: "1" });
    for (const name of ["fixed", "becomes"]) bench.look("p", name);
    await settle();
    assert.deepEqual(bench.api.open, ["configmaps shop metadata.name=becomes"]);
    bench.put("becomes", { k: "2" }, { immutable: true });
    await settle();
    assert.deepEqual(bench.api.open, []);
    assert.deepEqual([bench.look("p", "fixed"), bench.look("q", "becomes")], [{ k: "1" }, { k: "2" }]);
    assert.equal(bench.api.begun.length, 2);
  });

  it("holds, tells and forgets rightly, whatever happens in whatever order", async () => {
    const pod = fc.constantFrom("p1", "p2", "p3");
    const name = fc.constantFrom("a", "b");
    const step = fc.oneof(
      fc.record({ do: fc.constant("look" as const), pod, name }),
      fc.record({ do: fc.constant("release" as const), pod, name }),
      fc.record({ do: fc.constant("put" as const), pod, name }),
      fc.record({ do: fc.constant("delete" as const), pod, name }),
      fc.record({ do: fc.constant("settle" as const), pod, name }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        await using bench = new Bench();
        const holds = new Map<string, Set<string>>();
        const objects = new Map<string, string>();
        /** What each pod saw last of what it holds. */
        const seen = new Map<string, unknown>();
        for (const [index, { do: what, pod: uid, name: of }] of steps.entries()) {
          const holders = holds.get(of) ?? new Set();
          holds.set(of, holders);
          if (what === "look") {
            holders.add(uid);
            seen.set(`${uid} ${of}`, bench.look(uid, of));
          } else if (what === "release") {
            holders.delete(uid);
            bench.release(uid, of);
          } else if (what === "put") {
            objects.set(of, String(index));
            bench.put(of, { k: String(index) });
          } else if (what === "delete") {
            objects.delete(of);
            bench.api.delete(configMaps, "shop", of);
          } else {
            await settle();
            const held = [...holds].filter(([, pods]) => pods.size > 0).map(([each]) => each);
            assert.equal(bench.cache.size, held.length);
            assert.deepEqual(
              [...bench.api.open].sort(),
              held.map((each) => `configmaps shop metadata.name=${each}`).sort(),
            );
            for (const each of held)
              for (const holder of holds.get(each) ?? []) {
                const value = objects.get(each);
                const now = bench.look(holder, each);
                assert.deepEqual(now, value === undefined ? "absent" : { k: value });
                const before = seen.get(`${holder} ${each}`);
                if (JSON.stringify(before) !== JSON.stringify(now)) assert.ok(bench.told.includes(holder), "told");
                seen.set(`${holder} ${each}`, now);
              }
            bench.told.length = 0;
          }
        }
        for (const [of, holders] of holds) for (const uid of holders) bench.release(uid, of);
        assert.equal(bench.cache.size, 0);
        await settle();
        assert.deepEqual(bench.api.open, []);
        assert.equal(bench.clock.pending, 0);
      }),
      { numRuns: 60 },
    );
  });
});
