import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { type isErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { eventually } from "@virtual-kubelet/virtual-kubelet/testing";
import { type ArmBench, type ArmBenchOptions, clientOf, groupOf, startArmBench } from "../testing/arm-bench.ts";
import { listen } from "../testing/fake-http.ts";
import type { ContainerGroup } from "../wire.ts";

async function bench(t: TestContext, options: ArmBenchOptions = {}): Promise<ArmBench> {
  const made = await startArmBench(options);
  t.after(() => made[Symbol.asyncDispose]());
  return made;
}

const of =
  (kind: Parameters<typeof isErrorKind>[1], reason?: string, text = /./) =>
  (error: unknown): boolean =>
    error instanceof VirtualKubeletError && error.kind === kind && error.reason === reason && text.test(error.message);

function running({ client, call }: ArmBench, name: string, state = "Running"): Promise<ContainerGroup> {
  return eventually(`${name} is ${state}`, 15_000, async () => {
    const group = await client.get(name, call);
    return group.properties.instanceView?.state === state ? group : undefined;
  });
}

test("a group is accepted at once, goes through its states, ends and is removed", async (t) => {
  const at = await bench(t);
  const { client, call, fake } = at;
  const accepted = await client.createOrUpdate("a", groupOf("exit-3", { restartPolicy: "Never" }), call);
  assert.equal(accepted.properties.provisioningState, "Pending");
  const ended = await running(at, "a", "Failed");
  const view = ended.properties.containers[0]?.properties.instanceView;
  assert.equal(view?.currentState?.state, "Terminated");
  assert.equal(view?.currentState?.exitCode, 3);
  assert.ok(Date.parse(view?.currentState?.finishTime ?? "") > 0);
  assert.deepEqual(
    view?.events?.map((event) => event.name),
    ["Pulling", "Pulled", "Started"],
  );
  assert.deepEqual(ended.tags, { who: "test" });
  await client.remove("a", call);
  await eventually("it is gone", 15_000, () =>
    client.get("a", call).then(
      () => false,
      (error: unknown) => of("NotFound", "ResourceNotFound")(error),
    ),
  );
  await assert.rejects(client.remove("a", call), of("NotFound"));
  assert.deepEqual(fake.groups.removed, ["a"]);
  assert.deepEqual(fake.problems, []);
});

test("restart policies and the order of init containers are the cloud's", async (t) => {
  const at = await bench(t);
  const init = (name: string, image: string) => ({ name, properties: { image } });
  await at.client.createOrUpdate("crash", groupOf("exit-1"), at.call);
  await at.client.createOrUpdate(
    "init",
    groupOf("web", { initContainers: [init("a", "exit-0"), init("b", "exit-0")] }),
    at.call,
  );
  const spoilt = groupOf("web", { restartPolicy: "Never", initContainers: [init("a", "exit-4"), init("b", "exit-0")] });
  await at.client.createOrUpdate("spoilt", spoilt, at.call);
  const group = await running(at, "init");
  const codes = group.properties.initContainers?.map((each) => each.properties.instanceView?.currentState?.exitCode);
  assert.deepEqual(codes, [0, 0]);
  const failed = await running(at, "spoilt", "Failed");
  assert.equal(failed.properties.containers[0]?.properties.instanceView?.currentState?.state, "Waiting");
  const crashed = await eventually("restarts are counted", 15_000, async () => {
    const view = (await at.client.get("crash", at.call)).properties.containers[0]?.properties.instanceView;
    return (view?.restartCount ?? 0) > 1 ? view : undefined;
  });
  assert.equal(crashed.previousState?.exitCode, 1);
  assert.deepEqual(at.fake.problems, []);
});

test("lists have all pages and no views; tags are replaced", async (t) => {
  const { client, call, fake } = await bench(t, { pageSize: 3 });
  await Promise.all(Array.from({ length: 8 }, (_, index) => client.createOrUpdate(`g${index}`, groupOf("web"), call)));
  const all = await client.list(call);
  assert.deepEqual(all.map((group) => group.name).sort(), ["g0", "g1", "g2", "g3", "g4", "g5", "g6", "g7"]);
  assert.ok(all.every((group) => group.properties.instanceView === undefined));
  assert.equal(client.counts["list"], 3);
  await client.updateTags("g1", { other: "b" }, call);
  assert.deepEqual((await client.get("g1", call)).tags, { other: "b" });
  assert.deepEqual(fake.problems, []);
});

test("a page elsewhere gets no token", async (t) => {
  const { client, call, fake } = await bench(t);
  const page = JSON.stringify({ value: [], nextLink: "https://example.invalid/next" });
  fake.faults.add({ operation: "list", answer: { status: 200, text: page } });
  await assert.rejects(client.list(call), of("Unavailable", undefined, /refers to https:\/\/example.invalid/));
});

test("a group is stopped, keeps its report, and starts anew", async (t) => {
  const at = await bench(t);
  await at.client.createOrUpdate("a", groupOf("web"), at.call);
  await running(at, "a");
  await at.client.stop("a", at.call);
  const stopped = await running(at, "a", "Stopped");
  assert.equal(stopped.properties.containers[0]?.properties.instanceView?.currentState?.state, "Terminated");
  await eventually("started", 15_000, () => at.client.start("a", at.call).then(() => true));
  await running(at, "a");
  await at.client.restart("a", at.call);
  await running(at, "a");
  assert.deepEqual(at.fake.problems, []);
});

test("logs: the present run, its end, with times", async (t) => {
  const at = await bench(t);
  await at.client.createOrUpdate("a", groupOf("web"), at.call);
  await running(at, "a");
  const text = await at.client.listLogs("a", "web", { timestamps: true }, at.call);
  assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z .*web/);
  assert.equal((await at.client.listLogs("a", "web", { tail: 1 }, at.call)).split("\n").length, 2);
  await assert.rejects(at.client.listLogs("a", "other", {}, at.call), of("NotFound", "ContainerNotFound"));
});

test("exec is a raw terminal behind a password; attach gives output", async (t) => {
  const at = await bench(t);
  await at.client.createOrUpdate("a", groupOf("web"), at.call);
  await running(at, "a");
  const terminal = await at.client.exec("a", "web", { command: "/bin/sh" }, at.call);
  await terminal.write(Buffer.from("echo hel''lo\n"));
  await terminal.write(Buffer.from("exit\n"));
  const chunks: Uint8Array[] = [];
  for await (const chunk of terminal.output) chunks.push(chunk);
  assert.match(Buffer.concat(chunks).toString(), /hel/);
  await assert.rejects(terminal.write(Buffer.from("x")), of("Unavailable"));
  await eventually("the session is over", 15_000, () => at.fake.sessions === 0);
  const end = new AbortController();
  const attached = await at.client.attach("a", "web", { ...at.call, signal: end.signal });
  assert.equal(at.fake.sessions, 1);
  end.abort();
  await assert.rejects(async () => {
    for await (const _ of attached.output);
  }, of("Aborted"));
  await eventually("the session is closed", 15_000, () => at.fake.sessions === 0);
  assert.deepEqual(at.fake.problems, []);
});

test("regions, subnets, rights and figures", async (t) => {
  const at = await bench(t);
  const { client, call } = at;
  await client.createOrUpdate("a", groupOf("web"), call);
  await running(at, "a");
  await client.ping(call);
  assert.deepEqual(await client.permissions(call), [{ actions: ["*"], notActions: [] }]);
  assert.ok((await client.capabilities("westeurope", call)).some((each) => each.capabilities?.maxCpu === 31));
  const usage = (await client.usage("westeurope", call)).find((each) => each.name?.value === "ContainerGroups");
  assert.equal(usage?.currentValue, 1);
  const ref = { subscription: client.subscription, resourceGroup: "group", virtualNetwork: "net", name: "pods" };
  assert.equal(await client.getSubnet(ref, call), undefined);
  const delegations = [{ name: "aci", properties: { serviceName: "Microsoft.ContainerInstance/containerGroups" } }];
  await client.createOrUpdateSubnet(ref, { properties: { addressPrefix: "10.1.0.0/16", delegations } }, call);
  assert.deepEqual((await client.getSubnet(ref, call))?.properties.delegations, delegations);
  const from = Date.now() - 120_000;
  const series = await client.metrics("a", { names: ["CpuUsage", "MemoryUsage"], from, byContainer: true }, call);
  assert.deepEqual(
    series.map((each) => [each.name, each.container]),
    [
      ["CpuUsage", "web"],
      ["MemoryUsage", "web"],
    ],
  );
  assert.ok(
    series.every((each) => each.points.length === 1),
    "a minute without a value is left out",
  );
  assert.deepEqual(at.fake.problems, []);
});

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
  const { client, call, fake } = await bench(t);
  for (const [answer, kind] of refusals) {
    fake.faults.add({ operation: "create", answer });
    await assert.rejects(client.createOrUpdate("a", groupOf("web"), call), of(kind, answer.code), answer.code);
  }
  fake.faults.add({ operation: "get", answer: { status: 404, text: "<html>a proxy" } });
  await assert.rejects(
    client.get("a", call),
    of("Unavailable"),
    "only the cloud's own words say that something is gone",
  );
});

test("the time to wait is the cloud's; creations are throttled to their caller, others tried again", async (t) => {
  const { client, call, fake } = await bench(t);
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
  const { client, call, fake } = await bench(t, { quota: { groups: 1, cores: 100 } });
  const put = (group: ContainerGroup): Promise<ContainerGroup> => client.createOrUpdate("a", group, call);
  await assert.rejects(put(groupOf("missing")), of("Unavailable", "InaccessibleImage"));
  const resources = { requests: { cpu: 0.5, memoryInGB: 0.5 }, limits: { cpu: 1 } };
  const greedy = groupOf("web", { containers: [{ name: "web", properties: { image: "web", resources } }] });
  await assert.rejects(put(greedy), of("Invalid", "ContainerLimitGreaterThanContainerGroupTotalRequest"));
  await assert.rejects(
    put({ ...groupOf("web"), location: "eastus" }),
    of("Forbidden", "LocationNotAvailableForResourceType"),
  );
  await assert.rejects(put({ ...groupOf("web"), tags: { "a/b": "c" } }), of("Invalid", "InvalidTagNameCharacters"));
  await put(groupOf("web"));
  await put(groupOf("web"));
  assert.equal(fake.groups.created.length, 1, "the same again makes nothing");
  await eventually(
    "it runs",
    15_000,
    async () => (await client.get("a", call)).properties.provisioningState === "Succeeded",
  );
  await assert.rejects(put(groupOf("web", { restartPolicy: "Never" })), of("Invalid", "InvalidContainerGroupUpdate"));
  assert.deepEqual(fake.groups.updated, []);
  await put(groupOf("other"));
  assert.deepEqual(fake.groups.updated, ["a"]);
  await assert.rejects(client.createOrUpdate("b", groupOf("web"), call), of("Quota", "ContainerGroupQuotaReached"));
});

test("no message holds a secret of the request", async (t) => {
  const { client, call, fake } = await bench(t);
  const message = "cannot take s3cret-value of A";
  fake.faults.add({ operation: "create", answer: { status: 400, code: "InvalidRequestContent", message } });
  const environmentVariables = [{ name: "A", secureValue: "s3cret-value" }];
  const containers = [{ name: "web", properties: { image: "web", environmentVariables } }];
  await assert.rejects(
    client.createOrUpdate("a", groupOf("web", { containers }), call),
    of("Invalid", "InvalidRequestContent", /cannot take \*\*\* of A$/),
  );
  assert.equal(JSON.stringify(await client.list(call)).includes("s3cret"), false);
});

test("a region that is down is Unavailable, an answer that is lost leaves what was made", async (t) => {
  const { client, call, fake } = await bench(t);
  fake.faults.setDown(true);
  await assert.rejects(client.list(call), of("Unavailable"));
  fake.faults.setDown(false);
  fake.faults.add({ operation: "create", loseAnswer: true });
  await assert.rejects(client.createOrUpdate("a", groupOf("web"), call), of("Unavailable"));
  assert.equal((await client.list(call)).length, 1);
  await client.createOrUpdate("a", groupOf("web"), call);
  assert.equal(fake.groups.created.length, 1);
});

test("a call ends with its signal, before and while it waits", async (t) => {
  const { client, call, fake } = await bench(t);
  fake.faults.add({ operation: "get", delayMs: 3_600_000 });
  await assert.rejects(client.get("a", { ...call, signal: AbortSignal.abort() }), of("Aborted"));
  const end = new AbortController();
  setTimeout(() => end.abort(), 50);
  await assert.rejects(client.get("a", { ...call, signal: end.signal }), of("Aborted"));
});

test("liveness probes restart a container", async (t) => {
  const at = await bench(t);
  const livenessProbe = { httpGet: { port: 1 }, periodSeconds: 1, failureThreshold: 1 };
  const resources = { requests: { cpu: 1, memoryInGB: 1 } };
  const containers = [{ name: "web", properties: { image: "web", resources, livenessProbe } }];
  await at.client.createOrUpdate("a", groupOf("web", { containers }), at.call);
  const view = await eventually("it is restarted", 15_000, async () => {
    const found = (await at.client.get("a", at.call)).properties.containers[0]?.properties.instanceView;
    return (found?.restartCount ?? 0) > 0 ? found : undefined;
  });
  assert.ok(view.events?.some((event) => event.name === "Unhealthy" && event.type === "Warning"));
});

test("a proxy is gone through, for calls and for sessions", async (t) => {
  const { fake, client, call } = await bench(t);
  await client.createOrUpdate("a", groupOf("web"), call);
  await eventually("it runs", 15_000, () => fake.groups.named("a")?.isRunning("web"));
  const asked: string[] = [];
  const proxy = createServer();
  proxy.on("connect", (request, socket: Duplex) => {
    asked.push(request.url ?? "");
    const upstream = connect(Number(request.url?.split(":")[1]), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      upstream.pipe(socket).pipe(upstream);
    });
    for (const each of [upstream, socket]) each.on("error", () => {});
  });
  const port = await listen(proxy);
  t.after(() => proxy.close());
  const name = `arm.test:${new URL(fake.url).port}`;
  await using behind = clientOf(fake, {
    env: { HTTPS_PROXY: `http://127.0.0.1:${port}` },
    endpoints: { resourceManager: `https://${name}`, authority: `https://${name}` },
  });
  const terminal = await behind.exec("a", "web", { command: "/bin/sh" }, call);
  await terminal.write(Buffer.from("exit\n"));
  for await (const _ of terminal.output);
  // Nobody but the proxy knows where arm.test is.
  assert.ok(asked.length > 0);
  assert.ok(asked.every((each) => each === name));
});

test("spot capacity that is taken away ends a group, and says so", async (t) => {
  const at = await bench(t);
  await at.client.createOrUpdate("a", groupOf("web", { priority: "Spot" }), at.call);
  await running(at, "a");
  await at.fake.groups.named("a")?.evict();
  const { properties } = await running(at, "a", "Failed");
  assert.deepEqual(
    properties.instanceView?.events?.map((event) => event.name),
    ["Evicted"],
  );
  assert.equal(properties.containers[0]?.properties.instanceView?.currentState?.exitCode, 137);
});

test("images that are looked for when containers start are waited for, and it is told", async (t) => {
  const at = await bench(t, { imagesChecked: "whenPulled" });
  await at.client.createOrUpdate("a", groupOf("missing"), at.call);
  const view = await eventually("it is told", 15_000, async () => {
    const found = (await at.client.get("a", at.call)).properties.containers[0]?.properties.instanceView;
    return found?.events?.some((event) => event.name === "BackOff") ? found : undefined;
  });
  assert.equal(view.currentState?.state, "Waiting");
  await at.client.remove("a", at.call);
  await eventually("it is gone", 15_000, () => at.fake.groups.all.length === 0);
  assert.deepEqual(at.fake.problems, []);
});

test("answers that are not understood are Unavailable", async (t) => {
  const { client, call, fake } = await bench(t);
  for (const text of ["", "<html>", "[]", '{"properties":{"containers":[{}]}}', "null"]) {
    fake.faults.add({ operation: "get", answer: { status: 200, text } });
    await assert.rejects(
      client.get("a", call),
      of("Unavailable", undefined, /get a: the answer is not understood/),
      text,
    );
  }
});

test("a token for registries is one of its own", async (t) => {
  const { client, call } = await bench(t);
  const token = await client.registryToken(call.signal);
  assert.ok(token.length > 0);
  assert.equal(await client.registryToken(call.signal), token, "kept");
  await client.ping(call);
});
