import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CallContext, isErrorKind, type PodRequest, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { parseFargateConfig } from "./config.ts";
import { FargateBackend } from "./fargate-backend.ts";
import { podRequest } from "./testing/golden-pods.ts";
import { MemoryAws } from "./testing/memory-aws.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const config = parseFargateConfig(
  {
    region: "eu-west-1",
    cluster: "pods",
    network: { subnets: ["subnet-1"] },
    executionRoleARN: "arn:aws:iam::123456789012:role/execute",
    helperImage: "registry.test/helper:1",
    logs: { group: "/pods" },
    taskDefinitions: { keepUnusedSeconds: 60 },
  },
  {},
);

class HandClock {
  time = 0;
  now(): number {
    return this.time;
  }
  schedule(_delayMs: number, callback: () => void): () => void {
    const timer = setImmediate(callback);
    return () => clearImmediate(timer);
  }
}

function bench(cluster = "c1", aws = new MemoryAws(), clock = new HandClock()) {
  const backend = new FargateBackend({
    ...{ aws: aws.api, config, cluster, node: "fargate", clock, log: silentLogger, cleanUpEveryMs: 0 },
  });
  return { aws, clock, backend };
}

function podOf(name: string, uid = `uid-${name}`, spec: object = {}, cluster = "c1"): PodRequest {
  const request = podRequest({ name, uid, spec: { containers: [{ name: "web", image: "web" }], ...spec } });
  return { ...request, owner: { ...request.owner, cluster } };
}

const withSecret = {
  containers: [
    { name: "web", image: "web", env: [{ name: "P", valueFrom: { secretKeyRef: { name: "s", key: "password" } } }] },
  ],
};

describe("a pod's task", () => {
  it("is one, however often it is asked for, also when the request changed meanwhile", async () => {
    const { aws, backend } = bench();
    const first = await backend.create(podOf("web"), context);
    assert.equal((await backend.create(podOf("web"), context)).id, first.id);
    assert.equal((await backend.create({ ...podOf("web"), revision: "r2" }, context)).id, first.id);
    assert.equal(aws.tasks.size, 1);
  });

  it("shares its definition with those of its template, and has its secrets alone", async () => {
    const { aws, backend } = bench();
    await Promise.all([backend.create(podOf("web-1"), context), backend.create(podOf("web-2"), context)]);
    assert.equal(aws.countOf("RegisterTaskDefinition"), 1);
    await backend.create(podOf("keys", "uid-keys", withSecret), context);
    assert.deepEqual([...aws.secrets.keys()], ["virtual-kubelet/c1/fargate/uid-keys/pod"]);
    const own = [...aws.definitions.values()].find(({ input }) => input.includes("secretsmanager"));
    assert.match(
      own?.input ?? "",
      /"valueFrom":"arn:aws:secretsmanager:eu-west-1:123456789012:secret:virtual-kubelet\/c1\/fargate\/uid-keys\/pod-AbCdEf:v0::"/,
    );
    assert.ok(![...aws.definitions.values()].some(({ input }) => input.includes("swordfish")));
  });

  it("is made although its definition was removed meanwhile", async () => {
    const { aws, backend } = bench();
    await backend.create(podOf("web-1"), context);
    aws.definitions.clear();
    await backend.create(podOf("web-2"), context);
    assert.equal(aws.tasks.size, 2);
  });

  it("is found by another process, in pages, with those of others left out", async () => {
    const aws = new MemoryAws();
    aws.pageSize = 2;
    const { backend } = bench("c1", aws);
    for (let index = 0; index < 5; index++) await backend.create(podOf(`web-${index}`), context);
    await bench("c2", aws).backend.create(podOf("theirs", "uid-theirs", {}, "c2"), context);
    const other = bench("c1", aws).backend;
    const found = await other.list(context);
    assert.deepEqual(found.map(({ owner }) => owner.name).sort(), ["web-0", "web-1", "web-2", "web-3", "web-4"]);
    assert.equal(found[0]?.revision, "r1");
    const before = aws.countOf("DescribeTasks");
    await other.list(context);
    assert.equal(aws.countOf("DescribeTasks"), before + 1);
  });

  it("that ECS has no more is told so, and nothing else", async () => {
    const { aws, backend } = bench();
    const { id } = await backend.create(podOf("web"), context);
    const ref = { id, owner: podOf("web").owner };
    const gone = { id: `${id}x`, owner: { ...ref.owner, uid: "other" } };
    const [here, missing] = await backend.describe([ref, gone], context);
    assert.equal(here?.stage, "starting");
    assert.equal(missing, undefined);
    aws.tasks.clear();
    await assert.rejects(backend.remove(ref, { gracePeriodSeconds: 30 }, context), (error) =>
      isErrorKind(error, "NotFound"),
    );
  });
});

describe("the end of a pod", () => {
  it("that is deleted takes its secret along, and is over when its task has stopped", async () => {
    const { aws, backend } = bench();
    const request = podOf("keys", "uid-keys", withSecret);
    const { id } = await backend.create(request, context);
    const ref = { id, owner: request.owner };
    await backend.remove(ref, { gracePeriodSeconds: 30 }, context);
    assert.equal(aws.secrets.size, 0);
    assert.equal((await backend.describe([ref], context))[0]?.stage, "ending");
    aws.move(id, { lastStatus: "STOPPED" });
    assert.equal((await backend.describe([ref], context))[0]?.stage, "ended", "its codes are shown once");
    assert.equal((await backend.describe([ref], context))[0], undefined);
    assert.deepEqual(await bench("c1", aws).backend.list(context), []);
  });

  it("that had ended before is over at once", async () => {
    const { aws, backend } = bench();
    const { id } = await backend.create(podOf("job"), context);
    const ref = { id, owner: podOf("job").owner };
    aws.move(id, { lastStatus: "STOPPED", desiredStatus: "STOPPED", stopCode: "EssentialContainerExited" });
    assert.equal((await backend.list(context)).length, 1);
    await backend.remove(ref, { gracePeriodSeconds: 0 }, context);
    assert.deepEqual(await backend.list(context), []);
  });

  it("is none where a container is to start anew and cannot be told: its task is run again", async () => {
    const { aws, backend, clock } = bench();
    const { id } = await backend.create(podOf("probed"), context);
    const { owner } = podOf("probed");
    aws.move(id, { lastStatus: "RUNNING" });
    const [group] = await backend.describe([{ id, owner, isWanted: true }], context);
    assert.ok(group !== undefined);
    await backend.restartContainer({ group, container: "web" }, context);
    const containers = [{ name: "web", lastStatus: "STOPPED", exitCode: 143 }];
    aws.move(id, { lastStatus: "STOPPED", stoppedAt: new Date(0), containers });
    clock.time = 10_000;
    const [waiting] = await backend.describe([{ id, owner, isWanted: true }], context);
    assert.deepEqual([waiting?.stage, waiting?.failure], ["starting", undefined]);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    const [next] = await backend.describe([{ id, owner, isWanted: true }], context);
    assert.notEqual(next?.id, id);
    assert.equal(next?.containers[0]?.restartCount, 1);
  });

  it("by a failure is remembered by ECS", async () => {
    const { aws, backend } = bench();
    const { id } = await backend.create(podOf("slow"), context);
    const failure = { reason: "DeadlineExceeded", message: "too long" };
    await backend.stop({ id, owner: podOf("slow").owner }, { failure }, context);
    aws.move(id, { lastStatus: "STOPPED" });
    assert.deepEqual((await bench("c1", aws).backend.list(context))[0]?.failure, failure);
  });

  it("comes with that of its last main container", async () => {
    const { aws, backend } = bench();
    const request = podOf("two", "uid-two", {
      restartPolicy: "Never",
      containers: [
        { name: "one", image: "a" },
        { name: "two", image: "b" },
      ],
    });
    const { id } = await backend.create(request, context);
    const containers = (code: number | undefined) => [
      { name: "one", lastStatus: "STOPPED", exitCode: 0 },
      code === undefined
        ? { name: "two", lastStatus: "RUNNING" }
        : { name: "two", lastStatus: "STOPPED", exitCode: code },
      { name: "vk_keeper", lastStatus: "RUNNING" },
    ];
    const ref = { id, owner: request.owner };
    aws.move(id, { lastStatus: "RUNNING", containers: containers(undefined) });
    await backend.describe([ref], context);
    assert.equal(aws.countOf("StopTask"), 0);
    aws.move(id, { containers: containers(4) });
    const [group] = await backend.describe([ref], context);
    await backend.describe([ref], context);
    assert.deepEqual(
      group?.containers.map(({ name, state }) => [name, state.terminated?.exitCode]),
      [
        ["one", 0],
        ["two", 4],
      ],
    );
    await backend[Symbol.asyncDispose]();
    assert.equal(aws.countOf("StopTask"), 1);
    aws.move(id, { lastStatus: "STOPPED" });
    assert.equal((await bench("c1", aws).backend.list(context))[0]?.failure, undefined);
  });
});

describe("what is left behind", () => {
  it("goes when no task needs it, and never what is another's", async () => {
    const aws = new MemoryAws();
    const { backend, clock } = bench("c1", aws);
    const request = podOf("old", "uid-old", withSecret);
    const { id } = await backend.create(request, context);
    await bench("c2", aws).backend.create(podOf("theirs", "uid-theirs", withSecret, "c2"), context);
    aws.tasks.delete(id);
    const other = bench("c1", aws, clock).backend;
    const cleaned = async (): Promise<void> => {
      await other.list(context);
      for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate);
    };
    await cleaned();
    assert.equal(aws.definitions.size, 2);
    clock.time = 16 * 60_000;
    await cleaned();
    await cleaned();
    assert.deepEqual([...aws.secrets.keys()], ["virtual-kubelet/c2/fargate/uid-theirs/pod"]);
    assert.equal(aws.definitions.size, 1);
    assert.equal(aws.inactive.size, 0);
  });
});

describe("metadata", () => {
  it("is written to the task", async () => {
    const { backend } = bench();
    const { id } = await backend.create(podOf("web"), context);
    const ref = { id, owner: podOf("web").owner };
    await backend.updateMetadata(ref, { ...podOf("web"), revision: "r2" }, context);
    assert.equal((await backend.describe([ref], context))[0]?.revision, "r2");
  });
});
