// What AWS does to pods and to who runs them, over a fake region whose tasks run in memory: ends, restarts, throttling, a region that
// is down, credentials that expire, pushes, figures.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import {
  type CallContext,
  type PodReport,
  type PodRequest,
  type Provider,
  silentLogger,
  systemClock,
} from "@virtual-kubelet/virtual-kubelet";
import { eventually, MemoryGroups, type RequestedPod } from "@virtual-kubelet/virtual-kubelet/testing";
import { awsSdk } from "./aws-sdk.ts";
import { fargateProviderOf } from "./fargate-provider.ts";
import { FakeEcs } from "./testing/fake-ecs.ts";
import { configOn, providerOn } from "./testing/fargate-bench.ts";
import { podRequest } from "./testing/golden-pods.ts";

const identity = { node: "fargate", cluster: "c1" };
const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const patience = 20_000;

describe("pods on Fargate", () => {
  let fake: FakeEcs;
  let provider: Provider;
  let made = 0;
  beforeEach(async () => {
    // A minute of ECS is shorter than what an image "exit-N" takes.
    fake = await FakeEcs.start({ runner: new MemoryGroups(), logGroups: ["/pods"], paceMs: 5, secondMs: 0.5 });
    provider = providerOn(fake, identity);
  });
  afterEach(async () => {
    await provider[Symbol.asyncDispose]?.();
    await fake[Symbol.asyncDispose]();
    assert.deepEqual(fake.misuse, []);
  });

  function podOf(spec: RequestedPod["spec"]): PodRequest {
    made += 1;
    return podRequest({ name: `pod-${made}`, spec });
  }

  async function created(spec: RequestedPod["spec"]): Promise<PodRequest> {
    const request = podOf(spec);
    await provider.createPod(request, context);
    return request;
  }

  async function report(what: string, { owner }: PodRequest, holds: (found: PodReport) => boolean): Promise<PodReport> {
    return eventually(what, patience, async () => {
      const found = await provider.getPodStatus(owner, context);
      return holds(found) && found;
    });
  }

  const runs = ({ containers }: PodReport): boolean =>
    containers.length > 0 && containers.every(({ state }) => state.running !== undefined);
  const web = [{ name: "web", image: "web" }];

  it("end one container after the other, each with its code, and then the task", async () => {
    const request = await created({
      restartPolicy: "Never",
      containers: [
        { name: "one", image: "exit-0" },
        { name: "two", image: "exit-4" },
        { name: "three", image: "three", command: ["sh", "-c", "sleep 0.5; exit 5"] },
      ],
    });
    const first = await report(
      "two have ended",
      request,
      ({ containers }) => containers.filter(({ state }) => state.terminated !== undefined).length === 2,
    );
    assert.ok(first.containers[2]?.state.running !== undefined);
    const over = await report("all have", request, ({ containers }) =>
      containers.every(({ state }) => state.terminated !== undefined),
    );
    assert.deepEqual(
      over.containers.map(({ state }) => state.terminated?.exitCode),
      [0, 4, 5],
    );
    await eventually("nothing of it is paid for", patience, () => fake.books.every(({ live }) => !live));
    assert.equal((await provider.getPodStatus(request.owner, context)).failure, undefined);
  });

  it("are restarted by their policy, and counted", async () => {
    const request = await created({ containers: [{ name: "web", image: "exit-1" }] });
    const { containers } = await report(
      "it was restarted",
      request,
      (found) => (found.containers[0]?.restartCount ?? 0) >= 1,
    );
    assert.equal(containers[0]?.lastState?.terminated?.reason, "ContainerStatusUnknown");
  });

  it("are counted on by a program that starts later", async () => {
    const command = ["sh", "-c", "sleep 0.4; exit 3"];
    const { owner } = await created({ containers: [{ name: "web", image: "web", command }] });
    const restarts = async (): Promise<number> =>
      (await provider.getPodStatus(owner, context)).containers[0]?.restartCount ?? 0;
    await eventually("it was restarted", patience, async () => (await restarts()) >= 2);
    await eventually("it is kept", patience, () => (fake.counts["TagResource"] ?? 0) >= 2);
    await provider[Symbol.asyncDispose]?.();
    provider = providerOn(fake, identity);
    const [found] = await provider.getPods(context);
    assert.ok((found?.containers[0]?.restartCount ?? 0) >= 2, "it goes on where it was");
  });

  it("that end too soon for ECS, or whose image is not there, wait, say so, and are run again", async () => {
    const crashing = await created({ containers: [{ name: "web", image: "web", command: ["sh", "-c", "exit 3"] }] });
    const request = await created({ containers: [{ name: "web", image: "registry.test/missing:1" }] });
    const isPulled = ({ containers }: PodReport): boolean =>
      containers[0]?.state.waiting?.reason === "ImagePullBackOff";
    const { failure, containers } = await report("it backs off", request, isPulled);
    assert.equal(failure, undefined);
    assert.match(containers[0]?.state.waiting?.message ?? "", /^CannotPullContainerError/);
    const crashed = await report(
      "the other backs off",
      crashing,
      (found) => found.containers[0]?.state.waiting?.reason === "CrashLoopBackOff",
    );
    assert.equal(crashed.failure, undefined);
    assert.equal(crashed.containers[0]?.lastState?.terminated?.exitCode, 3);
    const tasksOf = ({ owner }: PodRequest): number =>
      fake.books.filter(({ startedBy }) => startedBy === owner.uid).length;
    await eventually("both are run again", patience, () => tasksOf(request) === 2 && tasksOf(crashing) === 2);
    await report("it backs off again", request, isPulled);
    await report("it was restarted", crashing, (found) => found.containers[0]?.restartCount === 1);
    assert.equal(fake.books.length, 4);
  });

  it("for which there is no capacity, or no more quota, are made as soon as there is", async () => {
    const request = podOf({ containers: web });
    fake.tasks.capacityFailures.push("RESOURCE:FARGATE", "You've reached the limit on the number of vCPUs");
    for (let turn = 0; turn < 2; turn++)
      await assert.rejects(provider.createPod(request, context), { kind: "Quota", message: /RunTask: / });
    await provider.createPod(request, context);
    await report("it runs", request, runs);
    assert.equal(fake.books.length, 1);
  });

  it("on spot capacity that is taken back are disrupted", async () => {
    const request = await created({ containers: web });
    await report("it runs", request, runs);
    fake.reclaim(fake.books[0]?.arn ?? "");
    const { failure } = await report("it failed", request, (found) => found.failure !== undefined);
    assert.equal(failure?.disruption, "SpotInterruption");
  });

  it("leave nothing in the account", async () => {
    const env = [{ name: "P", valueFrom: { secretKeyRef: { name: "s", key: "password" } } }];
    const request = await created({ containers: [{ name: "web", image: "web", env }] });
    await report("it runs", request, runs);
    assert.equal(fake.counts["CreateSecret"], 1);
    await provider.deletePod(request.owner, { gracePeriodSeconds: 1 }, context);
    await eventually("it is gone", patience, async () => (await provider.getPods(context)).length === 0);
    assert.equal(fake.counts["DeleteSecret"], 1);
    assert.ok(fake.books.every(({ live }) => !live));
  });

  it("come up although most calls are throttled", async () => {
    fake.faults.limit("RunTask", 8, 1);
    fake.faults.limit("DescribeTasks", 8, 1);
    const requests = Array.from({ length: 4 }, () => podOf({ containers: web }));
    await Promise.all(
      requests.map(async (request) => {
        // As the core does.
        await eventually("it was made", patience, async () =>
          provider.createPod(request, context).then(
            () => true,
            () => false,
          ),
        );
      }),
    );
    for (const request of requests) await report("it runs", request, runs);
    assert.equal(fake.books.length, 4);
  });

  it("are on a node that is there while ECS asks for fewer calls", async () => {
    fake.faults.limit("DescribeClusters", 0.001, 0.5);
    const within = (ms: number): CallContext => ({ ...context, signal: AbortSignal.timeout(ms) });
    await eventually("a ping that does not wait", patience, async () => {
      await provider.ping?.(within(250));
      return true;
    });
    fake.faults.limit("DescribeClusters", Number.POSITIVE_INFINITY);
  });

  it("go on while their region is down, and are not made twice when an answer is lost", async () => {
    const request = await created({ containers: web });
    await report("it runs", request, runs);
    fake.faults.down = true;
    await assert.rejects(provider.ping?.(context) ?? Promise.resolve(), { kind: "Unavailable" });
    const other = podOf({ containers: web });
    await assert.rejects(provider.createPod(other, context), { kind: "Unavailable" });
    fake.faults.down = false;
    fake.faults.loseAnswers("RunTask", 1);
    await assert.rejects(provider.createPod(other, context), { kind: "Unavailable" });
    await provider.createPod(other, context);
    await report("it runs still", request, runs);
    await report("the other runs", other, runs);
    assert.equal(fake.books.length, 2);
  });

  it("are looked after again when credentials were renewed", async () => {
    const directory = await mkdtemp(join(tmpdir(), "fargate-credentials-"));
    const file = join(directory, "credentials");
    const write = async (key: string): Promise<void> =>
      writeFile(file, `[pods]\naws_access_key_id = ${key}\naws_secret_access_key = fake-secret\n`);
    await write("AKIAFAKE");
    const before = { ...process.env };
    process.env["AWS_SHARED_CREDENTIALS_FILE"] = file;
    process.env["AWS_CONFIG_FILE"] = join(directory, "config");
    const config = configOn(fake, { credentials: { type: "profile", profile: "pods" } });
    const clock = { ...systemClock };
    const renewed = fargateProviderOf(
      { ...identity, log: silentLogger },
      config,
      awsSdk({ config, clock, log: silentLogger }),
    );
    try {
      await renewed.ping?.(context);
      fake.credentials.splice(0, fake.credentials.length, { accessKeyId: "AKIANEW", secretAccessKey: "fake-secret" });
      await assert.rejects(renewed.ping?.(context) ?? Promise.resolve(), { kind: "Unauthorized" });
      await write("AKIANEW");
      await eventually("they are taken", patience, async () =>
        (renewed.ping?.(context) ?? Promise.reject()).then(
          () => true,
          () => false,
        ),
      );
    } finally {
      await renewed[Symbol.asyncDispose]?.();
      process.env = before;
      await rm(directory, { recursive: true });
    }
  });

  it("that change are told by the queue", async () => {
    const queueURL = fake.queues.create("changes");
    const config = configOn(fake, { events: { queueURL } });
    const pushed = providerOn(fake, identity, config, {
      pace: { fastMs: 60_000, slowMs: 60_000, steadyMs: 60_000, pushedMs: 60_000 },
    });
    try {
      const stop = new AbortController();
      const updates = pushed.watchPods?.({ ...context, signal: stop.signal });
      const request = podOf({ containers: web });
      await pushed.createPod(request, context);
      for await (const update of updates ?? []) if (update.type === "report" && runs(update.report)) break;
      stop.abort();
    } finally {
      await pushed[Symbol.asyncDispose]?.();
    }
    assert.ok((fake.counts["DeleteMessageBatch"] ?? 0) > 0);
  });

  it("have figures", async () => {
    const request = await created({ containers: web });
    await report("it runs", request, runs);
    const pod = await eventually("figures", patience, async () => (await provider.getStatsSummary?.(context))?.pods[0]);
    assert.equal(pod.podRef.uid, request.owner.uid);
    assert.ok((pod.containers[0]?.memory?.workingSetBytes ?? 0) > 0);
  });
});
