// metrics-server, unmodified, with its own ServiceAccount's token and TLS verified by the cluster's authority: kubectl top, and a
// HorizontalPodAutoscaler that follows the mock's usage up and down; and what `doctor` says of its view.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { deployments } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { program } from "../packages/virtual-kubelet/src/program/program.ts";
import { eventually, type Harness, podTemplate, startHarness } from "./harness.ts";
import { aggregationArgs, approveServingCertificate, MetricsServer } from "./metrics-server-peer.ts";

let harness: Harness;
let metricsServer: MetricsServer;

before(async () => {
  harness = await startHarness({
    apiServerArgs: aggregationArgs,
    controllerManagerArgs: [
      "--horizontal-pod-autoscaler-sync-period=2s",
      "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
      "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
    ],
  });
  const nodes = [node("vk", "--server-tls-bootstrap"), node("closed", "--server-tls-bootstrap"), node("self-signed")];
  await Promise.all(nodes.map(async (args) => harness.nodeIsReady(args[1] ?? "", await harness.program(args))));
  // For doctor alone.
  await harness.kubectl("cordon", "closed", "self-signed");
  await approveServingCertificate(harness, 2);
  assert.match(await doctor("vk"), /^WARN {2}metrics-server is not installed: no kubectl top/);
  metricsServer = await MetricsServer.start(harness, ["vk", "self-signed"]);
});
after(async () => {
  await using _harness = harness;
  await metricsServer?.[Symbol.asyncDispose]();
});

function node(name: string, ...more: readonly string[]): readonly string[] {
  return ["--nodename", name, "--provider", "mock", "--kubelet-port", "0", ...more];
}

/** Its lines on metrics-server, without the name of the check. */
async function doctor(name: string): Promise<string> {
  let [stdout, stderr] = ["", ""];
  await program({
    argv: ["doctor", ...node(name), "--kubeconfig", harness.cluster.kubeconfig],
    env: {},
    cwd: "/",
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    run: () => Promise.reject(new Error("no node is to be run")),
  });
  const [, status, text] = /^(\S+ +)metrics-server +((?:.*)(?:\n .*)*)/m.exec(stdout) ?? [];
  return status === undefined ? `no line of it: ${stdout}${stderr}` : `${status}${text}`;
}

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

describe("metrics-server", { timeout: 900_000, concurrency: true }, () => {
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
        behavior: { scaleDown: { stabilizationWindowSeconds: 5 } },
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

describe("doctor", { timeout: 900_000 }, () => {
  it("tells which nodes it has figures of, and of others why not", async () => {
    assert.match(await doctor("vk"), /^ok +metrics-server has figures of the node$/);
    assert.match(
      await doctor("self-signed"),
      /^WARN +metrics-server has no figures of the node, whose certificate is self-signed\n +fix: --server-tls-bootstrap/,
    );
    const refused = await doctor("closed");
    assert.match(refused, /^WARN +.* no figures of the node: its ServiceAccount may not get nodes\/metrics\n +fix: /);
    // The fix does what it says.
    for (const [, words = ""] of refused.matchAll(/kubectl (create .*?)(?: &&|$)/gm))
      await harness.kubectl(...words.split(" "));
    // Until it has asked again, which it does every ten seconds.
    await eventually("it may", 60_000, async () =>
      /^(ok +metrics-server has figures of the node$|WARN +metrics-server has no figures of the node: .*\n +fix: ask again in half a minute)/.test(
        await doctor("closed"),
      ),
    );
  });

  it("tells that it does not answer, before and after the API server knows", async () => {
    await metricsServer.stop();
    assert.match(
      await doctor("vk"),
      /^WARN +metrics-server (does not answer|is not available): .*\n +fix: .*kubectl logs/,
    );
    // It looks again at once.
    await harness.kubectl("annotate", "apiservice", "v1beta1.metrics.k8s.io", "test=stopped");
    await eventually("the API server knows", 60_000, async () =>
      /^WARN +metrics-server is not available: .*connection refused\n/.test(await doctor("vk")),
    );
  });
});
