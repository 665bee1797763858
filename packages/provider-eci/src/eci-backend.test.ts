// What the backend does of one pod, over the fake of the cloud whose groups run in memory.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  type CallContext,
  isErrorKind,
  type PodRequest,
  silentLogger,
  systemClock,
} from "@virtual-kubelet/virtual-kubelet";
import { eventually, MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { parseEciConfig } from "./config-schema.ts";
import { EciBackend } from "./eci-backend.ts";
import { clientOf } from "./testing/eci-bench.ts";
import { FakeEci } from "./testing/fake-eci.ts";
import { podRequest } from "./testing/golden-pods.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const owner = { cluster: "c1", node: "vk" };
let fake: FakeEci;
before(async () => {
  fake = await FakeEci.start({ runner: new MemoryGroups() });
});
after(async () => {
  await fake[Symbol.asyncDispose]();
  assert.deepEqual(fake.problems, []);
});

function backendOf(settings: object = {}): EciBackend {
  const network = { vSwitches: ["vsw-1"], securityGroup: "sg-1" };
  const config = parseEciConfig({ region: fake.region, network, ...settings });
  return new EciBackend({ client: clientOf(fake), config, ...owner, clock: systemClock, watchEveryMs: 50 });
}

function podOf(name: string, spec: object = {}, revision = "r1"): PodRequest {
  const request = podRequest({ name, spec: { containers: [{ name: "web", image: "app:1" }], ...spec } });
  return { ...request, revision, owner: { ...request.owner, ...owner } };
}

const made = (name: string): number => fake.groups.created.filter((group) => group.name.includes(`-${name}-`)).length;

describe("a pod's group", () => {
  it("is one, however often it is asked for", async () => {
    const backend = backendOf();
    const { id } = await backend.create(podOf("once"), context);
    assert.equal((await backend.create(podOf("once"), context)).id, id);
    assert.equal(made("once"), 1);
  });

  it("is one, though the pod has changed since an earlier try", async () => {
    const { id } = await backendOf().create(podOf("changed"), context);
    const again = await backendOf().create(podOf("changed", {}, "r2"), context);
    assert.equal(again.id, id);
    assert.equal(made("changed"), 1);
  });

  it("is one, though the answer to its creation was lost and the pod has changed", async () => {
    const backend = backendOf();
    fake.faults.add({ action: "CreateContainerGroup", loseAnswer: true });
    await assert.rejects(backend.create(podOf("lost"), context), (error) => isErrorKind(error, "Unavailable"));
    const { id } = await backend.create(podOf("lost", {}, "r2"), context);
    assert.equal(made("lost"), 1);
    assert.equal(fake.groups.created.at(-1)?.id, id);
  });

  it("is not made for want of stock or quota: the pod waits", async () => {
    fake.faults.add({ action: "CreateContainerGroup", answer: { status: 403, code: "QuotaExceeded.ElasticQuota" } });
    await assert.rejects(backendOf().create(podOf("quota"), context), (error) => isErrorKind(error, "Quota"));
  });

  it("that is gone is told so, and can be removed again", async () => {
    const backend = backendOf();
    const request = podOf("gone");
    const ref = { owner: request.owner, id: (await backend.create(request, context)).id };
    await backend.remove(ref, { gracePeriodSeconds: 0 }, context);
    await eventually("it is gone", 10_000, async () => (await backend.describe([ref], context))[0] === undefined);
    await backend.remove(ref, { gracePeriodSeconds: 0 }, context);
    const never = { owner: request.owner, id: "eci-never" };
    await assert.rejects(backend.remove(never, { gracePeriodSeconds: 0 }, context), (error) =>
      isErrorKind(error, "NotFound"),
    );
  });
});

describe("who may not look", () => {
  it("is not taken for one who sees that there is nothing", async () => {
    const backend = backendOf();
    const request = podOf("blind");
    const ref = { owner: request.owner, id: (await backend.create(request, context)).id };
    fake.faults.blind = true;
    try {
      await assert.rejects(backend.describe([ref], context), /eci:DescribeContainerGroups/);
      fake.faults.denied.add("DescribeContainerLog");
      await assert.rejects(backend.describe([ref], context), (error) => isErrorKind(error, "Forbidden"));
    } finally {
      fake.faults.blind = false;
      fake.faults.denied.clear();
    }
    const [found] = await backend.describe([ref], context);
    assert.equal(found?.id, ref.id);
  });
});

describe("a listing", () => {
  it("has this node's groups, and those of the Go provider where they are wanted", async () => {
    const own = await backendOf().create(podOf("listed"), context);
    const client = clientOf(fake);
    const go = { NodeName: "vk", NameSpace: "default", PodName: "go", UID: "uid-go", ClusterName: "default" };
    const goID = await client.create(
      {
        ...{ ContainerGroupName: "default-go", VSwitchId: "vsw-1", SecurityGroupId: "sg-1" },
        Container: [{ Name: "web", Image: "app:1" }],
        Tag: Object.entries(go).map(([Key, Value]) => ({ Key, Value })),
      },
      context,
    );
    const ids = (await backendOf().list(context)).map(({ id }) => id);
    assert.ok(ids.includes(own.id) && ids.includes(goID));
    const alone = (await backendOf({ adoptGoGroups: false }).list(context)).map(({ id }) => id);
    assert.ok(alone.includes(own.id) && !alone.includes(goID));
  });
});

describe("what changed", () => {
  it("is told by the cloud's own word, each change once", async () => {
    const backend = backendOf();
    const end = new AbortController();
    const told: string[] = [];
    const watching = (async () => {
      for await (const { id } of backend.watch({ ...context, signal: end.signal })) told.push(id);
    })();
    const { id } = await backend.create(podOf("watched"), context);
    await eventually("it is told", 10_000, () => told.includes(id));
    const ref = { id, owner: podOf("watched").owner };
    await eventually("it runs", 10_000, async () => (await backend.describe([ref], context))[0]?.stage === "running");
    const looks = (): number => fake.counts["DescribeContainerGroupStatus"] ?? 0;
    // The first of them may have begun before; of what the last one answered nothing may have been told yet.
    const someLooks = async (): Promise<void> => {
      const sofar = looks();
      await eventually("some looks", 10_000, () => looks() > sofar + 3);
    };
    await someLooks();
    const before = told.filter((each) => each === id).length;
    await someLooks();
    assert.equal(told.filter((each) => each === id).length, before, "what stays as it is is not told again");
    end.abort();
    // A look may be under way.
    await watching.catch((error: unknown) => assert.ok(isErrorKind(error, "Aborted"), String(error)));
  });
});

describe("files that a helper brought", () => {
  const spec = {
    volumes: [{ name: "api", projected: { sources: [{ serviceAccountToken: { path: "token" } }] } }],
    containers: [{ name: "web", image: "app:1", volumeMounts: [{ name: "api", mountPath: "/api" }] }],
  };

  it("are the volume's own where there is no helper, and stay as they are", async () => {
    const backend = backendOf();
    const request = podOf("unhelped", spec);
    const { id, notes } = await backend.create(request, context);
    assert.match(notes.map(({ message }) => message).join(), /is not renewed/);
    const [group] = await backend.describe([{ id, owner: request.owner }], context);
    assert.ok(group !== undefined);
    const volumes = request.resolved?.volumes ?? [];
    await assert.rejects(backend.updateVolumes(group, request, volumes, context), (error) =>
      isErrorKind(error, "Unsupported"),
    );
  });
});
