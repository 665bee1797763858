// The pod controller between an API in memory and a simulated backend, in fake time: what a user sees, and what each side is told.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { PodRequest } from "../provider/pods.ts";
import type { Provider } from "../provider.ts";
import { PodBench } from "../testing/pod-bench.ts";

const second = 1000;
const minute = 60_000;

/** What a backend is told to run, as by a controller that is no more. */
function request(uid: string, owner: Partial<PodRequest["owner"]> = {}): PodRequest {
  const metadata = { name: uid, namespace: "default", uid, resourceVersion: "1" };
  return {
    owner: { cluster: "c", node: "n", namespace: "default", name: uid, uid, ...owner },
    revision: "1",
    pod: { metadata, spec: { containers: [{ name: "main", image: "i" }] } },
  };
}

describe("a pod's life", () => {
  it("without the token that the backend cannot mount is told so", async () => {
    await using bench = new PodBench({ capabilities: { volumes: ["emptyDir"] } });
    await bench.start();
    bench.api.create("n", "web", { spec: { volumes: [{ name: "kube-api-access-x", projected: { sources: [] } }] } });
    await bench.clock.advance(second);
    assert.equal(bench.phase("web"), "Running");
    assert.equal(bench.events.filter((text) => text.includes("PodFeatureOmitted")).length, 1);
  });

  it("takes three writes with patches as well", async () => {
    await using bench = new PodBench({ controller: { statusForm: "patch" } });
    await bench.start();
    bench.api.create("n", "web");
    await bench.clock.advance(minute);
    bench.api.remove("web");
    await bench.clock.advance(minute);
    assert.deepEqual(bench.api.writes(), ["patch web Running", "patch web Succeeded", "delete web"]);
    assert.deepEqual(bench.api.sins, []);
  });

  it("takes three writes: Running, the terminal phase, DELETE", async () => {
    await using bench = new PodBench({ behaviour: { terminateDelay: 500 } });
    await bench.start();
    bench.api.create("n", "web");
    await bench.clock.advance(5 * minute);
    assert.equal(bench.phase("web"), "Running");
    bench.api.remove("web");
    await bench.clock.advance(5 * minute);
    assert.equal(bench.api.get("web"), undefined);
    assert.deepEqual(bench.api.writes(), ["put web Running", "put web Succeeded", "delete web"]);
    assert.deepEqual(bench.api.sins, []);
    assert.equal(bench.backend.size, 0);
  });

  it("leaves nothing of a pod behind, in whatever order answer and event of the DELETE come", async () => {
    await using bench = new PodBench();
    bench.api.after = (call) => (call.verb === "delete" ? bench.clock.advance(0) : undefined);
    const controller = await bench.start();
    for (let round = 0; round < 5; round++) {
      bench.api.create("n", "web");
      await bench.clock.advance(second);
      bench.api.remove("web");
      await bench.clock.advance(second);
    }
    assert.equal(bench.api.all().length, 0);
    assert.equal(controller.remembered, 0);
  });

  it("ends by itself: Succeeded once, the object stays until it is deleted", async () => {
    await using bench = new PodBench({ behaviour: { runTime: 5 * second } });
    await bench.start();
    bench.api.create("n", "job", { spec: { restartPolicy: "Never" } });
    await bench.clock.advance(minute);
    assert.deepEqual(bench.api.writes(), ["put job Running", "put job Succeeded"]);
    bench.api.remove("job");
    await bench.clock.advance(second);
    assert.equal(bench.api.get("job"), undefined);
    await bench.clock.advance(2 * minute);
    assert.equal(bench.backend.size, 0);
  });

  it("keeps conditions of others, also one that was written beside our own write", async () => {
    await using bench = new PodBench();
    await bench.start();
    const gate = { type: "example.com/gate", status: "True" as const };
    const spec = { readinessGates: [{ conditionType: gate.type }] };
    let flip = true;
    bench.api.before = ({ verb, name }) => {
      if (verb !== "put" || !flip) return;
      flip = false;
      bench.api.edit(name, (pod) => ({ ...pod, status: { ...pod.status, conditions: [gate] } }));
    };
    bench.api.create("n", "web", { spec });
    await bench.clock.advance(second);
    const conditions = bench.api.get("web")?.status?.conditions ?? [];
    assert.equal(conditions.find(({ type }) => type === gate.type)?.status, "True");
    assert.equal(conditions.find(({ type }) => type === "Ready")?.status, "True");
  });
});

describe("deletion", () => {
  it("of a pod whose create hangs ends the create, and the pod", async () => {
    await using bench = new PodBench();
    await bench.start();
    bench.provider().control.faults.addHang({ method: "createPod" });
    bench.api.create("n", "web");
    await bench.clock.advance(10 * second);
    bench.api.remove("web");
    await bench.clock.advance(5 * second);
    assert.equal(bench.api.get("web"), undefined);
    assert.deepEqual(bench.api.sins, []);
  });

  it("of a pod whose create hangs for good, and is done late, leaves nothing running", async () => {
    await using bench = new PodBench();
    await bench.start();
    const { faults } = bench.provider().control;
    faults.addHang({ method: "createPod", next: 1, ignoreAbort: true });
    bench.api.create("n", "web");
    await bench.clock.advance(10 * second);
    bench.api.remove("web");
    await bench.clock.advance(5 * second);
    assert.equal(bench.api.get("web"), undefined);
    faults.releaseHangs();
    await bench.clock.advance(second);
    assert.equal(bench.backend.size, 1, "the backend got round to it");
    await bench.clock.advance(2 * minute);
    assert.equal(bench.backend.size, 0);
  });

  it("with a shorter grace is told again, also while the first call hangs", async () => {
    for (const hangs of [false, true]) {
      await using bench = new PodBench({ behaviour: { terminateDelay: 10 * minute } });
      await bench.start();
      bench.api.create("n", "web");
      await bench.clock.advance(second);
      if (hangs) bench.provider().control.faults.addHang({ method: "deletePod", next: 1 });
      bench.api.remove("web", 600);
      await bench.clock.advance(second);
      bench.api.remove("web", 5);
      await bench.clock.advance(10 * second);
      assert.deepEqual(
        bench.calls.filter((call) => call.startsWith("deletePod")),
        ["deletePod web 600", "deletePod web 5"],
      );
      assert.equal(bench.api.get("web"), undefined, hangs ? "hanging" : "not hanging");
      assert.deepEqual(bench.api.sins, []);
    }
  });

  it("by force kills on the backend and writes nothing more", async () => {
    await using bench = new PodBench({ behaviour: { terminateDelay: 10 * minute } });
    await bench.start();
    bench.api.create("n", "web");
    await bench.clock.advance(second);
    bench.api.writes();
    bench.api.remove("web", 0);
    await bench.clock.advance(second);
    assert.equal(bench.backend.size, 0);
    assert.ok(bench.calls.includes("deletePod web 0"));
    assert.deepEqual(bench.api.writes(), []);
  });

  it("by force makes room for another pod at once", async () => {
    await using bench = new PodBench();
    bench.capacity = "1";
    await bench.start();
    bench.api.create("n", "web");
    await bench.clock.advance(second);
    bench.provider().control.faults.addHang({ method: "deletePod", next: 1 });
    bench.api.remove("web", 0);
    bench.api.create("n", "next");
    await bench.clock.advance(second);
    assert.equal(bench.phase("next"), "Running");
  });

  it("with a finalizer sends one DELETE and waits for the finalizer", async () => {
    await using bench = new PodBench();
    await bench.start();
    bench.api.create("n", "web", { metadata: { finalizers: ["example.com/hold"] } });
    await bench.clock.advance(second);
    bench.api.remove("web");
    await bench.clock.advance(10 * minute);
    assert.equal(bench.phase("web"), "Succeeded");
    assert.equal(bench.api.writes().filter((write) => write === "delete web").length, 1);
    bench.api.edit("web", (pod) => ({ ...pod, metadata: { ...pod.metadata, finalizers: [] } }));
    await bench.clock.advance(second);
    assert.equal(bench.api.get("web"), undefined);
  });

  it("of a pod that the backend does not show yet is asked for again as soon as it does", async () => {
    for (const polling of [true, false]) {
      await using bench = new PodBench({ consistencyDelayMs: 20 * second, polling });
      await bench.start();
      bench.api.create("n", "web");
      await bench.clock.advance(2 * second);
      bench.api.remove("web", 600);
      await bench.clock.advance(22 * second);
      assert.equal(bench.backend.size, 0);
      assert.equal(bench.api.get("web"), undefined);
      assert.deepEqual(bench.api.sins, []);
    }
  });

  it("is asked for again when the backend shows no effect", async () => {
    await using bench = new PodBench({ behaviour: { terminateDelay: 60 * minute } });
    await bench.start();
    bench.api.create("n", "web");
    await bench.clock.advance(second);
    bench.provider().control.faults.addError({ method: "deletePod", kind: "Unavailable", next: 3 });
    bench.api.remove("web", 30);
    await bench.clock.advance(2 * minute);
    assert.equal(bench.api.get("web"), undefined);
    assert.equal(bench.backend.size, 0);
  });

  it("missed while the watch was away is seen by the next full read, and the namesake runs", async () => {
    await using bench = new PodBench();
    await bench.start();
    const first = bench.api.create("n", "web");
    await bench.clock.advance(second);
    bench.api.watchFault = () => new VirtualKubeletError("Unavailable", "away");
    bench.api.cutWatches(true);
    await bench.clock.advance(second);
    bench.api.remove("web", 0);
    const next = bench.api.create("n", "web");
    bench.api.watchFault = undefined;
    bench.api.cutWatches(true);
    await bench.clock.advance(2 * minute);
    assert.equal(bench.phase("web"), "Running");
    assert.deepEqual(
      bench.backend.list("n").map(({ owner }) => owner.uid),
      [next.metadata.uid],
    );
    assert.notEqual(first.metadata.uid, next.metadata.uid);
    assert.deepEqual(bench.api.sins, []);
  });
});

describe("creation", () => {
  for (const kind of [
    "Unavailable",
    "Quota",
    "Throttled",
    "Conflict",
    "Unauthorized",
    "Forbidden",
    "Internal",
  ] as const)
    for (const restartPolicy of ["Always", "OnFailure", "Never"])
      it(`${kind}, ${restartPolicy}: Pending, never Failed, and tried until it works`, async () => {
        await using bench = new PodBench();
        await bench.start();
        const { faults } = bench.provider().control;
        faults.addError({ method: "createPod", kind, message: "no luck", retryAfter: 2000 });
        bench.api.create("n", "web", { spec: { restartPolicy } });
        await bench.clock.advance(10 * minute);
        const { status } = bench.api.get("web") ?? {};
        assert.deepEqual([status?.phase, status?.reason, status?.message], ["Pending", "ProviderFailed", "no luck"]);
        const tries = bench.calls.filter((call) => call === "createPod web").length;
        assert.ok(tries >= 4 && tries <= 20, `${tries} tries`);
        assert.ok(bench.api.writes().length <= 2, "one write for one failure");
        faults.clear();
        await bench.clock.advance(6 * minute);
        assert.equal(bench.phase("web"), "Running");
        assert.equal(bench.api.get("web")?.status?.reason, undefined);
      });

  it("an outcome that is not known leads to another call, not to another pod", async () => {
    await using bench = new PodBench();
    await bench.start();
    const { faults } = bench.provider().control;
    faults.addError({ method: "createPod", kind: "Unavailable", when: "after", next: 1 });
    const { uid } = bench.api.create("n", "web").metadata;
    await bench.clock.advance(minute);
    assert.equal(bench.phase("web"), "Running");
    assert.ok((bench.creates.get(uid)?.length ?? 0) <= 2);
    assert.equal(bench.creates.get(uid)?.filter((outcome) => outcome === "created").length, 1);
  });

  for (const [httpStatus, isCertain] of [
    [400, true],
    [408, false],
    [503, false],
    [undefined, false],
  ] as const)
    it(`that fails with ${httpStatus ?? "no answer"}: its deletion ${isCertain ? "does not wait" : "waits for what may show up"}`, async () => {
      const wrap = (provider: Provider): Provider =>
        Object.assign(Object.create(provider), {
          createPod: () => Promise.reject(new VirtualKubeletError("Unavailable", "no image", { httpStatus })),
        });
      await using bench = new PodBench({ consistencyDelayMs: 30 * second, wrap });
      await bench.start();
      bench.api.create("n", "web");
      await bench.clock.advance(second);
      assert.equal(bench.api.get("web")?.status?.reason, "ProviderFailed");
      bench.api.remove("web");
      await bench.clock.advance(second);
      assert.equal(bench.api.get("web") === undefined, isCertain);
      await bench.clock.advance(minute);
      assert.equal(bench.api.get("web"), undefined);
    });

  it("that can never work fails the pod and names the field", async () => {
    await using bench = new PodBench();
    await bench.start();
    const message = "spec.containers[0].image: no such architecture";
    bench.provider().control.faults.addError({ method: "createPod", kind: "Invalid", message });
    bench.api.create("n", "web");
    await bench.clock.advance(second);
    const { status } = bench.api.get("web") ?? {};
    assert.equal(status?.phase, "Failed");
    assert.equal(status?.reason, "ProviderFailed");
    assert.ok(status?.message?.includes(message));
    assert.equal(bench.calls.filter((call) => call === "createPod web").length, 1);
    bench.api.remove("web");
    await bench.clock.advance(second);
    assert.equal(bench.api.get("web"), undefined);
  });

  it("that hangs is given up after its time, and its worker freed", async () => {
    await using bench = new PodBench({ controller: { workers: 1 } });
    await bench.start();
    bench.provider().control.faults.addHang({ method: "createPod", next: 1, ignoreAbort: true });
    bench.api.create("n", "slow");
    await bench.clock.advance(second);
    bench.api.create("n", "web");
    await bench.clock.advance(2 * minute + second);
    assert.equal(bench.phase("web"), "Running");
    await bench.clock.advance(second);
    assert.equal(bench.phase("slow"), "Running");
  });

  it("that the provider breaks off by itself is a failure, not a reason to spin", async () => {
    await using bench = new PodBench();
    await bench.start();
    bench.api.create("n", "web");
    await bench.clock.advance(second);
    const aborted = { kind: "Aborted" } as const;
    for (const method of ["createPod", "deletePod", "updatePod", "getPodStatus"] as const)
      bench.provider().control.faults.addError({ method, ...aborted });
    bench.api.create("n", "other");
    bench.api.edit("web", (pod) => ({ ...pod, metadata: { ...pod.metadata, labels: { a: "b" } } }));
    await bench.clock.advance(second);
    bench.api.remove("web");
    await bench.clock.advance(10 * second);
    assert.ok(bench.calls.length < 40, `${bench.calls.length} calls`);
  });
});

describe("a pod that the backend no longer has", () => {
  it("is lost after two answers 30 s apart, and never made again", async () => {
    await using bench = new PodBench();
    await bench.start();
    const { uid } = bench.api.create("n", "web").metadata;
    await bench.clock.advance(10 * second);
    bench.backend.lose(uid);
    bench.provider().control.faults.cutWatches();
    await bench.clock.advance(29 * second);
    assert.equal(bench.phase("web"), "Running");
    await bench.clock.advance(5 * second);
    const { status } = bench.api.get("web") ?? {};
    assert.deepEqual([status?.phase, status?.reason], ["Failed", "ProviderLostPod"]);
    assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 137);
    await bench.clock.advance(10 * minute);
    assert.deepEqual(bench.creates.get(uid), ["created"]);
  });

  it("is not lost by errors, nor by answers within the consistency delay", async () => {
    await using bench = new PodBench({ consistencyDelayMs: 20 * second, polling: true });
    await bench.start();
    const { uid } = bench.api.create("n", "web").metadata;
    await bench.clock.advance(19 * second);
    assert.notEqual(bench.phase("web"), "Failed");
    await bench.clock.advance(40 * second);
    assert.equal(bench.phase("web"), "Running");
    const { faults } = bench.provider().control;
    faults.addError({ method: "getPods", kind: "NotFound" });
    faults.addError({ method: "getPodStatus", kind: "Forbidden" });
    await bench.clock.advance(5 * minute);
    assert.equal(bench.phase("web"), "Running");
    assert.deepEqual(bench.creates.get(uid), ["created"]);
  });

  it("comes back after one answer: nothing happens", async () => {
    await using bench = new PodBench({ polling: true });
    await bench.start();
    bench.api.create("n", "web");
    await bench.clock.advance(10 * second);
    bench.api.writes();
    const list = bench.backend.list.bind(bench.backend);
    const get = bench.backend.get.bind(bench.backend);
    bench.backend.list = () => [];
    bench.backend.get = (name) => {
      throw new VirtualKubeletError("NotFound", name);
    };
    await bench.clock.advance(25 * second);
    bench.backend.list = list;
    bench.backend.get = get;
    await bench.clock.advance(5 * minute);
    assert.equal(bench.phase("web"), "Running");
    assert.deepEqual(bench.api.writes(), []);
  });

  it("was removed there by hand: after a restart a pod that ran is lost, not made again", async () => {
    await using bench = new PodBench();
    await bench.start();
    const { uid } = bench.api.create("n", "web").metadata;
    await bench.clock.advance(second);
    await bench.stop();
    bench.backend.remove(uid);
    await bench.start(minute);
    assert.equal(bench.phase("web"), "Failed");
    assert.deepEqual(bench.creates.get(uid), ["created"]);
  });
});

describe("orphans", () => {
  it("go after their grace; foreign clusters' and nodes' pods stay", async () => {
    await using bench = new PodBench();
    bench.backend.create(request("orphan"));
    bench.backend.create(request("foreign-cluster", { cluster: "other" }));
    bench.backend.create(request("foreign-node", { node: "m" }));
    await bench.start();
    await bench.clock.advance(55 * second);
    assert.equal(bench.backend.size, 3);
    await bench.clock.advance(10 * minute);
    assert.deepEqual(
      bench.backend.list().map(({ owner }) => owner.uid),
      ["foreign-cluster", "foreign-node"],
    );
    assert.deepEqual(
      bench.calls.filter((call) => call.startsWith("deletePod")),
      ["deletePod orphan 30"],
    );
  });

  it("are left alone when the API, asked again, has the pod", async () => {
    await using bench = new PodBench();
    const pod = bench.api.create("n", "web");
    bench.backend.create(request(pod.metadata.uid, { name: "web" }));
    // The watch does not show it, the API has it.
    const watch = bench.api.client.watch.bind(bench.api.client);
    bench.api.client.watch = (of, options) => watch(of, { ...options, fieldSelector: "spec.nodeName=nowhere" });
    await bench.start();
    await bench.clock.advance(10 * minute);
    assert.equal(bench.backend.size, 1);
    assert.deepEqual(
      bench.calls.filter((call) => call.startsWith("deletePod")),
      [],
    );
  });

  it("are left alone while the API cannot be asked", async () => {
    await using bench = new PodBench();
    bench.backend.create(request("orphan"));
    bench.api.before = ({ verb }) => {
      if (verb === "list") throw new VirtualKubeletError("Unavailable", "down");
    };
    await bench.start();
    await bench.clock.advance(10 * minute);
    assert.equal(bench.backend.size, 1);
    bench.api.before = () => {};
    await bench.clock.advance(10 * minute);
    assert.equal(bench.backend.size, 0);
  });
});

describe("adoption", () => {
  it("takes over what runs, told by the API first or by the backend first", async () => {
    for (const slow of ["neither", "api", "backend"] as const) {
      await using bench = new PodBench();
      await bench.start();
      const { uid } = bench.api.create("n", "web").metadata;
      await bench.clock.advance(second);
      await bench.stop();
      bench.api.writes();
      bench.calls.length = 0;
      if (slow === "backend") bench.provider().control.faults.setLatency("getPods", 5 * second);
      if (slow === "api") bench.api.watchFault = () => new VirtualKubeletError("Unavailable", "later");
      await bench.start();
      await bench.clock.advance(3 * second);
      bench.api.watchFault = undefined;
      await bench.clock.advance(5 * minute);
      assert.deepEqual(bench.creates.get(uid), ["created"], slow);
      assert.deepEqual(bench.api.writes(), [], slow);
      assert.deepEqual([...new Set(bench.calls)], ["getPods"], slow);
    }
  });

  it("finishes what was deleted while nobody was there", async () => {
    await using bench = new PodBench();
    await bench.start();
    bench.api.create("n", "gone");
    bench.api.create("n", "going");
    await bench.clock.advance(second);
    await bench.stop();
    bench.api.remove("gone", 0);
    bench.api.remove("going");
    await bench.start(2 * minute);
    assert.equal(bench.api.all().length, 0);
    assert.equal(bench.backend.size, 0);
    assert.deepEqual(bench.api.sins, []);
  });

  it("sees what changed meanwhile although another node's pods are known later", async () => {
    await using bench = new PodBench({ nodes: ["n", "m"] });
    await bench.start();
    const { uid } = bench.api.create("n", "web").metadata;
    await bench.clock.advance(second);
    await bench.stop();
    bench.backend.setPodReady(uid, false);
    bench.api.watchFault = (selector) =>
      selector === "spec.nodeName=m" ? new VirtualKubeletError("Unavailable", "later") : undefined;
    await bench.start(3 * second);
    bench.api.watchFault = undefined;
    await bench.clock.advance(5 * second);
    const ready = bench.api.get("web")?.status?.conditions?.find(({ type }) => type === "Ready");
    assert.equal(ready?.status, "False");
  });
});

describe("the API server's failures", () => {
  it("writes are tried until they work, and the newest status wins", async () => {
    await using bench = new PodBench();
    await bench.start();
    const times: number[] = [];
    bench.api.before = ({ verb }) => {
      if (verb !== "put" && verb !== "patch") return;
      times.push(bench.clock.now());
      throw new VirtualKubeletError("Unavailable", "500", { httpStatus: 500 });
    };
    bench.api.create("n", "job", { spec: { restartPolicy: "Never" } });
    await bench.clock.advance(30 * second);
    const [report] = bench.backend.list("n");
    bench.backend.exitContainer(report?.owner.uid ?? "", "main", 3);
    await bench.clock.advance(5 * minute);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    assert.ok(times.length >= 8 && times.length <= 30, `${times.length} tries`);
    assert.ok(Math.max(...gaps) <= minute);
    bench.api.before = () => {};
    await bench.clock.advance(minute);
    assert.deepEqual(bench.api.writes(), ["put job Failed"]);
  });

  it("a lost answer to the terminal write or the DELETE ends well", async () => {
    await using bench = new PodBench();
    await bench.start();
    bench.api.create("n", "web");
    await bench.clock.advance(second);
    bench.api.after = ({ verb }) => {
      if (verb !== "list" && bench.clock.now() % 3 < 2) throw new VirtualKubeletError("Unavailable", "reset");
    };
    bench.api.remove("web");
    await bench.clock.advance(5 * minute);
    assert.equal(bench.api.get("web"), undefined);
    assert.deepEqual(bench.api.sins, []);
  });

  it("PUT form: a foreign write between makes it a patch", async () => {
    await using bench = new PodBench({ controller: { statusForm: "put" } });
    await bench.start();
    let once = true;
    bench.api.before = ({ verb, name }) => {
      if (verb !== "put" || !once) return;
      once = false;
      bench.api.edit(name, (pod) => ({ ...pod, metadata: { ...pod.metadata, labels: { a: "b" } } }));
    };
    bench.api.create("n", "web");
    await bench.clock.advance(second);
    bench.api.remove("web");
    await bench.clock.advance(second);
    const [first, ...rest] = bench.api.writes();
    assert.equal(first, "patch web Running");
    assert.deepEqual(rest.at(-1), "delete web");
    assert.ok(rest.includes("put web Succeeded"));
  });
});

describe("a backend that cannot push", () => {
  it("is asked seldom once nothing moves, although a pod was stopped and its object stays", async () => {
    await using bench = new PodBench({ polling: true });
    await bench.start();
    bench.api.create("n", "web");
    bench.api.create("n", "job", { spec: { restartPolicy: "Never", activeDeadlineSeconds: 60 } });
    await bench.clock.advance(5 * minute);
    assert.equal(bench.api.get("job")?.status?.reason, "DeadlineExceeded");
    const ends = (): string[] => bench.calls.filter((call) => /^(stop|delete)Pod job/.test(call));
    assert.deepEqual(ends(), ["stopPod job 30 DeadlineExceeded"], "what is left of it stays");
    bench.calls.length = 0;
    await bench.clock.advance(10 * minute);
    const { length } = bench.calls.filter((call) => call === "getPods");
    assert.ok(length <= 25, `${length} listings in ten minutes`);
    assert.deepEqual(ends(), []);
    bench.api.remove("job");
    await bench.clock.advance(minute);
    assert.deepEqual(ends(), ["deletePod job 0"]);
  });

  it("is asked seldom although a container of an ended pod never began", async () => {
    await using bench = new PodBench({ polling: true, behaviour: { initTime: 60 * minute } });
    await bench.start();
    const initContainers = [{ name: "init", image: "i" }];
    bench.api.create("n", "job", { spec: { initContainers, activeDeadlineSeconds: 60 } });
    await bench.clock.advance(5 * minute);
    assert.equal(bench.api.get("job")?.status?.reason, "DeadlineExceeded");
    bench.calls.length = 0;
    await bench.clock.advance(10 * minute);
    const { length } = bench.calls.filter((call) => call === "getPods");
    assert.ok(length <= 25, `${length} listings in ten minutes`);
  });

  it("is asked often while a pod is stopping", async () => {
    await using bench = new PodBench({ polling: true, behaviour: { terminateDelay: 20 * second } });
    await bench.start();
    bench.api.create("n", "web");
    await bench.clock.advance(5 * minute);
    bench.api.remove("web");
    await bench.clock.advance(23 * second);
    assert.equal(bench.api.get("web"), undefined);
  });
});

describe("many nodes", () => {
  it("on one watch: each pod on its own backend, foreign pods dropped", async () => {
    const nodes = Array.from({ length: 20 }, (_, index) => `n${index}`);
    await using bench = new PodBench({ nodes, controller: { watchMode: "shared" } });
    await bench.start();
    for (const node of nodes) for (const name of ["a", "b"]) bench.api.create(node, `${node}-${name}`);
    bench.api.create("foreign", "other");
    await bench.clock.advance(5 * second);
    for (const node of nodes) assert.equal(bench.backend.list(node).length, 2);
    assert.equal(bench.phase("other"), "Pending");
    assert.equal(bench.api.writes().length, 40);
  });
});

describe("a backend that hangs", () => {
  it("holds up no other node's pods, nor its own deletions", async () => {
    await using bench = new PodBench({ nodes: ["n", "m"], controller: { workers: 2 } });
    await bench.start();
    bench.api.create("n", "old");
    await bench.clock.advance(second);
    bench.provider("n").control.faults.addHang({ method: "createPod", ignoreAbort: true });
    for (let index = 0; index < 20; index++) bench.api.create("n", `stuck-${index}`);
    await bench.clock.advance(second);
    bench.api.create("m", "web");
    bench.api.remove("old");
    bench.api.remove("stuck-0");
    bench.api.remove("stuck-19");
    await bench.clock.advance(2 * second);
    assert.equal(bench.phase("web"), "Running");
    for (const name of ["old", "stuck-0", "stuck-19"]) assert.equal(bench.api.get(name), undefined, name);
    assert.deepEqual(bench.api.sins, []);
    bench.provider("n").control.faults.clear();
    await bench.clock.advance(20 * minute);
    for (const pod of bench.api.all()) assert.equal(pod.status?.phase, "Running", pod.metadata.name);
  });
});

describe("refusals", () => {
  for (const how of ["by the node", "by the provider", "by the provider with a reason of its own"])
    it(`${how}: a controller that replaces at once makes a few pods a minute`, async () => {
      await using bench = new PodBench();
      if (how === "by the node") bench.capacity = "0";
      await bench.start();
      if (how !== "by the node")
        bench.backend.create = () => {
          const reason = how === "by the provider" ? undefined : "WrongArchitecture";
          throw new VirtualKubeletError("Invalid", "never", { reason });
        };
      let made = 0;
      const ownerReferences = [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "rs", uid: "rs", controller: true }];
      const replace = (): void => {
        for (const pod of bench.api.all()) if (pod.status?.phase === "Failed") bench.api.remove(pod.metadata.name);
        while (bench.api.all().length < 3) bench.api.create("n", `web-${++made}`, { metadata: { ownerReferences } });
      };
      for (let spent = 0; spent < 10 * minute; spent += 250) {
        replace();
        await bench.clock.advance(250);
      }
      assert.ok(made >= 6 && made <= 40, `${made} pods in ten minutes`);
      const held = bench.api.all().filter(({ status }) => status?.message?.startsWith("Pod was rejected: "));
      assert.equal(held.length, 3, "the user sees why");
    });

  it("of a pod that waits for its turn are taken back when there is room", async () => {
    await using bench = new PodBench();
    bench.capacity = "1";
    await bench.start();
    const ownerReferences = [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "rs", uid: "rs", controller: true }];
    for (const name of ["a", "b", "c"]) bench.api.create("n", name, { metadata: { ownerReferences } });
    await bench.clock.advance(second);
    assert.deepEqual(["a", "b", "c"].map((name) => bench.phase(name)).sort(), ["Failed", "Pending", "Running"]);
    bench.capacity = "10";
    await bench.clock.advance(11 * second);
    assert.deepEqual(["a", "b", "c"].map((name) => bench.phase(name)).sort(), ["Failed", "Running", "Running"]);
  });

  it("a pod that somebody else has ended gives its room free", async () => {
    await using bench = new PodBench();
    bench.capacity = "1";
    await bench.start();
    bench.api.create("n", "a");
    await bench.clock.advance(second);
    bench.api.edit("a", (pod) => ({ ...pod, status: { ...pod.status, phase: "Failed" } }));
    await bench.clock.advance(5 * second);
    bench.api.create("n", "b");
    await bench.clock.advance(second);
    assert.equal(bench.phase("b"), "Running");
  });
});

describe("the end", () => {
  it("lets calls under way finish and writes what is due", async () => {
    await using bench = new PodBench();
    await bench.start();
    bench.provider().control.faults.setLatency("createPod", 3 * second);
    bench.api.create("n", "web");
    await bench.clock.advance(second);
    await bench.stop(15 * second);
    assert.equal(bench.backend.size, 1);
    assert.equal(bench.clock.pending, 0);
  });

  it("comes within the drain time although the provider hangs and the API is down", async () => {
    await using bench = new PodBench();
    await bench.start();
    bench.provider().control.faults.addHang({ method: "createPod", ignoreAbort: true });
    bench.api.before = () => {
      throw new VirtualKubeletError("Unavailable", "down");
    };
    bench.api.create("n", "web");
    await bench.clock.advance(second);
    await bench.stop(25 * second);
  });
});
