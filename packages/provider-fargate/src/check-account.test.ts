// What doctor finds out about an account without making anything in it: rights and quotas, over a fake region.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type CallContext, type ProviderCheck, silentLogger, systemClock } from "@virtual-kubelet/virtual-kubelet";
import { MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { awsSdk } from "./aws-sdk.ts";
import { fargateChecks } from "./check.ts";
import { refusal } from "./testing/aws-refusal.ts";
import { FakeEcs } from "./testing/fake-ecs.ts";
import { configOn, providerOn } from "./testing/fargate-bench.ts";
import { podRequest } from "./testing/golden-pods.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };

describe("doctor of an account", () => {
  let fake: FakeEcs;
  before(async () => {
    fake = await FakeEcs.start({ runner: new MemoryGroups(), logGroups: ["/pods"], paceMs: 5 });
  });
  after(async () => {
    await fake[Symbol.asyncDispose]();
    assert.deepEqual(fake.misuse, []);
  });

  async function checks(more: Readonly<Record<string, unknown>> = {}): Promise<ReadonlyMap<string, ProviderCheck>> {
    const config = configOn(fake, { events: { queueURL: fake.queues.create("changes") }, ...more });
    const credentials = async () => fake.clientConfig.credentials;
    await using aws = awsSdk({ config, clock: systemClock, log: silentLogger, credentials });
    const found = await fargateChecks(aws, config, systemClock, context);
    return new Map(found.map((check) => [check.name, check]));
  }

  it("asks for each right by what is not there, and makes nothing", async () => {
    const rights = (await checks()).get("rights");
    assert.equal(rights?.status, "ok", rights?.message);
    assert.match(rights?.message ?? "", /none of 14 /);
    assert.equal(fake.books.length, 0);
    assert.equal(fake.secrets.all.size, 0);
    assert.equal(fake.counts["CreateSecret"] ?? 0, 0);
  });

  it("names those that are missing, and those that it could not ask for", async () => {
    for (const operation of ["StopTask", "PutSecretValue"])
      fake.faults.fail(operation, 1, refusal("AccessDeniedException", `not authorized to perform ${operation}`));
    const denied = (await checks()).get("rights");
    assert.equal(denied?.status, "fail");
    assert.equal(denied?.message, "not allowed: ecs:StopTask, secretsmanager:PutSecretValue");
    assert.match(denied?.fix ?? "", /fargate-program\.json/);
    fake.faults.fail("StopTask", 1);
    const unknown = (await checks()).get("rights");
    assert.equal(unknown?.status, "warn");
    assert.match(unknown?.message ?? "", /ecs:StopTask/);
  });

  it("tells the quota of Fargate beside what the node says that it has", async () => {
    assert.match((await checks()).get("quota")?.message ?? "", /not known/);
    const provider = providerOn(fake, { node: "fargate", cluster: "c1" });
    const request = podRequest({ name: "web", spec: { containers: [{ name: "web", image: "web" }] } });
    await provider.createPod(request, context);
    try {
      const small = (await checks({ capacity: { cpu: "6" } })).get("quota");
      assert.deepEqual([small?.status, small?.message], ["ok", "0.25 of 6 vCPUs of the account are in use"]);
      const large = (await checks({ capacity: { cpu: "1000" } })).get("quota");
      assert.equal(large?.status, "warn");
      assert.match(large?.message ?? "", /of 6 vCPUs .* the node says that it has 1000/);
      assert.match(large?.fix ?? "", /aws service-quotas list-service-quotas --region \S+ --service-code fargate/);
      const spot = await checks({ capacityProviders: [{ name: "FARGATE_SPOT" }] });
      assert.deepEqual([spot.has("quota"), spot.get("quota of spot")?.status], [false, "warn"]);
    } finally {
      await provider[Symbol.asyncDispose]?.();
    }
  });
});
