// Limits, figures and ends for want of memory, over an engine of the test: what the kernel really has is read back from inside
// the containers, by another way than ours.
import assert from "node:assert/strict";
import { existsSync, globSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connectEngine } from "../packages/provider-containers/src/engine/connect.ts";
import type {
  ContainerCreate,
  ContainerDetails,
  EngineClient,
} from "../packages/provider-containers/src/engine/engine-client.ts";
import { Figures } from "../packages/provider-containers/src/figures/figures.ts";
import { limitsOf } from "../packages/provider-containers/src/figures/limits.ts";
import { systemClock } from "../packages/virtual-kubelet/src/clock.ts";
import type { ResourceRequirements } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import type { PodOwner } from "../packages/virtual-kubelet/src/provider/pods.ts";
import type { CallContext } from "../packages/virtual-kubelet/src/provider.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const owner = (uid: string): PodOwner => ({ uid, name: uid, namespace: "default", node: "n", cluster: "c" });
/** Of a shell that takes memory until it is stopped. */
const hungry = "x=0123456789abcdef; while :; do x=$x$x; done";

describe("limits and figures", () => {
  let bench: PodmanBench;
  let client: EngineClient & Disposable;
  let figures: Figures;

  before(async () => {
    bench = await PodmanBench.start();
    client = connectEngine({ type: "unix", path: bench.socket }, { log: silentLogger });
    figures = await open();
  });
  after(async () => {
    await figures.close();
    client[Symbol.dispose]();
    await bench[Symbol.asyncDispose]();
  });

  async function open(reserved: Readonly<Record<string, string>> = {}): Promise<Figures> {
    const stateDirectory = join(bench.directory, "state");
    mkdirSync(stateDirectory, { recursive: true });
    const pressure = { memoryAvailable: "1Mi", diskAvailable: "0%", inodesFree: "0%", pidsAvailable: "0%" };
    const config = { capacity: {}, reserved, pressure, cgroupParent: bench.cgroupParent, podPidsLimit: 64 };
    return Figures.open({ node: "n", client, config, stateDirectory, clock: systemClock, log: silentLogger }, context);
  }

  async function run(
    name: string,
    script: string,
    resources: ResourceRequirements,
    host: ContainerCreate["HostConfig"] = {},
  ): Promise<string> {
    const id = await client.createContainer(
      name,
      {
        ...{ Image: benchImage, Cmd: ["sh", "-c", script], Labels: {} },
        HostConfig: { NetworkMode: "none", ...limitsOf({ resources }, figures.limitHost), ...host },
      },
      context,
    );
    await client.startContainer(id, context);
    figures.endReason(await client.inspectContainer(id, context));
    return id;
  }

  async function ended(id: string): Promise<ContainerDetails> {
    let details = await client.inspectContainer(id, context);
    await eventually(`${id} ends`, 30_000, async () => {
      details = await client.inspectContainer(id, context);
      return details.state === "exited";
    });
    return details;
  }

  it("a container over its limit is told to be OOMKilled, each time", async () => {
    for (let round = 0; round < 10; round++) {
      const two = await Promise.all(
        [0, 1].map((index) => run(`hungry-${round}-${index}`, `sleep 0.5; ${hungry}`, { limits: { memory: "16Mi" } })),
      );
      for (const id of two) {
        const details = await ended(id);
        assert.deepEqual([details.exitCode, figures.endReason(details)], [137, "OOMKilled"], `round ${round}`);
      }
      await Promise.all(two.map((id) => client.removeContainer(id, context)));
    }
  });

  it("and so is one that ended while we were not there", async () => {
    await figures.close();
    // It is seen to run, also on a machine that is busy.
    const id = await run("unseen", `sleep 3; ${hungry}`, { limits: { memory: "16Mi" } });
    const details = await ended(id);
    figures = await open();
    assert.equal(figures.endReason(details), "OOMKilled");
  });

  it("the death of a child is not the container's, not even when that is killed later", async () => {
    const script = `(sleep 0.3; ${hungry}); echo "child $?"; sleep 600`;
    const id = await run("parent", script, { limits: { memory: "16Mi" } });
    await eventually("the child was killed", 20_000, async () =>
      (await bench.podman("logs", id)).includes("child 137"),
    );
    assert.equal(figures.endReason(await client.inspectContainer(id, context)), undefined);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await client.killContainer(id, "KILL", context);
    const details = await ended(id);
    assert.deepEqual([details.exitCode, figures.endReason(details)], [137, undefined]);
  });

  it("one that a user kills, or that ends by itself, is not OOMKilled", async () => {
    const killed = await run("killed", "sleep 600", { limits: { memory: "16Mi" } });
    await client.killContainer(killed, "KILL", context);
    assert.equal(figures.endReason(await ended(killed)), undefined);
    assert.equal(figures.endReason(await ended(await run("over", "exit 3", {}))), undefined);
  });

  it("limits are in force from inside, and change while it runs", async () => {
    const uid = "resized";
    const total: ResourceRequirements = { requests: { cpu: "100m" }, limits: { cpu: "200m", memory: "32Mi" } };
    const parent = figures.makePodGroup({ owner: owner(uid), resources: total });
    assert.ok(parent !== undefined);
    const id = await run("resized", "sleep 600", total, { CgroupParent: parent });
    const inside = async (): Promise<string> => {
      const files = "cpu/cpu.shares cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes";
      return (await bench.podman("exec", id, "sh", "-c", `cd /sys/fs/cgroup; cat ${files} pids/pids.max`)).replaceAll(
        "\n",
        " ",
      );
    };
    const pod = (): readonly string[] =>
      ["cpu/*/cpu.shares", "cpu/*/cpu.cfs_quota_us", "memory/*/memory.limit_in_bytes", "pids/*/pids.max"].map((file) =>
        readFileSync(`/sys/fs/cgroup/${file.replace("/*", parent)}`, "utf8").trim(),
      );
    assert.equal(await inside(), "102 20000 100000 33554432 max");
    assert.deepEqual(pod(), ["102", "20000", "33554432", "64"]);
    const larger: ResourceRequirements = { requests: { cpu: "500m" }, limits: { cpu: "1", memory: "64Mi" } };
    const change = async (wanted: ResourceRequirements): Promise<void> =>
      figures.updateResources(uid, await client.inspectContainer(id, context), wanted, wanted, context);
    await change(larger);
    assert.equal(await inside(), "512 100000 100000 67108864 max");
    assert.deepEqual(pod(), ["512", "100000", "67108864", "64"]);
    await change({ requests: { cpu: "1m" } });
    assert.equal(await inside(), "2 -1 100000 9223372036854771712 max");
    await change(total);
    assert.equal(await inside(), "102 20000 100000 33554432 max");
    assert.deepEqual(pod(), ["102", "20000", "33554432", "64"]);
    await client.removeContainer(id, context);
    figures.removePodGroup(uid);
    // The engine answers before the last process has left its group: what is still in use goes with the next sweep.
    await eventually("its group is gone", 20_000, async () => {
      figures.sweepPodGroups(new Set());
      return !existsSync(`/sys/fs/cgroup/memory${parent}`);
    });
  });

  it("memory is not limited below what is in use: the old limit stays", async () => {
    const uid = "full";
    const resources: ResourceRequirements = { limits: { memory: "64Mi" } };
    const parent = figures.makePodGroup({ owner: owner(uid), resources });
    const script = "x=$(head -c 20000000 /dev/zero | tr '\\0' x); echo ready; sleep 600; echo over";
    const id = await run("full", script, resources, parent === undefined ? {} : { CgroupParent: parent });
    await eventually("it has taken memory", 20_000, async () => (await bench.podman("logs", id)).includes("ready"));
    const details = await client.inspectContainer(id, context);
    const less: ResourceRequirements = { limits: { memory: "8Mi" } };
    await assert.rejects(figures.updateResources(uid, details, less, less, context), { kind: "Unavailable" });
    const limit = await bench.podman("exec", id, "cat", "/sys/fs/cgroup/memory/memory.limit_in_bytes");
    assert.equal(limit, "67108864");
    await client.removeContainer(id, context);
    figures.removePodGroup(uid);
  });

  it("a pod has figures of its containers, disk, network and processes", async () => {
    const uid = "measured";
    const volume = join(bench.directory, "state/volume");
    mkdirSync(volume);
    const parent = figures.makePodGroup({ owner: owner(uid), resources: {} });
    assert.ok(parent !== undefined);
    const host = { CgroupParent: parent, NetworkMode: bench.network };
    const script = "head -c 3000000 /dev/zero > /tmp/written; echo log; while :; do :; done";
    const resources: ResourceRequirements = { limits: { cpu: "500m", memory: "64Mi" } };
    const id = await run("busy", script, resources, host);
    const details = await client.inspectContainer(id, context);
    const pod = {
      ...{ uid, hostNetwork: false, infra: details, containers: [{ name: "busy", details }] },
      volumes: [{ name: "data", path: volume }],
    };
    const read = async () => {
      const { node, containers, pods } = await figures.stats([pod], context);
      return { node, container: containers.get(uid)?.[0], whole: pods?.get(uid) };
    };
    await eventually("all is measured", 30_000, async () => {
      const { container } = await read();
      return (container?.rootfs?.usedBytes ?? 0) > 3e6 && container?.cpu?.usageNanoCores !== undefined;
    });
    const { node, container, whole } = await read();
    const rate = container?.cpu?.usageNanoCores ?? 0;
    assert.ok(rate > 0 && rate < 7e8, `${rate} of half a core`);
    assert.ok((container?.memory?.workingSetBytes ?? 0) > 0 && (container?.memory?.availableBytes ?? 0) < 67_108_864);
    assert.ok((container?.memory?.pageFaults ?? 0) > 0);
    assert.ok((container?.logs?.usedBytes ?? 0) > 0);
    assert.equal(whole?.volume?.[0]?.name, "data");
    assert.ok((whole?.["ephemeral-storage"]?.usedBytes ?? 0) > 3e6);
    assert.equal(whole?.network?.name, "eth0");
    assert.ok((whole?.process_stats?.process_count ?? 0) >= 1);
    assert.ok((node.memory?.availableBytes ?? 0) > 0 && (node.runtime?.imageFs?.capacityBytes ?? 0) > 0);
    await client.removeContainer(id, context);
    figures.sweepPodGroups(new Set());
    assert.deepEqual(globSync(`/sys/fs/cgroup/*${parent}`), []);
  });

  it("the node tells what it has, and keeps what is reserved", async () => {
    const stop = new AbortController();
    const reserving = await open({ cpu: "500m", memory: "1Gi" });
    for await (const { capacity, allocatable, nodeInfo, conditions } of reserving.watchNode({
      ...context,
      signal: stop.signal,
    })) {
      assert.match(nodeInfo?.containerRuntimeVersion ?? "", /^podman:\/\/\d/);
      assert.match(nodeInfo?.osImage ?? "", /\w/);
      const milli = Number(capacity?.["cpu"]) * 1000;
      assert.equal(allocatable?.["cpu"], `${milli - 500}m`);
      const kilobytes = Number.parseInt(capacity?.["memory"] ?? "", 10);
      assert.equal(allocatable?.["memory"], String(kilobytes * 1024 - 2 ** 30 - 2 ** 20));
      const limit = readFileSync(`/sys/fs/cgroup/memory/${bench.cgroupParent}/n/memory.limit_in_bytes`, "utf8").trim();
      assert.equal(Number(limit), kilobytes * 1024 - 2 ** 30);
      assert.deepEqual(
        conditions?.map(({ status }) => status),
        ["False", "False", "False"],
      );
      stop.abort();
    }
    await reserving.close();
  });
});
