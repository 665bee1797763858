// A program of somebody who installed the packages: compiled and run in a project that has nothing else. Starts a control plane in this
// process and the program `virtual-kubelet` on it, and tells when a pod runs on its node.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout } from "node:timers/promises";
import { notForProduction, startDevCluster } from "@virtual-kubelet/dev-cluster";
import { createContainersProvider } from "@virtual-kubelet/provider-containers";
import { type CreateProvider, connect, nodes, type Pod, pods } from "@virtual-kubelet/virtual-kubelet";
import { CpuRates } from "@virtual-kubelet/virtual-kubelet/host";
import { createMockProvider, providerConformance } from "@virtual-kubelet/virtual-kubelet/testing";

// What is exported is there, and of the type that it is said to have.
const provider: CreateProvider = createContainersProvider;
for (const each of [provider, CpuRates, createMockProvider, providerConformance]) assert.equal(typeof each, "function");
assert.match(notForProduction, /production/);

const [program = ""] = process.argv.slice(2);
await using cluster = await startDevCluster();
const client = await connect({ kubeconfig: cluster.kubeconfig });
const loopback = ["--kubelet-address=127.0.0.1", "--kubelet-port=0", "--metrics-addr=0", "--node-ip=127.0.0.1"];
const args = ["--provider=mock", "--nodename=installed", `--kubeconfig=${cluster.kubeconfig}`, ...loopback];
const child = spawn(program, args, { stdio: ["ignore", "ignore", "inherit"] });
const ended = once(child, "exit");
process.once("exit", () => child.kill("SIGKILL"));

async function until<T>(what: string, read: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = Date.now() + 120_000; Date.now() < deadline; await setTimeout(50)) {
    assert.equal(child.exitCode, null, "the program ended");
    const found = await read().catch(() => undefined);
    if (found !== undefined) return found;
  }
  throw new Error(`not in time: ${what}`);
}

const node = await until("a Ready node", async () => {
  const found = await client.get(nodes, { name: "installed" });
  return found.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True")
    ? found
    : undefined;
});
const pod: Pod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "sample", namespace: "default" },
  spec: {
    tolerations: [{ key: "virtual-kubelet.io/provider", operator: "Exists" }],
    containers: [{ name: "main", image: "example.com/app:1" }],
  },
};
await until("a ServiceAccount for the pod", () => client.create(pods, pod));
const running = await until("a Running pod", async () => {
  const found = await client.get(pods, { name: "sample", namespace: "default" });
  return found.status?.phase === "Running" ? found : undefined;
});
child.kill("SIGTERM");
const [code]: unknown[] = await ended;
await client.close();
console.log(JSON.stringify({ node: node.metadata.name, pod: running.spec?.nodeName, code }));
