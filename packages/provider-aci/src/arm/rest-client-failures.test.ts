// What the client makes of refusals, throttling, answers that make no sense, and a cloud that is away.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type isErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { eventually } from "@virtual-kubelet/virtual-kubelet/testing";
import { type ArmBench, armBench, groupOf, refusal } from "../testing/arm-bench.ts";
import type { ContainerGroup } from "../wire.ts";

const refusals: readonly (readonly [
  answer: NonNullable<Parameters<ArmBench["fake"]["faults"]["add"]>[0]["answer"]>,
  kind: Parameters<typeof isErrorKind>[1],
])[] = [
  [{ status: 400, code: "InvalidRequestContent" }, "Invalid"],
  [{ status: 400, code: "InaccessibleImage" }, "Unavailable"],
  [{ status: 403, code: "AuthorizationFailed" }, "Forbidden"],
  [{ status: 404, code: "ResourceNotFound" }, "NotFound"],
  [{ status: 404, code: "ResourceGroupNotFound" }, "Unavailable"],
  [{ status: 404, code: "SubscriptionNotFound" }, "Forbidden"],
  [{ status: 409, code: "ContainerGroupTransitioning" }, "Conflict"],
  [{ status: 409, code: "ContainerGroupQuotaReached" }, "Quota"],
  [{ status: 409, code: "ServiceUnavailable" }, "Quota"],
  [{ status: 409, code: "RegistryErrorResponse" }, "Unavailable"],
  [{ status: 429, code: "TooManyRequests" }, "Throttled"],
  [{ status: 500, code: "InternalServerError" }, "Unavailable"],
  [{ status: 503, code: "ServerBusy" }, "Unavailable"],
];
test("refusals become kinds, with the cloud's code", async (t) => {
  const { client, call, fake } = await armBench(t);
  for (const [answer, kind] of refusals) {
    fake.faults.add({ operation: "create", answer });
    await assert.rejects(client.createOrUpdate("a", groupOf("web"), call), refusal(kind, answer.code), answer.code);
  }
  fake.faults.add({ operation: "get", answer: { status: 404, text: "<html>a proxy" } });
  await assert.rejects(
    client.get("a", call),
    refusal("Unavailable"),
    "only the cloud's own words say that something is gone",
  );
});

test("the time to wait is the cloud's; creations are throttled to their caller, others tried again", async (t) => {
  const { client, call, fake } = await armBench(t);
  const headers = { "retry-after": "7" };
  fake.faults.add({ operation: "create", answer: { status: 429, code: "TooManyRequests", headers } });
  await assert.rejects(client.createOrUpdate("a", groupOf("web"), call), (error: unknown) => {
    assert.ok(error instanceof VirtualKubeletError);
    return error.kind === "Throttled" && (error.retryAfterMs ?? 0) >= 6900;
  });
  fake.faults.add({
    operation: "list",
    times: 2,
    answer: { status: 429, code: "TooManyRequests", headers: { "retry-after-ms": "20" } },
  });
  assert.deepEqual(await client.list(call), []);
  assert.equal(fake.calls.get("list"), 3);
  // Who is to be left alone for a minute is there.
  const answer = { status: 429, code: "TooManyRequests", headers: { "retry-after": "60" } };
  fake.faults.add({ operation: "ping", times: 1000, answer });
  await eventually("a ping that does not wait", 10_000, async () => {
    await client.ping({ ...call, signal: AbortSignal.timeout(250) });
    return true;
  });
});

test("what the cloud refuses at sight: images, quotas, limits beyond the group, other locations, tags", async (t) => {
  const { client, call, fake } = await armBench(t, { quota: { groups: 1, cores: 100 } });
  const put = (group: ContainerGroup): Promise<ContainerGroup> => client.createOrUpdate("a", group, call);
  await assert.rejects(put(groupOf("missing")), refusal("Unavailable", "InaccessibleImage"));
  const resources = { requests: { cpu: 0.5, memoryInGB: 0.5 }, limits: { cpu: 1 } };
  const greedy = groupOf("web", { containers: [{ name: "web", properties: { image: "web", resources } }] });
  await assert.rejects(put(greedy), refusal("Invalid", "ContainerLimitGreaterThanContainerGroupTotalRequest"));
  await assert.rejects(
    put({ ...groupOf("web"), location: "eastus" }),
    refusal("Forbidden", "LocationNotAvailableForResourceType"),
  );
  await assert.rejects(
    put({ ...groupOf("web"), tags: { "a/b": "c" } }),
    refusal("Invalid", "InvalidTagNameCharacters"),
  );
  await put(groupOf("web"));
  await put(groupOf("web"));
  assert.equal(fake.groups.created.length, 1, "the same again makes nothing");
  await eventually(
    "it runs",
    15_000,
    async () => (await client.get("a", call)).properties.provisioningState === "Succeeded",
  );
  await assert.rejects(
    put(groupOf("web", { restartPolicy: "Never" })),
    refusal("Invalid", "InvalidContainerGroupUpdate"),
  );
  assert.deepEqual(fake.groups.updated, []);
  await put(groupOf("other"));
  assert.deepEqual(fake.groups.updated, ["a"]);
  await assert.rejects(
    client.createOrUpdate("b", groupOf("web"), call),
    refusal("Quota", "ContainerGroupQuotaReached"),
  );
});

test("no message holds a secret of the request", async (t) => {
  const { client, call, fake } = await armBench(t);
  const message = "cannot take s3cret-value of A";
  fake.faults.add({ operation: "create", answer: { status: 400, code: "InvalidRequestContent", message } });
  const environmentVariables = [{ name: "A", secureValue: "s3cret-value" }];
  const containers = [{ name: "web", properties: { image: "web", environmentVariables } }];
  await assert.rejects(
    client.createOrUpdate("a", groupOf("web", { containers }), call),
    refusal("Invalid", "InvalidRequestContent", /cannot take \*\*\* of A$/),
  );
  assert.equal(JSON.stringify(await client.list(call)).includes("s3cret"), false);
});

test("a region that is down is Unavailable, an answer that is lost leaves what was made", async (t) => {
  const { client, call, fake } = await armBench(t);
  fake.faults.setDown(true);
  await assert.rejects(client.list(call), refusal("Unavailable"));
  fake.faults.setDown(false);
  fake.faults.add({ operation: "create", loseAnswer: true });
  await assert.rejects(client.createOrUpdate("a", groupOf("web"), call), refusal("Unavailable"));
  assert.equal((await client.list(call)).length, 1);
  await client.createOrUpdate("a", groupOf("web"), call);
  assert.equal(fake.groups.created.length, 1);
});

test("a call ends with its signal, before and while it waits", async (t) => {
  const { client, call, fake } = await armBench(t);
  fake.faults.add({ operation: "get", delayMs: 3_600_000 });
  await assert.rejects(client.get("a", { ...call, signal: AbortSignal.abort() }), refusal("Aborted"));
  const end = new AbortController();
  setTimeout(() => end.abort(), 50);
  await assert.rejects(client.get("a", { ...call, signal: end.signal }), refusal("Aborted"));
});

test("answers that are not understood are Unavailable", async (t) => {
  const { client, call, fake } = await armBench(t);
  for (const text of ["", "<html>", "[]", '{"properties":{"containers":[{}]}}', "null"]) {
    fake.faults.add({ operation: "get", answer: { status: 200, text } });
    await assert.rejects(
      client.get("a", call),
      refusal("Unavailable", undefined, /get a: the answer is not understood/),
      text,
    );
  }
});
