// docs/install.md as an operator goes through it: every command of it, on a cluster whose one machine is a node of the containers
// provider, so that the chart's pods are containers of the image.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { readPage } from "../scripts/docs/page.ts";
import type { Harness } from "./harness.ts";
import { findPeer } from "./peers.ts";
import type { PodmanBench } from "./podman.ts";

/** Of the commands of one block. */
const deadlineMs = 90_000;
const root = join(import.meta.dirname, "..");

export interface InstallWalk {
  readonly harness: Harness;
  readonly podman: PodmanBench;
  /** Of the core, in the engine. */
  readonly image: string;
  readonly version: string;
}

/** Resolves with what all commands printed; throws for the first that fails. */
export async function walkInstallation({ harness, podman, image, version }: InstallWalk): Promise<string> {
  await podman.podman("tag", image, `registry.example.com/virtual-kubelet:${version}`);
  await startMachine(harness, podman);
  const directory = join(podman.directory, "install");
  const env = await terminal(directory, harness);
  const page = readPage("docs/install.md", await readFile(join(root, "docs/install.md"), "utf8"));
  let said = "";
  for (const { language, text, line } of page.code) {
    assert.equal(language, "sh", `docs/install.md:${line}`);
    // Here the pods of the chart share the network of the machine: the API server has no other address.
    const script = text.replace(
      "pod-security.kubernetes.io/enforce=restricted",
      "pod-security.kubernetes.io/warn=restricted",
    );
    const { code, output } = await typed(script, directory, env);
    if (code !== 0)
      assert.fail(`docs/install.md:${line}: code ${code}\n${text}\n${output}\n${await situation(harness)}`);
    said += output;
  }
  return said;
}

/** A node that takes pods as a machine does. */
async function startMachine(harness: Harness, podman: PodmanBench): Promise<void> {
  const state = join(podman.directory, "machine");
  await mkdir(state);
  const config = {
    endpoint: podman.endpoint,
    stateDirectory: state,
    cgroupParent: podman.cgroupParent,
    allowHostNamespaces: true,
  };
  const node = { name: "machine", labels: { type: "machine" }, taints: [], provider: { name: "containers", config } };
  const program = await harness.program([
    "--config",
    await harness.writeFile("machine.yaml", JSON.stringify({ nodes: [node] })),
  ]);
  await harness.nodeIsReady("machine", program);
}

/** A folder with `deploy/`, and an environment with kubectl for the cluster and helm. */
async function terminal(directory: string, harness: Harness): Promise<NodeJS.ProcessEnv> {
  const bin = join(directory, "bin");
  await mkdir(bin, { recursive: true });
  await symlink(join(root, "deploy"), join(directory, "deploy"));
  const { hostname, port } = new URL(harness.cluster.server);
  const address = "127.0.0.1";
  const values = {
    hostNetwork: true,
    // There is no Service network here.
    env: [
      { name: "KUBERNETES_SERVICE_HOST", value: hostname },
      { name: "KUBERNETES_SERVICE_PORT", value: port },
    ],
    metrics: { port: await freePort() },
    config: { kubelet: { address }, nodeDefaults: { internalIP: address, port: await freePort() } },
  };
  const here = join(directory, "here.yaml");
  await writeFile(here, JSON.stringify(values));
  const helm = await findPeer("helm");
  const script = (text: string): string => `#!/bin/sh\n${text}\n`;
  await writeFile(
    join(bin, "helm"),
    script(`case "$1" in install|upgrade) exec ${helm} "$@" --values ${here};; *) exec ${helm} "$@";; esac`),
  );
  await writeFile(join(bin, "kubectl"), script(`exec ${await findKubectl()} "$@"`));
  for (const name of ["helm", "kubectl"]) await chmod(join(bin, name), 0o755);
  const { PATH } = process.env;
  return { PATH: `${bin}:${PATH}`, HOME: directory, KUBECONFIG: harness.cluster.kubeconfig };
}

/** Of the chart's pods, for the message of a failure. */
async function situation({ cluster }: Harness): Promise<string> {
  const of = ["-n", "virtual-kubelet", "-l", "app.kubernetes.io/name=virtual-kubelet"];
  const [pods, logs] = await Promise.all([cluster.kubectl("describe", "pods", ...of), cluster.kubectl("logs", ...of)]);
  return `${pods.stdout.slice(-6000)}\n${logs.stdout.slice(-3000)}`;
}

function typed(
  script: string,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number | string; readonly output: string }> {
  return new Promise((settle, reject) => {
    const options = { cwd, env, timeout: deadlineMs, maxBuffer: 2 ** 24 };
    execFile("sh", ["-eu", "-c", script], options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`;
      if (error === null) settle({ code: 0, output });
      else if (error.killed === true) settle({ code: `none within ${deadlineMs / 1000} s`, output });
      else if (typeof error.code === "number") settle({ code: error.code, output });
      else reject(error);
    });
  });
}
