import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Task } from "@aws-sdk/client-ecs";
import { type CallContext, silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import { parseFargateConfig } from "./config.ts";
import { FargateBackend } from "./fargate-backend.ts";
import { retryDelayMs } from "./task-retry.ts";
import { podRequest } from "./testing/golden-pods.ts";
import { MemoryAws } from "./testing/memory-aws.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const config = parseFargateConfig(
  {
    ...{
      region: "eu-west-1",
      cluster: "pods",
      network: { subnets: ["subnet-1"] },
      helperImage: "registry.test/helper:1",
    },
    executionRoleARN: "arn:aws:iam::123456789012:role/execute",
  },
  {},
);
const pull = "CannotPullContainerError: there is no image web";
const clock = {
  time: 0,
  now: (): number => clock.time,
  schedule: (_delayMs: number, callback: () => void): (() => void) => {
    const timer = setImmediate(callback);
    return () => clearImmediate(timer);
  },
};
const request = podRequest({ name: "web", spec: { containers: [{ name: "web", image: "web" }] } });
const { owner } = request;

function backendOn(api: AwsApi): FargateBackend {
  return new FargateBackend({ aws: api, config, cluster: owner.cluster, node: owner.node, clock, log: silentLogger });
}

async function bench(api: (aws: MemoryAws) => AwsApi = (aws) => aws.api) {
  clock.time = 0;
  const aws = new MemoryAws();
  const given = api(aws);
  const backend = backendOn(given);
  const { id } = await backend.create(request, context);
  const look = async (by = backend) => {
    const [group] = await by.describe([{ id, owner, isWanted: true }], context);
    // What a look begins goes on by itself.
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    return group;
  };
  const fails = (more: Partial<Task> = {}, reason: string | undefined = pull): void => {
    const arn = [...aws.tasks.keys()].at(-1) ?? "";
    aws.move(arn, {
      ...{ lastStatus: "STOPPED", desiredStatus: "STOPPED", stopCode: "TaskFailedToStart", stoppedReason: pull },
      ...{ stoppedAt: new Date(clock.time), containers: [{ name: "web", lastStatus: "STOPPED", reason }], ...more },
    });
  };
  return { aws, backend, id, look, fails, again: () => backendOn(given) };
}

const live = (aws: MemoryAws): number =>
  [...aws.tasks.values()].filter(({ lastStatus }) => lastStatus !== "STOPPED").length;

describe("a pod whose task fails to start", () => {
  it("stays, says why, and is run again after 10 s, then twice as late", async () => {
    const { aws, id, look, fails } = await bench();
    fails({ lastStatus: "DEPROVISIONING" });
    assert.equal((await look())?.containers[0]?.state.waiting?.reason, "ErrImagePull");
    fails();
    for (const [attempt, delayMs] of [10_000, 20_000, 40_000].entries()) {
      clock.time += delayMs - 1;
      const group = await look();
      assert.deepEqual(
        [group?.stage, group?.failure, group?.containers[0]?.state.waiting],
        ["starting", undefined, { reason: "ImagePullBackOff", message: pull }],
      );
      assert.equal(aws.tasks.size, attempt + 1);
      clock.time += 1;
      await look();
      await look();
      assert.equal(aws.tasks.size, attempt + 2);
      assert.equal(live(aws), 1);
      assert.equal(aws.countOf("DescribeTaskDefinition"), 0, "the same is run again");
      const next = await look();
      assert.notEqual(next?.id, id);
      assert.equal(next?.containers[0]?.state.waiting?.reason, "ContainerCreating");
      fails();
    }
    assert.equal(retryDelayMs(4), 160_000);
    assert.equal(retryDelayMs(5), 300_000);
    assert.equal(retryDelayMs(5000), 300_000);
  });

  it("goes on with its attempts in a program that started after", async () => {
    const { aws, look, fails, again } = await bench();
    fails();
    clock.time += 10_000;
    await look();
    fails();
    const other = again();
    clock.time += 19_999;
    const groups = await other.list(context);
    assert.deepEqual(
      groups.map(({ id, stage }) => [id, stage]),
      [[[...aws.tasks.keys()].at(-1), "starting"]],
    );
    await look(other);
    assert.equal(aws.tasks.size, 2);
    clock.time += 1;
    await look(other);
    assert.equal(aws.tasks.size, 3);
    const newest = (await look(other))?.id;
    assert.equal((await other.create(request, context)).id, newest, "asked for again it is the newest");
  });

  it("has one task although answers are lost, and two programs try", async () => {
    let lost = 0;
    const { aws, look, fails, again } = await bench(({ api }) => ({
      ...api,
      runTask: async (input, given) => {
        const answer = await api.runTask(input, given);
        if (input.clientToken !== owner.uid && lost++ === 0) throw new VirtualKubeletError("Unavailable", "lost");
        return answer;
      },
    }));
    const other = again();
    await other.list(context);
    fails();
    clock.time += 10_000;
    await look();
    await look(other);
    clock.time += 20_000;
    await look();
    assert.equal(lost, 3);
    assert.equal(aws.tasks.size, 2);
    assert.equal(live(aws), 1);
  });

  it("is not gone while ECS does not show its next task yet", async () => {
    const { aws, look, fails } = await bench();
    fails();
    clock.time += 10_000;
    await look();
    const arn = [...aws.tasks.keys()].at(-1) ?? "";
    const hidden = aws.tasks.get(arn) ?? {};
    aws.tasks.delete(arn);
    assert.equal((await look())?.stage, "starting");
    aws.tasks.set(arn, hidden);
    assert.equal((await look())?.id, arn);
    assert.equal(aws.tasks.size, 2);
  });

  it("is run no more once it is deleted, or stopped for good", async () => {
    const first = await bench();
    first.fails();
    await first.look();
    await first.backend.remove({ id: first.id, owner }, { gracePeriodSeconds: 0 }, context);
    clock.time += 10_000;
    assert.equal((await first.look())?.stage, "ended");
    assert.equal(await first.look(), undefined);
    assert.equal(first.aws.tasks.size, 1);

    const second = await bench();
    second.fails();
    const failure = { reason: "DeadlineExceeded", message: "too long" };
    await second.backend.stop({ id: second.id, owner }, { failure }, context);
    clock.time += 10_000;
    const group = await second.look();
    assert.deepEqual([group?.stage, group?.failure], ["ended", failure]);
    assert.equal(second.aws.tasks.size, 1);
  });

  it("is run no more by a program that started after it was deleted", async () => {
    const { aws, id, fails, again } = await bench();
    fails();
    clock.time += 10_000;
    const other = again();
    assert.equal((await other.list(context)).length, 1);
    await other.describe([{ id, owner }], context);
    await other.describe([{ id, owner, isWanted: false }], context);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    assert.equal(aws.tasks.size, 1, "nobody wants it");
    await other.remove({ id, owner }, { gracePeriodSeconds: 0 }, context);
    assert.deepEqual(await other.list(context), []);
  });

  it("is deleted with the task that is on its way", async () => {
    const held = Promise.withResolvers<void>();
    const { aws, look, fails, backend, id } = await bench(({ api }) => ({
      ...api,
      runTask: async (input, given) => {
        if (input.clientToken !== owner.uid) await held.promise;
        return api.runTask(input, given);
      },
    }));
    fails();
    clock.time += 10_000;
    await look();
    const removed = backend.remove({ id, owner }, { gracePeriodSeconds: 0 }, context);
    held.resolve();
    await removed;
    assert.deepEqual(
      [...aws.tasks.values()].map(({ desiredStatus }) => desiredStatus),
      ["STOPPED", "STOPPED"],
    );
  });

  it("waits for capacity, addresses and roles, too, but not for a definition that is gone", async () => {
    for (const stoppedReason of [
      "Capacity is unavailable at this time",
      "Timeout waiting for network interface provisioning to complete.",
      "ResourceInitializationError: unable to pull secrets or registry auth",
      "ECS was unable to assume the role",
    ]) {
      const { look, fails } = await bench();
      fails({ stoppedReason, containers: [{ name: "web", lastStatus: "STOPPED" }] });
      const group = await look();
      assert.deepEqual([group?.stage, group?.failure], ["starting", undefined], stoppedReason);
      assert.equal(group?.containers[0]?.state.waiting?.message, stoppedReason);
    }
    const gone = await bench();
    gone.fails();
    gone.aws.definitions.clear();
    clock.time += 10_000;
    await gone.look();
    const group = await gone.look();
    assert.deepEqual([group?.stage, group?.failure?.reason], ["ended", "ErrImagePull"]);
  });
});
