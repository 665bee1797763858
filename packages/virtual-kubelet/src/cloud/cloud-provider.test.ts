// What users of pods on a cloud see: grace, hooks, probes, events, adoption, and how often the cloud is asked.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Container, PodSpec } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import type { PodOwner, PodReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import { eventually } from "../testing/eventually.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { MemoryCloud, type MemoryCloudOptions } from "../testing/memory-cloud.ts";
import { withResolved } from "../testing/resolved-literally.ts";
import { CloudProvider } from "./cloud-provider.ts";

const web: Container = { name: "web", image: "sleep" };
/** Most of it takes less than a second, some of it the time to ask again. */
const deadlineMs = 10_000;

class Bench implements AsyncDisposable {
  readonly cloud: MemoryCloud;
  readonly updates: PodUpdate[] = [];
  readonly #stop: AbortController = new AbortController();
  readonly #clock: Clock | undefined;
  provider: CloudProvider;

  constructor(options: MemoryCloudOptions = {}) {
    this.cloud = new MemoryCloud(options);
    this.#clock = options.clock;
    this.provider = this.#made();
  }

  get context(): CallContext {
    return { signal: this.#stop.signal, log: silentLogger };
  }

  async created(spec: Partial<PodSpec> = {}): Promise<PodRequest> {
    const request = requestOf(spec);
    await this.provider.createPod(request, this.context);
    return request;
  }

  /** As after a restart of the program. */
  async restarted(): Promise<void> {
    await this.provider[Symbol.asyncDispose]();
    this.updates.length = 0;
    this.provider = this.#made();
  }

  reasons(): readonly string[] {
    return this.updates.flatMap((update) => (update.type === "event" ? [update.reason] : []));
  }

  async report(owner: PodOwner, what: string, accept: (report: PodReport) => boolean): Promise<PodReport> {
    return eventually(what, deadlineMs, async () => {
      const report = await this.provider.getPodStatus(owner, this.context);
      return accept(report) && report;
    });
  }

  async gone(owner: PodOwner): Promise<void> {
    await eventually("the pod is gone", deadlineMs, () =>
      this.updates.some((update) => update.type === "gone" && update.owner.uid === owner.uid),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.provider[Symbol.asyncDispose]();
  }

  #made(): CloudProvider {
    const provider = new CloudProvider({
      ...{ backend: this.cloud, node: "n", log: silentLogger, capabilities: {}, consistencyMs: 500 },
      ...{ clock: this.#clock, pace: { fastMs: 20, slowMs: 50, steadyMs: 50 } },
    });
    void this.#collect(provider);
    return provider;
  }

  async #collect(provider: CloudProvider): Promise<void> {
    // Of one that has ended nothing more counts.
    for await (const update of provider.watchPods(this.context))
      if (provider === this.provider) this.updates.push(update);
  }
}

function requestOf(spec: Partial<PodSpec>): PodRequest {
  const owner = { cluster: "c", node: "n", namespace: "default", name: "a", uid: randomUUID() };
  const metadata = { name: "a", namespace: "default", uid: owner.uid, resourceVersion: "1" };
  return withResolved({
    owner,
    revision: "1",
    pod: { apiVersion: "v1", kind: "Pod", metadata, spec: { containers: [web], nodeName: "n", ...spec } },
  });
}

const isReady = ({ containers }: PodReport): boolean => containers.every(({ ready }) => ready === true);

describe("a pod on a cloud", () => {
  test("ends with TERM and keeps how it ended, before the group is removed", async () => {
    await using bench = new Bench();
    const { owner } = await bench.created();
    await bench.report(owner, "it runs", isReady);
    await bench.provider.deletePod(owner, { gracePeriodSeconds: 30 }, bench.context);
    await bench.gone(owner);
    assert.deepEqual(bench.cloud.journal, ["terminate web", "remove"]);
    const last = bench.updates.findLast((update) => update.type === "report");
    assert.equal(last?.report.containers[0]?.state.terminated?.exitCode, 143);
    assert.deepEqual(bench.reasons(), ["ResourcesRounded", "Killing"]);
  });

  test("ends with TERM although the cloud begins what ended anew", async () => {
    await using bench = new Bench({ restartsAll: true });
    const { owner } = await bench.created();
    await bench.report(owner, "it runs", isReady);
    await bench.provider.deletePod(owner, { gracePeriodSeconds: 600 }, bench.context);
    await bench.gone(owner);
    const last = bench.updates.findLast((update) => update.type === "report")?.report.containers[0];
    assert.deepEqual([last?.state.terminated?.exitCode, last?.restartCount], [143, 0]);
  });

  test("has its preStop hook run first, and sidecars end last", async () => {
    await using bench = new Bench({ commands: true });
    const hooked: Container = { ...web, lifecycle: { preStop: { exec: { command: ["drain"] } } } };
    const proxy: Container = { name: "proxy", image: "sleep", restartPolicy: "Always" };
    const { owner } = await bench.created({ containers: [hooked], initContainers: [proxy] });
    await bench.report(owner, "it runs", isReady);
    await bench.provider.deletePod(owner, { gracePeriodSeconds: 30 }, bench.context);
    await bench.gone(owner);
    assert.deepEqual(bench.cloud.journal, ["exec web drain", "terminate web", "terminate proxy", "remove"]);
  });

  test("that does not heed TERM goes with its grace, and sooner when that is cut", async () => {
    await using bench = new Bench({ heedsTerm: false });
    const { owner } = await bench.created();
    await bench.report(owner, "it runs", isReady);
    await bench.provider.deletePod(owner, { gracePeriodSeconds: 600 }, bench.context);
    await eventually("TERM", deadlineMs, () => bench.cloud.journal.includes("terminate web"));
    assert.equal(bench.cloud.size, 1);
    await bench.provider.deletePod(owner, { gracePeriodSeconds: 0 }, bench.context);
    await bench.gone(owner);
    assert.equal(bench.cloud.size, 0);
  });

  test("is removed in the end although the cloud refuses for a while", async () => {
    await using bench = new Bench();
    const { owner } = await bench.created();
    await bench.report(owner, "it runs", isReady);
    bench.cloud.faults.set("remove", new VirtualKubeletError("Unavailable", "region down"));
    await bench.provider.deletePod(owner, { gracePeriodSeconds: 0 }, bench.context);
    await eventually("a try", deadlineMs, () => (bench.cloud.calls.get("remove") ?? 0) > 0);
    bench.cloud.faults.clear();
    await bench.gone(owner);
  });

  test("is not ready before its readiness probe, and starts anew for its liveness probe", async () => {
    await using bench = new Bench({ commands: true });
    const probe = { exec: { command: ["check"] }, periodSeconds: 1, failureThreshold: 1 };
    const { owner } = await bench.created({ containers: [{ ...web, readinessProbe: probe, livenessProbe: probe }] });
    await bench.report(owner, "it is ready", isReady);
    bench.cloud.container(owner.uid, "web").exitCode = 1;
    await bench.report(owner, "it started anew", ({ containers: [container] }) => container?.restartCount === 1);
    assert.ok(bench.reasons().includes("Unhealthy"));
    assert.ok(bench.reasons().includes("Killing"));
  });

  test("whose probes the cloud carries out is not probed here", async () => {
    await using bench = new Bench({ commands: true, nativeProbes: ["readiness"] });
    const { owner } = await bench.created({
      containers: [{ ...web, readinessProbe: { exec: { command: ["check"] }, periodSeconds: 1 } }],
    });
    await bench.report(owner, "it is ready by the cloud's word", isReady);
    assert.equal(bench.cloud.calls.get("exec"), undefined);
  });

  test("has its postStart hook run once for each run, and is not ready before", async () => {
    await using bench = new Bench({ commands: true });
    const { owner } = await bench.created({
      containers: [{ ...web, lifecycle: { postStart: { exec: { command: ["warm"] } } } }],
    });
    await bench.report(owner, "it is ready", isReady);
    assert.deepEqual(bench.cloud.journal, ["exec web warm"]);
    await bench.cloud.restartContainer({ group: groupOf(owner), container: "web" });
    await eventually("the hook of the next run", deadlineMs, () => bench.cloud.journal.length === 2);
    await bench.report(owner, "it is ready again", isReady);
  });

  test("is told of by events once, and not again after a restart of the program", async () => {
    await using bench = new Bench();
    const request = await bench.created();
    const pulled = { key: "1", time: 1, eventType: "Normal", reason: "Pulled", message: "image" } as const;
    bench.cloud.group(request.owner.uid).events.push(pulled);
    await eventually("the event", deadlineMs, () => bench.reasons().includes("Pulled"));
    bench.cloud.group(request.owner.uid).events.push({ ...pulled, key: "2", reason: "Started" });
    await eventually("the other event", deadlineMs, () => bench.reasons().includes("Started"));
    assert.equal(bench.reasons().filter((reason) => reason === "Pulled").length, 1);
    await bench.restarted();
    const [found] = await bench.provider.getPods(bench.context);
    assert.equal(found?.revision, "", "the request is asked for");
    await bench.provider.updatePod(request, bench.context);
    bench.cloud.group(request.owner.uid).events.push({ ...pulled, key: "3", reason: "BackOff" });
    await eventually("what is new", deadlineMs, () => bench.reasons().includes("BackOff"));
    assert.deepEqual(bench.reasons(), ["BackOff"]);
  });

  test("that the cloud lost is told to be gone; one that cannot be asked for is not", async () => {
    await using bench = new Bench();
    const { owner } = await bench.created();
    await bench.report(owner, "it runs", isReady);
    for (const kind of ["Throttled", "Unavailable", "Unauthorized"] as const) {
      bench.cloud.faults.set("describe", new VirtualKubeletError(kind, kind));
      const looks = (): number => bench.cloud.calls.get("describe") ?? 0;
      const before = looks();
      await eventually("some looks", deadlineMs, () => looks() > before + 1);
      await assert.rejects(bench.provider.getPodStatus(owner, bench.context), { kind });
    }
    assert.ok(!bench.updates.some(({ type }) => type === "gone"));
    bench.cloud.faults.clear();
    await bench.cloud.remove({ owner, id: "x" });
    await bench.gone(owner);
    await assert.rejects(bench.provider.getPodStatus(owner, bench.context), { kind: "NotFound" });
  });

  test("that was stopped stays with its failure, until it is deleted", async () => {
    await using bench = new Bench();
    const { owner } = await bench.created();
    await bench.report(owner, "it runs", isReady);
    const failure = { reason: "DeadlineExceeded", message: "too long" };
    await bench.provider.stopPod?.(owner, { gracePeriodSeconds: 5, failure }, bench.context);
    const over = await bench.report(owner, "it is over", (report) => report.failure !== undefined);
    assert.deepEqual([over.failure, over.containers[0]?.state.terminated?.exitCode], [failure, 143]);
    await bench.restarted();
    assert.deepEqual(
      (await bench.provider.getPods(bench.context)).map((report) => report.failure),
      [failure],
    );
    await bench.provider.deletePod(owner, { gracePeriodSeconds: 5 }, bench.context);
    await bench.gone(owner);
  });

  test("keeps its image on the cloud, which is told", async () => {
    await using bench = new Bench();
    const request = await bench.created();
    await bench.report(request.owner, "it runs", isReady);
    const pod = { ...request.pod, spec: { ...request.pod.spec, containers: [{ ...web, image: "other" }] } };
    await bench.provider.updatePod({ ...request, pod, revision: "2" }, bench.context);
    await eventually("an event", deadlineMs, () => bench.reasons().includes("UpdateUnsupported"));
    assert.equal(bench.cloud.group(request.owner.uid).revision, "2");
  });

  test("is not sent to a cloud that has refused five in a row, and the node tells so; those that run are looked after", async () => {
    // In whose time the cloud is not tried again meanwhile.
    const clock = new FakeClock();
    await using bench = new Bench({ clock });
    const { owner } = await bench.created();
    bench.cloud.faults.set("create", new VirtualKubeletError("Unauthorized", "the secret has expired"));
    for (let count = 0; count < 5; count++) await assert.rejects(bench.created(), { kind: "Unauthorized" });
    const asked = bench.cloud.calls.get("create");
    await assert.rejects(bench.created(), {
      kind: "Throttled",
      message: /left alone for a while: the secret has expired/,
    });
    assert.equal(bench.cloud.calls.get("create"), asked);
    await clock.advance(100);
    assert.ok(isReady(await bench.provider.getPodStatus(owner, bench.context)));
    for await (const { conditions } of bench.provider.watchNode(bench.context)) {
      assert.equal(conditions?.find(({ type }) => type.endsWith("/ProviderTakesPods"))?.status, "False");
      break;
    }
  });

  test("is taken for there while it asks for fewer calls, and for lost when it does not answer", async () => {
    await using bench = new Bench();
    const ping = async (): Promise<void> => bench.provider.ping?.(bench.context);
    bench.cloud.faults.set("ping", new VirtualKubeletError("Throttled", "slow down"));
    await ping();
    bench.cloud.faults.set("ping", new VirtualKubeletError("Unavailable", "no route"));
    await assert.rejects(ping(), { kind: "Unavailable" });
    bench.cloud.faults.delete("ping");
    await ping();
    assert.equal(bench.cloud.calls.get("ping"), 3);
  });

  test("costs few calls: a thousand pods in batches of a hundred", async () => {
    const clock = new FakeClock();
    await using bench = new Bench({ describeAtOnce: 100, clock });
    await Promise.all(Array.from({ length: 1000 }, () => bench.created()));
    await clock.advance(5_000);
    assert.equal((await bench.provider.getPods(bench.context)).filter(isReady).length, 1000);
    const calls = bench.cloud.calls.get("describe") ?? 0;
    assert.ok(calls > 0 && calls < 200, `${calls} calls`);
  });
});

function groupOf(owner: PodOwner): { owner: PodOwner; id: string; stage: "running"; containers: [] } {
  return { owner, id: `group/${owner.uid}`, stage: "running", containers: [] };
}
