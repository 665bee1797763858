// Tasks that the Go provider left, over a fake region: found, told, read, tagged, and stopped with their pods.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ECS } from "@aws-sdk/client-ecs";
import { type CallContext, type Provider, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { eventually, MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { FakeEcs } from "./testing/fake-ecs.ts";
import { providerOn, roles } from "./testing/fargate-bench.ts";
import { podRequest } from "./testing/golden-pods.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const patience = 20_000;
const command = ["sh", "-c", "echo hello; sleep 600"];
const pod = podRequest({ name: "old", uid: "uid-old", spec: { containers: [{ name: "web", image: "web", command }] } });

describe("a task of the Go provider", () => {
  let fake: FakeEcs;
  let provider: Provider;
  before(async () => {
    fake = await FakeEcs.start({ runner: new MemoryGroups(), logGroups: ["/pods"], paceMs: 5, secondMs: 20 });
    const ecs = new ECS({ ...fake.clientConfig, maxAttempts: 1 });
    const run = async (family: string, startedBy: string): Promise<void> => {
      const logs = {
        "awslogs-group": "/pods",
        "awslogs-region": "eu-west-1",
        "awslogs-stream-prefix": `${family}_web`,
      };
      const { taskDefinition } = await ecs.registerTaskDefinition({
        ...{ family, requiresCompatibilities: ["FARGATE"], networkMode: "awsvpc", cpu: "256", memory: "512" },
        executionRoleArn: roles.execute,
        containerDefinitions: [
          {
            ...{ name: "web", image: "web", entryPoint: command },
            logConfiguration: { logDriver: "awslogs", options: logs },
          },
        ],
      });
      await ecs.runTask({
        ...{ taskDefinition: taskDefinition?.taskDefinitionArn, startedBy, launchType: "FARGATE" },
        networkConfiguration: { awsvpcConfiguration: { subnets: ["subnet-1"] } },
      });
    };
    await run("vk-podspec_default_default_old", "uid-old");
    await run("somebodys-own", "a-job");
    ecs.destroy();
    provider = providerOn(fake, { node: "fargate", cluster: "c1" });
  });
  after(async () => {
    await provider[Symbol.asyncDispose]?.();
    await fake[Symbol.asyncDispose]();
    assert.deepEqual(fake.misuse, []);
  });

  it("is looked after from its pod on, and what is of others never touched", async () => {
    const { owner } = pod;
    const [found, ...more] = await eventually("it runs", patience, async () => {
      const all = await provider.getPods(context);
      return all[0]?.containers[0]?.state.running !== undefined && all;
    });
    assert.deepEqual(more, []);
    assert.equal(found?.clusterUnknown, true);
    assert.deepEqual(found?.owner, owner);
    assert.equal(fake.counts["TagResource"], undefined, "nothing is done to it before the API has its pod");

    await provider.updatePod?.(pod, context);
    const tags = fake.books.find(({ startedBy }) => startedBy === "uid-old")?.tags;
    assert.equal(tags?.get("virtual-kubelet.io/revision"), "r1");
    assert.equal(tags?.get("virtual-kubelet.io/cluster"), "c1", "now it is known whose it is");
    await eventually("its log is read", patience, async () => {
      const logs = await provider.getContainerLogs?.({ owner, pod: pod.pod, container: "web" }, {}, context);
      const chunks = logs === undefined ? [] : await Array.fromAsync(logs.data);
      return Buffer.concat(chunks).toString().includes("hello");
    });
    await provider.deletePod(owner, { gracePeriodSeconds: 1 }, context);
    await eventually("it is gone", patience, async () => (await provider.getPods(context)).length === 0);
    assert.deepEqual(
      fake.books.map(({ startedBy, live }) => [startedBy, live]),
      [
        ["uid-old", false],
        ["a-job", true],
      ],
    );
  });
});
