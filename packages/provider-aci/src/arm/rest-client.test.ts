import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { eventually } from "@virtual-kubelet/virtual-kubelet/testing";
import { type ArmBench, armBench, clientOf, groupOf, refusal } from "../testing/arm-bench.ts";
import { listen } from "../testing/fake-http.ts";
import type { ContainerGroup } from "../wire.ts";

function running({ client, call }: ArmBench, name: string, state = "Running"): Promise<ContainerGroup> {
  return eventually(`${name} is ${state}`, 15_000, async () => {
    const group = await client.get(name, call);
    return group.properties.instanceView?.state === state ? group : undefined;
  });
}

test("a group is accepted at once, goes through its states, ends and is removed", async (t) => {
  const at = await armBench(t);
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
      (error: unknown) => refusal("NotFound", "ResourceNotFound")(error),
    ),
  );
  await assert.rejects(client.remove("a", call), refusal("NotFound"));
  assert.deepEqual(fake.groups.removed, ["a"]);
  assert.deepEqual(fake.problems, []);
});

test("restart policies and the order of init containers are the cloud's", async (t) => {
  const at = await armBench(t);
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
  const { client, call, fake } = await armBench(t, { pageSize: 3 });
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
  const { client, call, fake } = await armBench(t);
  const page = JSON.stringify({ value: [], nextLink: "https://example.invalid/next" });
  fake.faults.add({ operation: "list", answer: { status: 200, text: page } });
  await assert.rejects(client.list(call), refusal("Unavailable", undefined, /refers to https:\/\/example.invalid/));
});

test("a group is stopped, keeps its report, and starts anew", async (t) => {
  const at = await armBench(t);
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
  const at = await armBench(t);
  await at.client.createOrUpdate("a", groupOf("web"), at.call);
  await running(at, "a");
  const text = await at.client.listLogs("a", "web", { timestamps: true }, at.call);
  assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z .*web/);
  assert.equal((await at.client.listLogs("a", "web", { tail: 1 }, at.call)).split("\n").length, 2);
  await assert.rejects(at.client.listLogs("a", "other", {}, at.call), refusal("NotFound", "ContainerNotFound"));
});

test("exec is a raw terminal behind a password; attach gives output", async (t) => {
  const at = await armBench(t);
  await at.client.createOrUpdate("a", groupOf("web"), at.call);
  await running(at, "a");
  const terminal = await at.client.exec("a", "web", { command: "/bin/sh" }, at.call);
  await terminal.write(Buffer.from("echo hel''lo\n"));
  await terminal.write(Buffer.from("exit\n"));
  const chunks: Uint8Array[] = [];
  for await (const chunk of terminal.output) chunks.push(chunk);
  assert.match(Buffer.concat(chunks).toString(), /hel/);
  await assert.rejects(terminal.write(Buffer.from("x")), refusal("Unavailable"));
  await eventually("the session is over", 15_000, () => at.fake.sessions === 0);
  const end = new AbortController();
  const attached = await at.client.attach("a", "web", { ...at.call, signal: end.signal });
  assert.equal(at.fake.sessions, 1);
  end.abort();
  await assert.rejects(async () => {
    for await (const _ of attached.output);
  }, refusal("Aborted"));
  await eventually("the session is closed", 15_000, () => at.fake.sessions === 0);
  assert.deepEqual(at.fake.problems, []);
});

test("regions, subnets, rights and figures", async (t) => {
  const at = await armBench(t);
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

test("liveness probes restart a container", async (t) => {
  const at = await armBench(t);
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
  const { fake, client, call } = await armBench(t);
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
  const at = await armBench(t);
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
  const at = await armBench(t, { imagesChecked: "whenPulled" });
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

test("a token for registries is one of its own", async (t) => {
  const { client, call } = await armBench(t);
  const token = await client.registryToken(call.signal);
  assert.ok(token.length > 0);
  assert.equal(await client.registryToken(call.signal), token, "kept");
  await client.ping(call);
});
