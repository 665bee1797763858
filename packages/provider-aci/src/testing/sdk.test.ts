// The vendor's SDK for JavaScript drives the fake: an independent client, which takes its answers for the cloud's.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ContainerInstanceManagementClient } from "@azure/arm-containerinstance";
import { eventually, MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { FakeArm } from "./fake-arm.ts";

test("the SDK makes, watches, stops, starts and removes a group of the fake", async (t) => {
  const fake = await FakeArm.start({ runner: new MemoryGroups(), pageSize: 1 });
  t.after(() => fake[Symbol.asyncDispose]());
  const credential = {
    getToken: async () => ({
      token: fake.tokens.mint(fake.endpoints.audience),
      expiresOnTimestamp: Date.now() + 3_600_000,
    }),
  };
  const options = { endpoint: fake.url, tlsOptions: { ca: fake.ca }, retryOptions: { maxRetries: 0 } };
  const { containerGroups, containers, location } = new ContainerInstanceManagementClient(
    credential,
    fake.subscription,
    options,
  );
  const group = {
    location: "westeurope",
    osType: "Linux",
    restartPolicy: "Always",
    tags: { by: "sdk" },
    containers: [
      {
        name: "web",
        image: "web",
        resources: { requests: { cpu: 0.5, memoryInGB: 0.5 } },
        environmentVariables: [{ name: "KEY", secureValue: "hidden" }],
      },
    ],
    initContainers: [{ name: "init", image: "exit-0" }],
  };
  const quick = { updateIntervalInMs: 50 };
  const made = await containerGroups.beginCreateOrUpdateAndWait("group", "sdk", group, quick);
  assert.equal(made.provisioningState, "Succeeded");
  const found = await eventually("it runs", 10_000, async () => {
    const each = await containerGroups.get("group", "sdk");
    return each.instanceView?.state === "Running" ? each : undefined;
  });
  assert.ok(found.containers[0]?.instanceView?.currentState?.startTime instanceof Date);
  assert.equal(found.initContainers?.[0]?.instanceView?.currentState?.exitCode, 0);
  assert.equal(found.containers[0]?.environmentVariables?.[0]?.secureValue, undefined);
  await containerGroups.beginCreateOrUpdateAndWait("group", "other", group, quick);
  const names: (string | undefined)[] = [];
  for await (const each of containerGroups.listByResourceGroup("group")) names.push(each.name);
  assert.deepEqual(names, ["sdk", "other"]);
  assert.deepEqual((await containerGroups.update("group", "sdk", { tags: { by: "nobody" } })).tags, { by: "nobody" });
  assert.match((await containers.listLogs("group", "sdk", "web", { tail: 1 })).content ?? "", /web/);
  const session = await containers.executeCommand("group", "sdk", "web", {
    command: "/bin/sh",
    terminalSize: { rows: 24, cols: 80 },
  });
  assert.match(session.webSocketUri ?? "", /^wss:/);
  assert.match((await containers.attach("group", "sdk", "web")).password ?? "", /./);
  const usages: (string | undefined)[] = [];
  for await (const usage of location.listUsage("westeurope")) usages.push(usage.name?.value);
  assert.deepEqual(usages, ["ContainerGroups", "StandardCores"]);
  for await (const each of location.listCapabilities("westeurope")) assert.equal(each.location, "westeurope");
  await containerGroups.stop("group", "sdk");
  await eventually(
    "stopped",
    60_000,
    async () => (await containerGroups.get("group", "sdk")).instanceView?.state === "Stopped",
  );
  await containerGroups.beginStartAndWait("group", "sdk", quick);
  const refused = { ...group, osType: "Minix" };
  await assert.rejects(containerGroups.beginCreateOrUpdateAndWait("group", "bad", refused, quick), {
    code: "InvalidRequestContent",
    statusCode: 400,
  });
  await containerGroups.beginDeleteAndWait("group", "sdk", quick);
  await assert.rejects(containerGroups.get("group", "sdk"), { code: "ResourceNotFound", statusCode: 404 });
  assert.deepEqual(fake.problems, ["request of create: properties.osType: Minix is none of Windows, Linux"]);
});
