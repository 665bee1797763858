// Limits, figures and ends for want of memory, over an engine of the test: what the kernel really has is read back from inside
// the containers, by another way than ours.
import assert from "node:assert/strict";
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connectEngine } from "../packages/provider-containers/src/engine/connect.ts";
import type {
  ContainerCreate,
  ContainerDetails,
  EngineClient,
} from "../packages/provider-containers/src/engine/engine-client.ts";
import { Figures } from "../packages/provider-containers/src/figures/figures.ts";
import { KernelLog } from "../packages/provider-containers/src/figures/kernel-log.ts";
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
/** Of a shell that waits until it is told to, then takes memory until it is stopped. */
const hungry = "until [ -e /told/go ]; do sleep 0.05; done; x=0123456789abcdef; while :; do x=$x$x; done";

describe("limits and figures", () => {
  const parts = new AsyncDisposableStack();
  let bench: PodmanBench;
  let client: EngineClient & Disposable;
  let figures: Figures;

  before(async () => {
    bench = parts.use(await PodmanBench.start());
    client = parts.use(connectEngine({ type: "unix", path: bench.socket }, { log: silentLogger }));
    figures = await open();
    parts.defer(() => figures.close());
  });
  after(() => parts.disposeAsync());

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

  /** A directory that containers see as /told. */
  function toldOf(name: string): { readonly go: () => void; readonly host: ContainerCreate["HostConfig"] } {
    const directory = join(bench.directory, `told-${name}`);
    mkdirSync(directory);
    const go = (): void => writeFileSync(join(directory, "go"), "");
    return { go, host: { Mounts: [{ Type: "bind", Source: directory, Target: "/told", ReadOnly: true }] } };
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
      const { go, host } = toldOf(`${round}`);
      const two = await Promise.all(
        [0, 1].map((index) => run(`hungry-${round}-${index}`, hungry, { limits: { memory: "16Mi" } }, host)),
      );
      go();
      for (const id of two) {
        const details = await ended(id);
        assert.deepEqual([details.exitCode, figures.endReason(details)], [137, "OOMKilled"], `round ${round}`);
      }
      await Promise.all(two.map((id) => client.removeContainer(id, context)));
    }
  });

  it("and so is one that ended while we were not there", async () => {
    await figures.close();
    const log = KernelLog.open(0) ?? assert.fail("nobody may read the kernel's log");
    let details: ContainerDetails;
    let tries = 0;
    do {
      const { go, host } = toldOf(`unseen-${tries}`);
      const id = await run(`unseen-${tries}`, hungry, { limits: { memory: "16Mi" } }, host);
      go();
      details = await ended(id);
      // After many kills in five seconds, of whoever's, the kernel does not say whose process it was: nobody can know it then.
    } while (!log.kills().some(({ group }) => group?.includes(details.id)) && ++tries < 20);
    log.close();
    figures = await open();
    assert.equal(figures.endReason(details), "OOMKilled");
  });

  it("the death of a child is not the container's, not even when that is killed later", async () => {
    const { go, host } = toldOf("parent");
    const id = await run("parent", `(${hungry}); echo "child $?"; sleep 600`, { limits: { memory: "16Mi" } }, host);
    go();
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
    await eventually("it uses no more than half a core", 30_000, async () => {
      const rate = (await read()).container?.cpu?.usageNanoCores ?? 0;
      assert.ok(rate < 7e8, `${rate} of half a core`);
      return rate > 0;
    });
    const { node, container, whole } = await read();
    assert.ok((container?.memory?.workingSetBytes ?? 0) > 0 && (container?.memory?.availableBytes ?? 0) < 67_108_864);
    assert.ok((container?.memory?.pageFaults ?? 0) > 0);
    assert.ok((container?.logs?.usedBytes ?? 0) > 0);
    assert.equal(whole?.volume?.[0]?.name, "data");
    assert.ok((whole?.["ephemeral-storage"]?.usedBytes ?? 0) > 3e6);
    assert.equal(whole?.network?.name, "eth0");
    assert.ok((whole?.process_stats?.process_count ?? 0) >= 1);
    assert.ok((node.memory?.availableBytes ?? 0) > 0 && (node.runtime?.imageFs?.capacityBytes ?? 0) > 0);
    await client.removeContainer(id, context);
    await eventually("its group is gone", 20_000, () => {
      figures.sweepPodGroups(new Set());
      return globSync(`/sys/fs/cgroup/*${parent}`).length === 0;
    });
  });

  it("the node tells what it has, and keeps what is reserved", async () => {
    const stop = new AbortController();
    const reserving = await open({ cpu: "500m", memory: "1Gi" });
    parts.defer(() => reserving.close());
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
  });
});
