// metrics-server, unmodified, as a peer of end-to-end tests: with its own ServiceAccount's token, and TLS verified by the
// cluster's authority; and what `kubectl top` says by it.
import { tmpdir } from "node:os";
import { join } from "node:path";
import { certificateSigningRequests } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { ControlPlaneOptions } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { type ManagedProcess, ProcessGroup } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { eventually, type Harness } from "./harness.ts";
import { findPeer } from "./peers.ts";

/** For the control plane that it is in: the Service that names it is on loopback, where no endpoint may be, an ExternalName. */
export const aggregationArgs: NonNullable<ControlPlaneOptions["apiServerArgs"]> = ["--enable-aggregator-routing=false"];

/** What an administrator does once; nothing in the control plane does it by itself. `nodes`: how many of them ask. */
export async function approveServingCertificate(harness: Harness, nodes = 1): Promise<void> {
  const names = await eventually("requests for the serving certificates", 20_000, async () => {
    const { items } = await harness.client.list(certificateSigningRequests);
    const asked = items.filter(({ spec }) => spec?.signerName === "kubernetes.io/kubelet-serving");
    return asked.length >= nodes && asked.map(({ metadata }) => metadata.name);
  });
  await harness.kubectl("certificate", "approve", ...names);
}

/** Built, where it is not yet, when this module is loaded: before anything that has a deadline. */
const metricsServer = await findPeer("metrics-server");

export class MetricsServer implements AsyncDisposable {
  readonly #harness: Harness;
  readonly #processes: ProcessGroup;
  readonly #program: ManagedProcess;

  private constructor(harness: Harness, processes: ProcessGroup, program: ManagedProcess) {
    this.#harness = harness;
    this.#processes = processes;
    this.#program = program;
  }

  /** `nodes`: those that it may read; default: all. */
  static async start(harness: Harness, nodes?: readonly string[]): Promise<MetricsServer> {
    const processes = new ProcessGroup({ parent: tmpdir(), prefix: "virtual-kubelet-metrics-server-" });
    const port = await freePort();
    await harness.apply(
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "metrics-server", namespace: "kube-system" } },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRole",
        metadata: { name: "system:metrics-server" },
        rules: [
          { apiGroups: [""], resources: ["nodes/metrics"], verbs: ["get"], resourceNames: nodes ?? [] },
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
    const program = await processes.start("metrics-server", metricsServer, [
      ...["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"].map(
        (flag) => `--${flag}=${kubeconfig}`,
      ),
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      `--cert-dir=${join(processes.directory, "certificates")}`,
      `--kubelet-certificate-authority=${harness.cluster.caFile}`,
      "--kubelet-use-node-status-port",
      "--kubelet-preferred-address-types=InternalIP",
      "--metric-resolution=10s",
      "--kubelet-request-timeout=9s",
    ]);
    return new MetricsServer(harness, processes, program);
  }

  /** Ends it; what the cluster knows of it stays. */
  async stop(): Promise<void> {
    await this.#program.kill();
  }

  /** Rows of `kubectl top` by their first column; fails while there are no metrics. */
  async top(...args: string[]): Promise<ReadonlyMap<string, readonly string[]>> {
    const { stdout, stderr, code } = await this.#harness.cluster.kubectl("top", ...args, "--no-headers");
    if (code !== 0) throw new Error(`${stderr}${await this.#program.logTail(2000)}`);
    const text = stdout.trim();
    return new Map(text.split("\n").map((line) => [line.split(/\s+/)[0] ?? "", line.split(/\s+/).slice(1)]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#processes.close();
  }
}
