// Pods that a node cannot run: told at once and in full, never in a hot loop with their controllers, and deleted like any other.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { daemonSets, deployments, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import type { Provider } from "../packages/virtual-kubelet/src/provider.ts";
import {
  eventually,
  type Harness,
  isRunning,
  type PodShape,
  podObject,
  podTemplate,
  type RunningKubelet,
  startHarness,
} from "./harness.ts";
import { type MockNode, mockNode } from "./mock-node.ts";

let harness: Harness;
let node: MockNode;
let kubelet: RunningKubelet;

before(async () => {
  harness = await startHarness();
  node = await mockNode("modest", {
    config: { cpu: "8" },
    capabilities: { features: [], limits: { requests: { cpu: "2" } } },
  });
  kubelet = await harness.kubelet([node]);
});
after(async () => {
  await using _harness = harness;
  await kubelet?.stop();
});

const here = { "kubernetes.io/hostname": "modest" };
/** Bound by hand, as by the scheduler: no wait for it. */
const create = (name: string, shape: PodShape = {}): Promise<Stored<Pod>> =>
  harness.client.create(pods, podObject(name, { ...shape, spec: { ...shape.spec, nodeName: "modest" } }));
const describePod = (name: string): Promise<string> => harness.kubectl("describe", "pod", name);
const isFailed = (pod: Pod): boolean => pod.status?.phase === "Failed";
/** UIDs of all pods that there ever were with a label, seen by a watch for so long. */
async function everMade(app: string, durationMs: number): Promise<ReadonlyMap<string, Pod>> {
  const seen = new Map<string, Pod>();
  await harness.watchPods(`app=${app}`, AbortSignal.timeout(durationMs), (pod) => seen.set(pod.metadata.uid, pod));
  return seen;
}
const requests = (cpu: string): PodShape["container"] => ({ resources: { requests: { cpu } } });

describe("refusals", { concurrency: true, timeout: 900_000 }, () => {
  for (const [name, shape, field] of [
    ["host-network", { spec: { hostNetwork: true } }, /spec\.hostNetwork: the backend does not support/],
    ["too-large", { container: requests("3") }, /spec\.containers\[0\]\.resources\.requests\[cpu\]/],
  ] satisfies [string, PodShape, RegExp][]) {
    it(`makes only a few pods of a DaemonSet that can never run: ${name}`, async () => {
      const labels = { app: name };
      const seen = everMade(name, 35_000);
      const spec = { ...shape.spec, nodeSelector: here, tolerations: [{ operator: "Exists" }] };
      await harness.client.create(daemonSets, {
        metadata: { name, namespace: "default" },
        spec: { selector: { matchLabels: labels }, template: podTemplate({ ...shape, labels, spec }) },
      });
      // The first has failed; the one after it is held back, and its user told why it waits.
      const held = await eventually("a pod held Pending", 20_000, async () =>
        (await harness.list(pods, `app=${name}`)).find(
          ({ status }) => status?.phase === "Pending" && status.reason !== undefined,
        ),
      );
      assert.equal(held.status?.reason, "PodFeatureUnsupported");
      await eventually("the event", 10_000, async () => {
        const text = await describePod(held.metadata.name);
        return (
          /Warning +PodFeatureUnsupported .*kubelet/.test(text) && field.test(text) && /^Status: +Pending$/m.test(text)
        );
      });
      const made = await seen;
      assert.ok(made.size >= 2 && made.size <= 4, `${made.size} pods in half a minute`);
      assert.ok([...made.values()].some((pod) => isFailed(pod) && field.test(pod.status?.message ?? "")));
      // A held pod goes at once.
      await harness.client.delete(daemonSets, { name, namespace: "default" }, { propagationPolicy: "Foreground" });
      await harness.untilGone(daemonSets, name, 15_000);
      assert.deepEqual(await harness.list(pods, `app=${name}`), []);
      assert.ok(!node.backend.creates.some((each) => each.name.startsWith(name)));
    });
  }

  it("makes only a few pods of a Deployment that the provider itself refuses", async () => {
    const labels = { app: "nonsense" };
    const seen = everMade("nonsense", 35_000);

    await harness.client.create(deployments, {
      metadata: { name: "nonsense", namespace: "default" },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: podTemplate({ labels, spec: { nodeSelector: here }, mock: { "run-time": "soon" } }),
      },
    });
    const made = await seen;
    assert.ok(made.size >= 2 && made.size <= 6, `${made.size} pods in half a minute`);
    const failed = [...made.values()].find(isFailed);
    assert.match(failed?.status?.message ?? "", /mock\.virtual-kubelet\.io\/run-time/);
    assert.match(await describePod(failed?.metadata?.name ?? ""), /Warning +ProviderCreateFailed .*run-time/);
    await harness.kubectl("delete", "deployment", "nonsense");
    await eventually("no pod is left", 15_000, async () => (await harness.list(pods, "app=nonsense")).length === 0);
  });

  for (const [name, shape, reason, text] of [
    // Whatever the provider can do.
    ["lone-os", { spec: { os: { name: "windows" } } }, "PodOSNotSupported", /OS field/],
    ["lone-feature", { spec: { hostPID: true } }, "PodFeatureUnsupported", /spec\.hostPID/],
    ["lone-cpu", { container: requests("3") }, "PodFeatureUnsupported", /resources\.requests\[cpu\]/],
    [
      "lone-selector",
      { spec: { nodeSelector: { zone: "elsewhere" } } },
      "NodeAffinity",
      /Predicate NodeAffinity failed/,
    ],
    [
      "lone-nonsense",
      { mock: { "exit-code": "many" } },
      "ProviderFailed",
      /annotations\[mock\.virtual-kubelet\.io\/exit-code\]/,
    ],
  ] satisfies [string, PodShape, string, RegExp][]) {
    it(`fails a pod without a controller at once, with the reason: ${name}`, async () => {
      await create(name, shape);
      const pod = await harness.untilPod("has failed", name, 10_000, isFailed);
      assert.equal(pod.status?.reason, reason);
      assert.match(pod.status.message ?? "", text);
      assert.match(await harness.kubectl("get", "pod", name), new RegExp(`${name} +0/1 +${reason} +0 `));
      await eventually("event", 10_000, async () => {
        const described = await describePod(name);
        const expected = reason === "ProviderFailed" ? "ProviderCreateFailed" : reason;
        return described.includes(`Reason:           ${reason}`) && new RegExp(`Warning +${expected} `).test(described);
      });
      await harness.kubectl("delete", "pod", name, "--timeout=300s");
    });
  }

  it("fails a pod too many for the node, as a kubelet does, and takes one that fits", async () => {
    const small = await mockNode("small", { config: { cpu: "1" } });
    await using _ = await harness.kubelet([small]);
    const shape = (cpu: string): PodShape => ({ container: requests(cpu), spec: { nodeName: "small" } });
    await harness.client.create(pods, podObject("fits", shape("600m")));
    await harness.untilPod("runs", "fits", 10_000, isRunning);
    await harness.client.create(pods, podObject("too-many", shape("600m")));
    const refused = await harness.untilPod("has failed", "too-many", 10_000, isFailed);
    assert.equal(refused.status?.reason, "OutOfcpu");
    assert.match(refused.status.message ?? "", /requested: 600, used: 600, capacity: 1000/);
    await harness.client.create(pods, podObject("also-fits", shape("400m")));
    await harness.untilPod("runs", "also-fits", 10_000, isRunning);
  });

  it("takes a pod that was held back when there is room for it after all", async () => {
    const growing = await mockNode("growing", { config: { cpu: "1" } });
    await using _ = await harness.kubelet([growing]);
    const labels = { app: "patient" };
    // Bound by its template: the scheduler would not have sent it.
    const template = podTemplate({ labels, container: requests("2"), spec: { nodeName: "growing" } });
    await harness.client.create(deployments, {
      metadata: { name: "held", namespace: "default" },
      spec: { replicas: 1, selector: { matchLabels: labels }, template },
    });
    const held = await eventually("a pod held Pending", 20_000, async () =>
      (await harness.list(pods, "app=patient")).find(
        ({ status }) => status?.phase === "Pending" && status.reason === "OutOfcpu",
      ),
    );
    growing.control.reportNode({ capacity: { cpu: "4", memory: "8Gi", pods: "10" } });
    const pod = await harness.untilPod("runs", held.metadata.name, 20_000, isRunning);
    assert.equal(pod.metadata.uid, held.metadata.uid);
    assert.deepEqual([pod.status?.reason, pod.status?.message], [undefined, undefined]);
    await harness.kubectl("delete", "deployment", "held");
  });

  it("keeps a pod Pending while the backend fails, says why, and runs it afterwards", async () => {
    const flaky = await mockNode("flaky");
    await using _ = await harness.kubelet([flaky]);
    flaky.control.faults.addError({ method: "createPod", kind: "Quota", next: 3, message: "no more than 10 groups" });
    await harness.client.create(pods, podObject("patient", { spec: { nodeName: "flaky" } }));
    const waiting = await harness.untilPod("says why", "patient", 10_000, ({ status }) => status?.reason !== undefined);
    assert.deepEqual([waiting.status?.phase, waiting.status?.reason], ["Pending", "ProviderFailed"]);
    assert.match(waiting.status?.message ?? "", /no more than 10 groups/);
    const pod = await harness.untilPod("runs", "patient", 30_000, isRunning);
    assert.equal(pod.status?.reason, undefined);
    assert.equal(pod.status?.message, undefined);
    await eventually("events", 10_000, async () =>
      /ProviderCreateFailed.*no more than 10 groups[\s\S]*ProviderCreateSuccess/.test(await describePod("patient")),
    );
  });

  it("lets go of a pod that is deleted while it is not there yet", async () => {
    const away = await mockNode("away");
    const asked: string[] = [];
    const provider: Provider = {
      ...away.provider,
      createPod: (request, context) => {
        asked.push(request.owner.name);
        return away.provider.createPod(request, context);
      },
    };
    await using _ = await harness.kubelet([{ virtual: { ...away.virtual, provider } }]);
    away.control.faults.addError({ method: "createPod", kind: "Quota", message: "full" });
    away.control.faults.addHang({ method: "createPod", next: 1 });
    await harness.client.create(pods, podObject("hangs", { spec: { nodeName: "away" } }));
    await eventually("the call that hangs", 20_000, () => asked.includes("hangs"));
    await harness.client.create(pods, podObject("fails", { spec: { nodeName: "away" } }));
    await harness.untilPod("fails to be created", "fails", 10_000, ({ status }) => status?.reason === "ProviderFailed");
    const since = Date.now();
    await harness.kubectl("delete", "pod", "hangs", "fails", "--timeout=300s");
    // Its call would have another two minutes.
    assert.ok(Date.now() - since < 60_000, `${Date.now() - since} ms`);
    // Not bound to a node at all: the API server's own affair.
    await harness.client.create(pods, podObject("unbound", { spec: { nodeSelector: { zone: "nowhere" } } }));
    await harness.kubectl("delete", "pod", "unbound", "--timeout=300s");
    assert.deepEqual(away.backend.list(), []);
  });
});
