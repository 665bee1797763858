// The node under test: the program as a kubelet of the cluster, with the credentials that kubelets have.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import type { ControlPlane } from "../../packages/virtual-kubelet/src/testing/control-plane.ts";
import type { ManagedProcess, ProcessGroup } from "../../packages/virtual-kubelet/src/testing/processes.ts";
import type { Engine } from "./engine.ts";
import { machineAddress } from "./machine.ts";
import type { RunSettings } from "./settings.ts";

export interface NodeParts {
  readonly cluster: ControlPlane;
  readonly engine: Engine;
  readonly group: ProcessGroup;
  readonly settings: RunSettings;
}

const sources = join(import.meta.dirname, "../../packages/virtual-kubelet/src");

/** Starts the program; resolves when the API server has its node as ready. */
export async function startNode({ cluster, engine, group, settings }: NodeParts): Promise<ManagedProcess> {
  const { node, provider } = settings;
  const config = join(group.directory, "provider.yaml");
  const stateDirectory = join(settings.directory, "state");
  // A node for tests is there to be used for anything.
  const containers = {
    endpoint: `unix://${engine.socket}`,
    stateDirectory,
    cgroupParent: `/${node}`,
    hostPaths: ["/"],
    allowPrivileged: true,
    allowHostNamespaces: true,
  };
  await writeFile(config, JSON.stringify(containers)); // JSON is YAML
  const kubeconfig = await cluster.kubeconfigFor(`system:node:${node}`, ["system:nodes"]);
  const program = await group.start("virtual-kubelet", process.execPath, [
    ...["--conditions=source", join(sources, "main.ts"), "--kubeconfig", kubeconfig, "--nodename", node],
    ...["--disable-taint", "--node-ip", machineAddress, "--client-ca-file", cluster.caFile, "--metrics-addr", "0"],
    ...["--provider", provider, ...(provider === "containers" ? ["--provider-config", config] : [])],
    ...["--log-format", "json", "--log-level", "debug"],
  ]);
  for (const deadline = Date.now() + 300_000; Date.now() < deadline && program.running; await sleep(200)) {
    if (await isReady(cluster, node)) return program;
  }
  throw new VirtualKubeletError("Unavailable", `the node is not ready:\n${await program.logTail()}`);
}

async function isReady(cluster: ControlPlane, node: string): Promise<boolean> {
  const ready = `{.status.conditions[?(@.type=="Ready")].status}`;
  const { stdout } = await cluster.kubectl("get", "node", node, "--output", `jsonpath=${ready}`);
  return stdout === "True";
}
