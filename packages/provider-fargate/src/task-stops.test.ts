// A pod of which one container failed too soon for ECS while another works on: when its task is stopped, and with what it is run again.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container } from "@aws-sdk/client-ecs";
import { type CallContext, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import { parseFargateConfig } from "./config.ts";
import { FargateBackend } from "./fargate-backend.ts";
import { podRequest } from "./testing/golden-pods.ts";
import { MemoryAws } from "./testing/memory-aws.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const config = parseFargateConfig(
  {
    ...{ region: "eu-west-1", cluster: "pods", network: { subnets: ["subnet-1"] } },
    ...{ helperImage: "registry.test/helper:1", executionRoleARN: "arn:aws:iam::123456789012:role/execute" },
  },
  {},
);
const request = podRequest({
  name: "web",
  spec: {
    restartPolicy: "OnFailure",
    containers: ["work", "once", "flaky"].map((name) => ({ name, image: name })),
  },
});
const { owner } = request;

async function bench(api: (aws: MemoryAws) => AwsApi = (aws) => aws.api) {
  let now = 0;
  const clock = {
    now: () => now,
    schedule: (_delayMs: number, callback: () => void): (() => void) => {
      const timer = setImmediate(callback);
      return () => clearImmediate(timer);
    },
  };
  const aws = new MemoryAws();
  const started = (): FargateBackend =>
    new FargateBackend({ aws: api(aws), config, cluster: owner.cluster, node: owner.node, clock, log: silentLogger });
  const backend = started();
  const { id } = await backend.create(request, context);
  const newest = (): string => [...aws.tasks.keys()].at(-1) ?? "";
  return {
    ...{ aws, backend, id, started, newest },
    /** By container: its code, or that it runs. */
    move(is: Readonly<Record<string, number | "runs">>): void {
      const containers = Object.entries({ ...is, vk_keeper: "runs" as const }).map(
        ([name, code]): Container => ({
          ...{ name, lastStatus: code === "runs" ? "RUNNING" : "STOPPED" },
          ...(code === "runs" ? {} : { exitCode: code }),
        }),
      );
      const startedAt = aws.tasks.get(newest())?.startedAt ?? new Date(now);
      aws.move(newest(), { lastStatus: "RUNNING", startedAt, containers });
    },
    /** It ends as it was told. */
    ends(codes: Readonly<Record<string, number>>): void {
      const containers = Object.entries(codes).map(
        ([name, exitCode]): Container => ({ name, exitCode, lastStatus: "STOPPED" }),
      );
      aws.move(newest(), { lastStatus: "STOPPED", stoppedAt: new Date(now), containers });
    },
    look: async (seconds: number, isWanted = true, by = backend) => {
      now += seconds * 1000;
      const [group] = await by.describe([{ id, owner, isWanted }], context);
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      return group;
    },
    containersOf: (arn: string): readonly string[] => {
      const { input = "" } = aws.definitions.get(aws.tasks.get(arn)?.taskDefinitionArn ?? "") ?? {};
      return [...input.matchAll(/"name":"([a-z_]+)","image"/g)].map(([, name = ""]) => name);
    },
  };
}

describe("a pod with a container that failed beside others", () => {
  it("is stopped when those have had their time, and run again without what has ended well", async () => {
    const { aws, newest, move, ends, look, containersOf } = await bench();
    const first = newest();
    move({ work: "runs", once: 0, flaky: "runs" });
    await look(0);
    move({ work: "runs", once: 0, flaky: 3 });
    const group = await look(30);
    const flaky = group?.containers.find(({ name }) => name === "flaky");
    assert.deepEqual(
      [group?.stage, flaky?.state.waiting, flaky?.lastState?.terminated?.exitCode],
      ["running", { reason: "CrashLoopBackOff", message: "back-off 30s restarting failed container=flaky" }, 3],
    );
    await look(29);
    assert.equal(aws.countOf("StopTask"), 0);
    await look(1, false);
    assert.equal(aws.countOf("StopTask"), 0, "nobody wants it");
    await look(0);
    await look(0);
    assert.equal(aws.countOf("StopTask"), 1);
    assert.equal(
      aws.tasks.get(first)?.stoppedReason,
      "virtual-kubelet: a container is to start anew, tried before: 0, ended: once",
    );
    ends({ work: 0, once: 0, flaky: 3 });
    const waiting = await look(0);
    assert.deepEqual(
      waiting?.containers.map(({ name, state }) => [name, state.waiting?.reason ?? state.terminated?.reason]),
      [
        ["work", "CrashLoopBackOff"],
        ["once", "Completed"],
        ["flaky", "CrashLoopBackOff"],
      ],
      "0 is how it heeded its end",
    );
    assert.equal(aws.tasks.size, 2, "its back-off is over");
    assert.deepEqual(containersOf(newest()), ["work", "flaky", "vk_keeper"]);
    assert.deepEqual(
      ["DescribeTaskDefinition", "ListTaskDefinitions", "RegisterTaskDefinition"].map((call) => aws.countOf(call)),
      [1, 2, 2],
    );
  });

  it("does not run again what ended well since the last look", async () => {
    const { newest, aws, move, ends, look, containersOf } = await bench((memory) => ({
      ...memory.api,
      stopTask: (...call) => {
        move({ work: 0, once: "runs", flaky: 3 });
        return memory.api.stopTask(...call);
      },
    }));
    const first = newest();
    move({ work: "runs", once: "runs", flaky: 3 });
    await look(0);
    await look(10);
    ends({ work: 0, once: 0, flaky: 3 });
    await look(0);
    assert.deepEqual(containersOf(newest()), ["once", "flaky", "vk_keeper"]);
    const tagsOn = (arn: string) => (aws.tasks.get(arn)?.tags ?? []).map(({ key }) => key);
    assert.ok(tagsOn(first).includes("virtual-kubelet.io/ended"));
    assert.ok(!tagsOn(newest()).includes("virtual-kubelet.io/ended"), "that was of the first");
  });

  it("that is to end itself is left to it", async () => {
    const { aws, backend, id, move, look } = await bench();
    move({ work: "runs", once: "runs", flaky: 3 });
    await look(20);
    await backend.stop({ id, owner }, {}, context);
    await look(600);
    assert.equal(aws.countOf("StopTask"), 1);
  });

  it("has all that failed run again when all have ended, as often as need be, by any program", async () => {
    const { aws, newest, started, move, ends, look, containersOf } = await bench();
    move({ work: 1, once: 0, flaky: 3 });
    await look(5);
    ends({ work: 1, once: 0, flaky: 3 });
    await look(0);
    assert.equal(aws.tasks.size, 1);
    await look(10);
    assert.equal(aws.tasks.size, 2);
    move({ work: 0, flaky: 3 });
    await look(5);
    ends({ work: 0, flaky: 3 });
    const other = started();
    await other.list(context);
    await look(20, true, other);
    const group = await look(0, true, other);
    assert.deepEqual(containersOf(newest()), ["flaky", "vk_keeper"]);
    assert.deepEqual(
      Object.fromEntries((group?.containers ?? []).map(({ name, restartCount }) => [name, restartCount])),
      { once: 0, work: 1, flaky: 2 },
    );
    move({ flaky: 0 });
    await look(5, true, other);
    ends({ flaky: 0 });
    const over = await look(0, true, other);
    assert.deepEqual([over?.stage, over?.failure], ["ended", undefined]);
    assert.ok(over?.containers.every(({ state }) => state.terminated?.exitCode === 0));
    await look(600, true, other);
    assert.equal(aws.tasks.size, 3);
  });
});
