// Limits of pods as the API server sees them: ends for want of memory, resizes that are given and that wait, and what pods use.
// Needs root on Linux.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { events, nodes, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Container, Pod, PodSpec, ResourceRequirements } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { ContainersSubject } from "./containers.ts";
import { conditionOf, eventually, type Harness, isRunning, startHarness, tolerateVirtual } from "./harness.ts";
import { callKubelet, endpointOf } from "./kubelet-caller.ts";

const patience = 90_000;
const sleeps = "trap 'exit 0' TERM; while :; do sleep 0.2; done";
/** A shell takes memory until it is stopped. */
const hungry = "x=0123456789abcdef; while :; do x=$x$x; done";

describe("limits of pods", () => {
  const parts = new AsyncDisposableStack();
  let harness: Harness;
  let subject: ContainersSubject;

  before(async () => {
    subject = await ContainersSubject.start({
      settings: {
        capacity: { cpu: "2" },
        reserved: { cpu: "500m" },
        pressure: { memoryAvailable: "1Mi", diskAvailable: "0%", inodesFree: "0%", pidsAvailable: "0%" },
      },
    });
    parts.use(subject);
    harness = parts.use(await startHarness());
    await harness.program([
      "--nodename",
      subject.node,
      ...subject.flags,
      "--insecure-allow-anonymous",
      "--insecure-skip-authorization",
    ]);
    await eventually("the node is ready", patience, async () => {
      const { status } = await harness.client.get(nodes, { name: subject.node });
      return status?.conditions?.some(({ type, status: ready }) => type === "Ready" && ready === "True") === true;
    });
  });

  // The last first: nothing of the program must be left when its pods are removed.
  after(() => parts.disposeAsync());

  const get = (name: string): Promise<Stored<Pod>> => harness.client.get(pods, { name, namespace: "default" });

  async function create(
    name: string,
    script: string,
    resources: ResourceRequirements,
    more: Partial<PodSpec> = {},
  ): Promise<void> {
    const container: Container = {
      name: "main",
      image: subject.images[0],
      command: ["/bin/sh", "-c", script],
      resources,
    };
    const spec: PodSpec = {
      ...{ nodeName: subject.node, tolerations: [tolerateVirtual], terminationGracePeriodSeconds: 1, ...more },
      ...subject.pod({ containers: [container] }),
    };
    await harness.client.create(pods, { metadata: { name, namespace: "default" }, spec });
  }

  async function until(name: string, what: string, holds: (pod: Stored<Pod>) => boolean): Promise<Stored<Pod>> {
    let pod = await get(name);
    await eventually(`${name} ${what}`, patience, async () => {
      pod = await get(name);
      return holds(pod);
    });
    return pod;
  }

  async function resize(name: string, resources: ResourceRequirements): Promise<void> {
    const patch = { spec: { containers: [{ name: "main", resources }] } };
    await harness.client.patch(pods, { name, namespace: "default" }, "strategic", patch, { subresource: "resize" });
  }

  async function kubectl(...args: string[]): Promise<string> {
    const { stdout, stderr, code } = await harness.cluster.kubectl(...args);
    assert.equal(code, 0, stderr);
    return stdout.trim();
  }

  it("containers that pass theirs of memory are OOMKilled, and those whose child does are not", async () => {
    const limits = { memory: "20Mi" };
    const names = Array.from({ length: 6 }, (_, index) => `hungry-${index}`);
    // Seen to run, it is known by its process: after some kills in a short time the kernel tells no more than that.
    const script = (name: string): string => `until [ -e ${subject.directory}/${name} ]; do sleep 0.1; done; ${hungry}`;
    await Promise.all(names.map((name) => create(name, script(name), { limits }, { restartPolicy: "Never" })));
    for (const name of names) {
      await until(name, "runs", isRunning);
      writeFileSync(join(subject.directory, name), "");
    }
    await create(
      "parent",
      `(sleep 0.5; ${hungry}); echo "child $?" >/dev/termination-log; sleep 4; exit 3`,
      { limits },
      { restartPolicy: "Never" },
    );
    for (const name of names) {
      const { status } = await until(name, "ends", (pod) => pod.status?.phase === "Failed");
      const end = status?.containerStatuses?.[0]?.state?.terminated;
      assert.deepEqual([end?.exitCode, end?.reason], [137, "OOMKilled"], name);
    }
    const { status } = await until("parent", "ends", (pod) => pod.status?.phase === "Failed");
    const end = status?.containerStatuses?.[0]?.state?.terminated;
    assert.deepEqual([end?.exitCode, end?.reason, end?.message], [3, "Error", "child 137\n"]);
  });

  it("are changed in place, and wait for room where another pod has it", async () => {
    const of = (cpu: string, memory: string): ResourceRequirements => ({
      requests: { cpu, memory },
      limits: { cpu, memory },
    });
    await create("resized", sleeps, of("200m", "32Mi"));
    await create("other", sleeps, of("900m", "32Mi"));
    for (const name of ["resized", "other"]) await until(name, "runs", isRunning);
    const inside = (): Promise<string> =>
      kubectl(
        "exec",
        "resized",
        "--",
        "sh",
        "-c",
        "cd /sys/fs/cgroup; cat cpu/cpu.shares cpu/cpu.cfs_quota_us memory/memory.limit_in_bytes",
      );
    assert.equal(await inside(), "204\n20000\n33554432");
    const settled = (wanted: ResourceRequirements) => (pod: Stored<Pod>) =>
      pod.status?.observedGeneration === pod.metadata.generation &&
      conditionOf(pod, "PodResizePending") === undefined &&
      conditionOf(pod, "PodResizeInProgress") === undefined &&
      isDeepStrictEqual(pod.status?.containerStatuses?.[0]?.resources, wanted);
    await resize("resized", of("400m", "64Mi"));
    const { status } = await until(
      "resized",
      "is resized",
      settled({ limits: { cpu: "400m", memory: "64Mi" }, requests: { cpu: "400m", memory: "64Mi" } }),
    );
    assert.equal(status?.containerStatuses?.[0]?.restartCount, 0);
    assert.equal(await inside(), "409\n40000\n67108864");
    await resize("resized", of("700m", "64Mi"));
    const waiting = await until("resized", "waits", (pod) => conditionOf(pod, "PodResizePending") === "True");
    const pending = waiting.status?.conditions?.find(({ type }) => type === "PodResizePending");
    assert.equal(pending?.reason, "Deferred");
    assert.equal(pending?.message, "Node didn't have enough resource: cpu, requested: 700, used: 900, capacity: 1500");
    assert.equal(await inside(), "409\n40000\n67108864");
    await harness.client.delete(pods, { name: "other", namespace: "default" });
    await until(
      "resized",
      "has what it waited for",
      settled({ limits: { cpu: "700m", memory: "64Mi" }, requests: { cpu: "700m", memory: "64Mi" } }),
    );
    assert.equal(await inside(), "716\n70000\n67108864");
    const told = async (): Promise<readonly string[]> => {
      const fieldSelector = "involvedObject.name=resized";
      const { items } = await harness.client.list(events, { namespace: "default", fieldSelector });
      return items.map(({ reason = "" }) => reason).filter((reason) => reason.startsWith("Resize"));
    };
    // Events are told when there is time for them.
    const wanted = ["ResizeCompleted", "ResizeCompleted", "ResizeDeferred", "ResizeStarted", "ResizeStarted"];
    await eventually("all is told", 10_000, async () => (await told()).length >= wanted.length);
    assert.deepEqual((await told()).toSorted(), wanted);
  });

  it("and what pods use of them is told by the node", async () => {
    await create("busy", "while :; do :; done", { limits: { cpu: "200m", memory: "32Mi" } });
    await until("busy", "runs", isRunning);
    interface Figures {
      readonly podRef: { readonly name: string };
      readonly cpu?: { readonly usageNanoCores?: number };
      readonly memory?: { readonly workingSetBytes?: number };
      readonly network?: { readonly name?: string };
      readonly process_stats?: { readonly process_count?: number };
    }
    await eventually("there are figures", patience, async () => {
      const { body } = await callKubelet(await endpointOf(harness, subject.node), "/stats/summary");
      const { pods: all }: { readonly pods: readonly Figures[] } = JSON.parse(body);
      const { cpu, memory, network, process_stats: processes } = all.find(({ podRef }) => podRef.name === "busy") ?? {};
      const rate = cpu?.usageNanoCores ?? 0;
      return (
        rate > 0 &&
        rate < 4e8 &&
        (memory?.workingSetBytes ?? 0) > 0 &&
        network?.name === "eth0" &&
        (processes?.process_count ?? 0) > 0
      );
    });
  });
});
