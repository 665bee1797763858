// Where pods go and when they have to leave: the real scheduler and taint manager on what virtual nodes tell of themselves.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createProvider } from "../examples/tiny-provider/tiny-provider.ts";
import { pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Affinity, NodeSelectorTerm, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { everyState } from "../packages/virtual-kubelet/src/testing/every-state.ts";
import {
  eventually,
  type Harness,
  isRunning,
  type PodShape,
  podObject,
  startHarness,
  throughout,
  tolerateVirtual,
} from "./harness.ts";
import { mockNode } from "./mock-node.ts";

let harness: Harness;

before(async () => {
  harness = await startHarness();
});
after(() => harness?.[Symbol.asyncDispose]());

const create = (name: string, shape: PodShape): Promise<Stored<Pod>> =>
  harness.client.create(pods, podObject(name, shape));
const onNode = (name: string, node: string): Promise<Stored<Pod>> =>
  harness.untilPod(`runs on ${node}`, name, 20_000, (pod) => isRunning(pod) && pod.spec?.nodeName === node);
/** Pending, and kubectl describe says why. */
const unschedulable = (name: string, why: RegExp): Promise<unknown> =>
  eventually(`${name} cannot be scheduled: ${why.source}`, 20_000, async () => {
    const pod = await harness.find(pods, name);
    return pod?.status?.phase === "Pending" && why.test(await harness.kubectl("describe", "pod", name));
  });
const requests = (cpu: string): PodShape["container"] => ({ resources: { requests: { cpu } } });

describe("scheduling", { concurrency: true, timeout: 900_000 }, () => {
  it("keeps pods without the toleration away, by the node's own taint and by others'", async () => {
    const nodeSelector = { pool: "tainted" };
    const node = await mockNode("tainted", { node: { labels: nodeSelector } });
    await using _ = await harness.kubelet([node]);
    await create("plain", { spec: { nodeSelector, tolerations: [] } });
    await create("tolerant", { spec: { nodeSelector } });
    await onNode("tolerant", "tainted");
    await unschedulable("plain", /untolerated taint/);
    await harness.kubectl("taint", "node", "tainted", "example.com/full=yes:NoSchedule");
    await create("late", { spec: { nodeSelector } });
    const other = { key: "example.com/full", operator: "Equal", value: "yes" };
    await create("late-tolerant", { spec: { nodeSelector, tolerations: [tolerateVirtual, other] } });
    await onNode("late-tolerant", "tainted");
    await unschedulable("late", /untolerated taint/);
    await harness.kubectl("taint", "node", "tainted", "example.com/full-");
    await onNode("late", "tainted");
    await onNode("tolerant", "tainted");
    assert.deepEqual(
      node.backend.creates.map(({ name }) => name),
      ["tolerant", "late-tolerant", "late"],
    );
  });

  it("places pods by nodeSelector and affinity, required and preferred", async () => {
    const zones = ["a", "b"];
    const made = zones.map((zone) => mockNode(`zone-${zone}`, { node: { labels: { zone, pool: "zones" } } }));
    await using _ = await harness.kubelet(await Promise.all(made));
    const term = (zone: string): NodeSelectorTerm => ({
      matchExpressions: [{ key: "zone", operator: "In", values: [zone] }],
    });
    const required = (zone: string): Affinity => ({
      nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term(zone)] } },
    });
    const preferred = (zone: string): Affinity => ({
      nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: term(zone) }] },
    });
    for (const zone of zones) {
      await create(`selector-${zone}`, { spec: { nodeSelector: { zone } } });
      await create(`required-${zone}`, { spec: { affinity: required(zone) } });
    }
    // A preference counts among the nodes that the scheduler knows to be ready: by now both are.
    for (const zone of zones) await onNode(`selector-${zone}`, `zone-${zone}`);
    for (const zone of zones)
      await create(`preferred-${zone}`, { spec: { affinity: preferred(zone), nodeSelector: { pool: "zones" } } });
    await create("required-c", { spec: { affinity: required("c") } });
    await create("preferred-c", { spec: { affinity: preferred("c"), nodeSelector: { pool: "zones" } } });
    for (const zone of zones)
      for (const kind of ["required", "preferred"]) await onNode(`${kind}-${zone}`, `zone-${zone}`);
    await harness.untilPod("runs in another zone", "preferred-c", 20_000, isRunning);
    await unschedulable("required-c", /didn't match Pod's node affinity\/selector/);
  });

  it("leaves pods Pending on a full node, and runs them as soon as the backend grows", async () => {
    const nodeSelector = { pool: "full" };
    const node = await mockNode("full", { config: { cpu: "2" }, node: { labels: nodeSelector } });
    await using _ = await harness.kubelet([node]);
    await create("first", { container: requests("1500m"), spec: { nodeSelector } });
    await onNode("first", "full");
    await create("second", { container: requests("1500m"), spec: { nodeSelector } });
    await unschedulable("second", /Insufficient cpu/);
    node.control.reportNode({ capacity: { cpu: "4", memory: "16Gi", pods: "10" } });
    await onNode("second", "full");
    assert.match(await harness.kubectl("describe", "node", "full"), /cpu +3 \(75%\)/);
    await create("third", { container: requests("1500m"), spec: { nodeSelector } });
    await unschedulable("third", /Insufficient cpu/);
    await harness.kubectl("delete", "pod", "first");
    await onNode("third", "full");
  });

  it("runs nodes of different providers in one process", async () => {
    const tiny = await createProvider(
      {
        node: "tiny",
        operatingSystem: "linux",
        cluster: "any",
        clusterDomain: "cluster.local",
        daemonEndpointPort: 10250,
        log: silentLogger,
      },
      { signal: AbortSignal.timeout(120_000), log: silentLogger },
    );
    const tinyNode = {
      virtual: {
        node: {
          name: "tiny",
          provider: { name: "tiny", version: "1" },
          kubeletVersion: "v1.36.3-vk-0.1.0",
          capacity: { cpu: "1", memory: "1Gi", pods: "5" },
        },
        provider: tiny,
      },
    };
    const mock = await mockNode("beside-tiny");
    await using _ = await harness.kubelet([tinyNode, mock]);
    const both = ["tiny", "beside-tiny"];
    for (const name of both) await create(`on-${name}`, { spec: { nodeSelector: { "kubernetes.io/hostname": name } } });
    const [first] = await Promise.all(both.map((name) => onNode(`on-${name}`, name)));
    assert.deepEqual(
      mock.backend.creates.map(({ name }) => name),
      ["on-beside-tiny"],
    );
    const context = { signal: AbortSignal.timeout(120_000), log: silentLogger };
    assert.deepEqual(
      (await tiny.getPods(context)).map(({ owner }) => owner.uid),
      [first?.metadata.uid],
    );
    await harness.kubectl("delete", "pod", "on-tiny", "on-beside-tiny");
    assert.deepEqual([...(await tiny.getPods(context)), ...mock.backend.list()], []);
  });

  it("gives pods up to a NoExecute taint, at once, after tolerationSeconds, or not at all", async () => {
    const nodeSelector = { pool: "executed" };
    const node = await mockNode("executed", { node: { labels: nodeSelector } });
    await using _ = await harness.kubelet([node]);
    const key = "example.com/maintenance";
    const tolerations = [tolerateVirtual, { key, operator: "Exists" }];
    const forFive = [tolerateVirtual, { key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 5 }];
    await create("evicted", { spec: { nodeSelector } });
    await create("five-seconds", { spec: { nodeSelector, tolerations: forFive } });
    await create("stays", { spec: { nodeSelector, tolerations } });
    const names = ["evicted", "five-seconds", "stays"];
    await Promise.all(names.map((name) => onNode(name, "executed")));
    // Seconds of the API server's clock, by name.
    const told = new Map<string, number>();
    const over = new AbortController();
    const options = { namespace: "default", signal: over.signal };
    const watched = everyState(harness.client, pods, options, ({ object: { metadata } }) => {
      const { name, deletionTimestamp, deletionGracePeriodSeconds = 0 } = metadata;
      if (deletionTimestamp === undefined || told.has(name)) return;
      told.set(name, Date.parse(deletionTimestamp) / 1000 - deletionGracePeriodSeconds);
    });
    const taintedAt = Date.now();
    await harness.kubectl("taint", "node", "executed", `${key}=now:NoExecute`);
    for (const name of ["evicted", "five-seconds"]) await harness.untilGone(pods, name, 15_000);
    assert.ok(Date.now() - taintedAt >= 5000, "five-seconds went too early");
    const [atOnce, later] = await eventually("when both were told", 10_000, () => {
      const [first, second] = ["evicted", "five-seconds"].map((name) => told.get(name));
      return first !== undefined && second !== undefined && ([first, second] as const);
    });
    over.abort();
    await watched;
    assert.ok(later - atOnce >= 2, `evicted after ${atOnce}, five-seconds after ${later}`);
    await throughout("the tolerating pod stays", 1500, async () => (await harness.find(pods, "stays")) !== undefined);
    await onNode("stays", "executed");
    // Stopped as any deletion does, with the grace of the pod.
    assert.deepEqual(
      node.backend.deletes.map(({ name, gracePeriodSeconds }) => [name, gracePeriodSeconds]),
      [
        ["evicted", 5],
        ["five-seconds", 5],
      ],
    );
    assert.deepEqual(
      node.backend.list().map(({ owner }) => owner.name),
      ["stays"],
    );
    // Who binds a pod by hand is told by the node itself.
    const { spec, ...rest } = podObject("by-hand");
    await harness.client.create(pods, {
      ...rest,
      spec: { containers: [], ...spec, nodeName: "executed", tolerations: [tolerateVirtual] },
    });
    await eventually("the pod bound by hand is refused or evicted", 10_000, async () => {
      const pod = await harness.find(pods, "by-hand");
      return pod === undefined || pod.status?.phase === "Failed";
    });
    assert.ok(!node.backend.creates.some(({ name }) => name === "by-hand"));
  });
});
