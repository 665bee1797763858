// What the backend makes of Nomad, over the fake with containers in memory: order, siblings, ends, places, files, pushes.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { isErrorKind, type PodRequest, silentLogger, systemClock } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup, GroupRef } from "@virtual-kubelet/virtual-kubelet/cloud";
import { eventually, MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { parseNomadConfig } from "./config.ts";
import { JobWatch } from "./job-watch.ts";
import { NomadBackend } from "./nomad-backend.ts";
import { clientOf } from "./nomad-provider.ts";
import { FakeNomad } from "./testing/fake-nomad/fake-nomad.ts";
import { podRequest } from "./testing/golden-pods.ts";

const runner = new MemoryGroups({ exitAfterMs: 20 });
const nomad = await FakeNomad.start({
  ...{ runner, secondMs: 20, nodes: [{ mhz: 9600, cores: 4, memoryMB: 8192, diskMB: 9000 }] },
});
const config = parseNomadConfig({ address: nomad.address }, {});
const client = clientOf(config);
after(async () => {
  await client[Symbol.asyncDispose]();
  await nomad[Symbol.asyncDispose]();
  await runner[Symbol.asyncDispose]();
  assert.deepEqual(nomad.problems, []);
});
const context = { signal: new AbortController().signal, log: silentLogger };
const options = { client, config, cluster: "c1", clock: systemClock, log: silentLogger };
const backend = new NomadBackend({ ...options, node: "nomad" });

const deadlineMs = 30_000;

let made = 0;
function request(spec: NonNullable<PodRequest["pod"]["spec"]>): PodRequest {
  made += 1;
  return podRequest({ name: "web", uid: `u${made}`, spec });
}

async function create(
  spec: NonNullable<PodRequest["pod"]["spec"]>,
): Promise<GroupRef & { readonly request: PodRequest }> {
  const wanted = request(spec);
  const { id } = await backend.create(wanted, context);
  return { id, owner: wanted.owner, request: wanted };
}

async function until(ref: GroupRef, is: (group: CloudGroup) => boolean): Promise<CloudGroup> {
  let last: CloudGroup | undefined;
  for (const end = Date.now() + deadlineMs; Date.now() < end; await delay(10)) {
    [last] = await backend.describe([ref], context);
    if (last !== undefined && is(last)) return last;
  }
  return assert.fail(`never so: ${JSON.stringify(last)}`);
}

const stateOf = (group: CloudGroup, name: string) => group.containers.find((each) => each.name === name)?.state;

describe("pods on Nomad", () => {
  it("whose container fails keep the others, and end when all have", async () => {
    const ref = await create({
      restartPolicy: "Never",
      containers: [
        { name: "bad", image: "exit-3" },
        { name: "good", image: "app" },
      ],
    });
    const failed = await until(ref, (group) => stateOf(group, "bad")?.terminated !== undefined);
    assert.equal(stateOf(failed, "bad")?.terminated?.exitCode, 3);
    assert.ok(stateOf(failed, "good")?.running !== undefined);
    assert.equal(failed.stage, "running");
    await backend.terminate({ group: failed, container: "good" }, context);
    const ended = await until(ref, ({ stage }) => stage === "ended");
    assert.deepEqual(
      ended.containers.map(({ state }) => state.terminated?.exitCode),
      [3, stateOf(ended, "good")?.terminated?.exitCode],
    );
    assert.equal(ended.failure, undefined);
  });

  it("run again as often as it takes, and count it", async () => {
    const ref = await create({ restartPolicy: "Always", containers: [{ name: "main", image: "exit-1" }] });
    const group = await until(ref, ({ containers }) => (containers[0]?.restartCount ?? 0) >= 2);
    assert.equal(group.containers[0]?.lastState?.terminated?.exitCode ?? 1, 1);
    assert.notEqual(group.stage, "ended");
    await backend.remove(ref, { gracePeriodSeconds: 0 }, context);
  });

  it("wait for their init container, and fail with it", async () => {
    const init = { name: "init", image: "exit-4" };
    const ref = await create({
      restartPolicy: "Never",
      initContainers: [init],
      containers: [{ name: "main", image: "app" }],
    });
    const group = await until(ref, ({ stage }) => stage === "ended");
    assert.equal(stateOf(group, "init")?.terminated?.exitCode, 4);
    assert.equal(stateOf(group, "main")?.waiting?.reason, "PodInitializing");
  });

  it("without an image say so, wait, and are tried again", async () => {
    let now = Date.now();
    const clock = { ...systemClock, now: () => now };
    const later = new NomadBackend({ ...options, clock, node: "nomad" });
    const ref = await create({ restartPolicy: "Never", containers: [{ name: "main", image: "missing" }] });
    const isWaiting = (group: CloudGroup) => stateOf(group, "main")?.waiting?.reason === "ImagePullBackOff";
    const { containers, stage, failure, startTime } = await until(ref, isWaiting);
    assert.deepEqual([stage, failure, containers[0]?.restartCount], ["starting", undefined, 0]);
    assert.match(containers[0]?.state.waiting?.message ?? "", /Failed to pull `missing:latest`/);
    assert.equal((await client.jobAllocations(ref.id, context)).length, 1);
    now += 11_000;
    await later.describe([ref], context);
    for (
      const end = Date.now() + deadlineMs;
      (await client.jobAllocations(ref.id, context)).length < 2;
      await delay(10)
    )
      assert.ok(Date.now() < end, "it was not tried again");
    const again = await until(ref, isWaiting);
    assert.deepEqual([again.failure, again.startTime], [undefined, startTime]);
    await backend.remove(ref, { gracePeriodSeconds: 0 }, context);
  });

  it("without a place wait with Nomad's reason", async () => {
    const resources = { requests: { memory: "1Ti" } };
    const ref = await create({ containers: [{ name: "main", image: "app", resources }] });
    const group = await until(ref, () => true);
    assert.equal(stateOf(group, "main")?.waiting?.reason, "Unschedulable");
    assert.match(stateOf(group, "main")?.waiting?.message ?? "", /exhausted: memory on 1/);
    assert.equal(group.events?.[0]?.reason, "FailedPlacement");
  });

  it("that are deleted are there until they have ended, and leave nothing", async () => {
    const env = [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "s", key: "password" } } }];
    const ref = await create({ containers: [{ name: "main", image: "app", env }] });
    const path = `nomad/jobs/${ref.id}/`;
    await until(ref, ({ stage }) => stage === "running");
    assert.equal((await client.listVariables(path, context)).length, 1);
    await backend.remove(ref, { gracePeriodSeconds: 30 }, context);
    for (const end = Date.now() + deadlineMs; nomad.books.some(({ id }) => id === ref.id); await delay(10)) {
      assert.ok(Date.now() < end, "the job is still there");
      await backend.describe([ref], context);
    }
    assert.deepEqual(await client.listVariables(path, context), []);
    await assert.rejects(backend.remove(ref, { gracePeriodSeconds: 0 }, context), { kind: "NotFound" });
  });

  it("that come back from elsewhere are as new: they end by themselves only, and what changes reaches them", async () => {
    const ref = await create({
      ...{ restartPolicy: "Never", volumes: [{ name: "c", configMap: { name: "c" } }] },
      containers: [{ name: "main", image: "app", volumeMounts: [{ name: "c", mountPath: "/c" }] }],
    });
    await until(ref, ({ stage }) => stage === "running");
    await backend.remove(ref, { gracePeriodSeconds: 0 }, context);
    for (const end = Date.now() + deadlineMs; nomad.books.some(({ id }) => id === ref.id); await delay(10)) {
      assert.ok(Date.now() < end, "the job is still there");
      await backend.describe([ref], context);
    }
    await backend.create(ref.request, context);
    const group = await until(ref, ({ stage }) => stage === "running");
    const files = [{ path: "app.conf", mode: 0o644, secret: false, data: Buffer.from("newer") }];
    await backend.updateVolumes(group, ref.request, [{ name: "c", type: "files", files, memory: false }], context);
    const { Items = {} } = (await client.variable(`nomad/jobs/${ref.id}/pod`, context)) ?? {};
    assert.ok(Object.values(Items).some((value) => Buffer.from(value, "base64").toString() === "newer"));
    await backend.stop(ref, {}, context);
    const over = await until(ref, (found) => stateOf(found, "main")?.terminated !== undefined);
    await backend.describe([ref], context);
    assert.ok(
      nomad.books.some(({ id }) => id === ref.id),
      `${over.id} is gone, and nobody deleted its pod`,
    );
  });

  it("have the files of now", async () => {
    const ref = await create({
      containers: [{ name: "main", image: "app", volumeMounts: [{ name: "c", mountPath: "/c" }] }],
      volumes: [{ name: "c", configMap: { name: "c" } }],
    });
    const group = await until(ref, ({ stage }) => stage === "running");
    const text = (content: string) => ({ mode: 0o644, secret: false, data: Buffer.from(content) });
    const files = [
      { path: "app.conf", ...text("new") },
      { path: "other", ...text("more") },
    ];
    await backend.updateVolumes(group, ref.request, [{ name: "c", type: "files", files, memory: false }], context);
    const { Items = {} } = (await client.variable(`nomad/jobs/${ref.id}/pod`, context)) ?? {};
    const texts = Object.entries(Items).filter(([key]) => !key.startsWith("_"));
    assert.deepEqual(
      texts.map(([, value]) => Buffer.from(value, "base64").toString()),
      ["new"],
    );
  });

  it("of other nodes are not listed", async () => {
    const other = new NomadBackend({ ...options, node: "other" });
    assert.ok((await backend.list(context)).length > 0);
    assert.deepEqual(await other.list(context), []);
  });

  it("are told of as they change, by blocking queries where there is no event stream", async () => {
    const ref = await create({ restartPolicy: "Never", containers: [{ name: "main", image: "app" }] });
    const group = await until(ref, ({ stage }) => stage === "running");
    const end = new AbortController();
    nomad.faults.fail("events", 1, 403, "Permission denied");
    const answers = (): number => nomad.counts["listAllocations"] ?? 0;
    const before = answers();
    const watch = new JobWatch(client, systemClock);
    const told: string[] = [];
    const watching = (async () => {
      for await (const { id } of watch.changes({ signal: end.signal, log: silentLogger })) told.push(id);
    })();
    await eventually("it knows what is no change", deadlineMs, () => answers() > before);
    await backend.terminate({ group, container: "main" }, context);
    await eventually("it is told", deadlineMs, () => told.includes(ref.id));
    end.abort();
    // A query may be under way.
    await watching.catch((error: unknown) => assert.ok(isErrorKind(error, "Aborted"), String(error)));
  });

  it("are a node as large as the fleet, and none without a leader", async () => {
    const end = new AbortController();
    for await (const { capacity } of backend.watchNode({ signal: end.signal, log: silentLogger })) {
      assert.deepEqual(capacity, { cpu: "4000m", memory: "8192Mi", "ephemeral-storage": "9000Mi", pods: "1000" });
      break;
    }
    await backend.ping(context);
    nomad.faults.leaderless = true;
    await assert.rejects(backend.ping(context), { kind: "Unavailable" });
    nomad.faults.leaderless = false;
  });
});
