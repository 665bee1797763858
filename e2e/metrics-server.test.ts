// metrics-server, unmodified, with its own ServiceAccount's token and TLS verified by the cluster's authority: kubectl top, and a
// HorizontalPodAutoscaler that follows the mock's usage up and down.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { deployments } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { eventually, type Harness, podTemplate, startHarness } from "./harness.ts";
import { aggregationArgs, approveServingCertificate, MetricsServer } from "./metrics-server-peer.ts";

let harness: Harness;
let metricsServer: MetricsServer;

before(async () => {
  harness = await startHarness({
    apiServerArgs: aggregationArgs,
    controllerManagerArgs: [
      "--horizontal-pod-autoscaler-sync-period=2s",
      "--horizontal-pod-autoscaler-downscale-stabilization=5s",
      "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
      "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
    ],
  });
  const kubelet = await harness.program(["--nodename", "vk", "--provider", "mock", "--server-tls-bootstrap"]);
  await harness.nodeIsReady("vk", kubelet);
  await approveServingCertificate(harness);
  metricsServer = await MetricsServer.start(harness);
});
after(async () => {
  await metricsServer?.[Symbol.asyncDispose]();
  await harness?.[Symbol.asyncDispose]();
});

function deployment(name: string, mock: Readonly<Record<string, string>>): object {
  const labels = { app: name };
  const resources = { requests: { cpu: "100m", memory: "10Mi" } };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name },
    spec: { selector: { matchLabels: labels }, template: podTemplate({ labels, mock, container: { resources } }) },
  };
}

describe("metrics-server", { timeout: 400_000, concurrency: true }, () => {
  it("shows what nodes and pods use", async () => {
    await harness.apply(deployment("steady", { cpu: "250m", memory: "48Mi" }));
    const [pod, cells] = await eventually("kubectl top pod", 90_000, async () =>
      [...(await metricsServer.top("pod"))].find(([name]) => name.startsWith("steady-")),
    );
    assert.match(cells[0] ?? "", /^2[45]\dm$/);
    assert.equal(cells[1], "48Mi");
    const containers = await harness.kubectl("top", "pod", pod, "--containers", "--no-headers");
    assert.match(containers, /main +2[45]\dm +48Mi/);
    const node = await eventually("kubectl top node", 90_000, async () => (await metricsServer.top("node")).get("vk"));
    assert.ok(Number.parseInt(node[0] ?? "", 10) >= 240, node.join(" "));
    assert.match(node[2] ?? "", /\d+Mi/);
  });

  it("has an autoscaler scale up while the load is high, and down when it is low", async () => {
    await harness.apply(deployment("wave", { cpu: "10m-400m/80s" }), {
      apiVersion: "autoscaling/v2",
      kind: "HorizontalPodAutoscaler",
      metadata: { name: "wave" },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "wave" },
        minReplicas: 1,
        maxReplicas: 4,
        metrics: [
          { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 100 } } },
        ],
      },
    });
    const replicas = async (): Promise<number> => (await harness.find(deployments, "wave"))?.status?.readyReplicas ?? 0;
    await eventually("scaled up", 150_000, async () => (await replicas()) >= 3);
    // Pods swing each on its own, so that together they are never idle: the load goes away.
    await harness.kubectl(
      "annotate",
      "pod",
      "-l",
      "app=wave",
      "--overwrite",
      "mock.virtual-kubelet.io/cpu=10m-20m/10s",
    );
    await eventually("scaled down again", 150_000, async () => (await replicas()) === 1);
  });
});
