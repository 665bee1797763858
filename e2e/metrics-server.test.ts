// metrics-server, unmodified, with its own ServiceAccount's token and TLS verified by the cluster's authority: kubectl top, and a
// HorizontalPodAutoscaler that follows the mock's usage up and down.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { certificateSigningRequests, deployments } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { type ManagedProcess, ProcessGroup } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { eventually, type Harness, podTemplate, startHarness } from "./harness.ts";
import { findPeer } from "./peers.ts";

const metricsServer = await findPeer("metrics-server");
const processes = new ProcessGroup({ parent: tmpdir(), prefix: "virtual-kubelet-metrics-server-" });
let harness: Harness;
let program: ManagedProcess | undefined;

before(async () => {
  harness = await startHarness({
    // The Service that names metrics-server is on loopback, where no endpoint may be: it is an ExternalName.
    apiServerArgs: ["--enable-aggregator-routing=false"],
    controllerManagerArgs: [
      "--horizontal-pod-autoscaler-sync-period=2s",
      "--horizontal-pod-autoscaler-downscale-stabilization=5s",
      "--horizontal-pod-autoscaler-initial-readiness-delay=1s",
      "--horizontal-pod-autoscaler-cpu-initialization-period=1s",
    ],
  });
  const kubelet = await harness.program(["--nodename", "vk", "--provider", "mock", "--server-tls-bootstrap"]);
  await harness.nodeIsReady("vk", kubelet);
  await approveServingCertificate();
  await startMetricsServer();
});
after(async () => {
  await processes.close();
  await harness?.[Symbol.asyncDispose]();
});

/** What an administrator does once; nothing in the control plane does it by itself. */
async function approveServingCertificate(): Promise<void> {
  const name = await eventually("a request for the serving certificate", 20_000, async () => {
    const { items } = await harness.client.list(certificateSigningRequests);
    return items.find(({ spec }) => spec?.signerName === "kubernetes.io/kubelet-serving")?.metadata.name;
  });
  await harness.kubectl("certificate", "approve", name);
}

async function startMetricsServer(): Promise<void> {
  const port = await freePort();
  await harness.apply(
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "metrics-server", namespace: "kube-system" } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "system:metrics-server" },
      rules: [
        { apiGroups: [""], resources: ["nodes/metrics"], verbs: ["get"] },
        { apiGroups: [""], resources: ["pods", "nodes"], verbs: ["get", "list", "watch"] },
      ],
    },
    ...["system:metrics-server", "system:auth-delegator"].map((role) => ({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: `metrics-server:${role}` },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
      subjects: [{ kind: "ServiceAccount", name: "metrics-server", namespace: "kube-system" }],
    })),
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "metrics-server-auth-reader", namespace: "kube-system" },
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "Role",
        name: "extension-apiserver-authentication-reader",
      },
      subjects: [{ kind: "ServiceAccount", name: "metrics-server", namespace: "kube-system" }],
    },
    {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "metrics-server", namespace: "kube-system" },
      spec: { type: "ExternalName", externalName: "localhost", ports: [{ port }] },
    },
    {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name: "v1beta1.metrics.k8s.io" },
      spec: {
        group: "metrics.k8s.io",
        version: "v1beta1",
        groupPriorityMinimum: 100,
        versionPriority: 100,
        insecureSkipTLSVerify: true,
        service: { name: "metrics-server", namespace: "kube-system", port },
      },
    },
  );
  const kubeconfig = await harness.cluster.serviceAccountKubeconfig("kube-system", "metrics-server");
  program = await processes.start("metrics-server", metricsServer, [
    ...["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"].map((flag) => `--${flag}=${kubeconfig}`),
    "--bind-address=127.0.0.1",
    `--secure-port=${port}`,
    `--cert-dir=${join(processes.directory, "certificates")}`,
    `--kubelet-certificate-authority=${harness.cluster.caFile}`,
    "--kubelet-use-node-status-port",
    "--kubelet-preferred-address-types=InternalIP",
    "--metric-resolution=10s",
    "--kubelet-request-timeout=5s",
  ]);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

/** Rows of `kubectl top` by their first column; fails while there are no metrics. */
async function top(...args: string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const { stdout, stderr, code } = await harness.cluster.kubectl("top", ...args, "--no-headers");
  if (code !== 0) throw new Error(`${stderr}${(await program?.logTail(2000)) ?? ""}`);
  const text = stdout.trim();
  return new Map(text.split("\n").map((line) => [line.split(/\s+/)[0] ?? "", line.split(/\s+/).slice(1)]));
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

describe("metrics-server", { timeout: 400_000, concurrency: true }, () => {
  it("shows what nodes and pods use", async () => {
    await harness.apply(deployment("steady", { cpu: "250m", memory: "48Mi" }));
    const [pod, cells] = await eventually("kubectl top pod", 90_000, async () =>
      [...(await top("pod"))].find(([name]) => name.startsWith("steady-")),
    );
    assert.match(cells[0] ?? "", /^2[45]\dm$/);
    assert.equal(cells[1], "48Mi");
    const containers = await harness.kubectl("top", "pod", pod, "--containers", "--no-headers");
    assert.match(containers, /main +2[45]\dm +48Mi/);
    const node = await eventually("kubectl top node", 90_000, async () => (await top("node")).get("vk"));
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
