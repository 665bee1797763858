// docs/install.md as an operator goes through it: every command of it, on a cluster whose one machine is a node of the containers
// provider, so that the chart's pods are containers of the image.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runTool } from "../packages/virtual-kubelet/src/host/run-tool.ts";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { readPage } from "../scripts/docs/page.ts";
import { chart, Helm } from "./chart-tools.ts";
import { eventually, type Harness, isRunning, podObject } from "./harness.ts";
import { findPeer } from "./peers.ts";
import { benchImage, type PodmanBench } from "./podman.ts";

/** Of the commands of one block; what they wait for themselves is for a machine that does nothing else. */
const deadlineMs = 600_000;
const allowance = 5;
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
  await startMachine({ harness, podman });
  const directory = join(podman.directory, "install");
  const env = await terminal(directory, harness);
  const page = readPage("docs/install.md", await readFile(join(root, "docs/install.md"), "utf8"));
  let said = "";
  for (const { language, text, line } of page.code) {
    assert.equal(language, "sh", `docs/install.md:${line}`);
    // Here the pods of the chart share the network of the machine: the API server has no other address.
    const script = text
      .replace("pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
      .replaceAll(/--timeout=(\d+)s/g, (_, seconds: string) => `--timeout=${allowance * Number(seconds)}s`);
    const { code, output } = await typed(script, directory, env);
    if (code !== 0)
      assert.fail(`docs/install.md:${line}: code ${code}\n${text}\n${output}\n${await situation(harness)}`);
    said += output;
  }
  return said;
}

/** A node that takes pods as a machine does. */
async function startMachine({ harness, podman }: Omit<InstallWalk, "image" | "version">): Promise<void> {
  const state = join(podman.directory, "machine");
  await mkdir(state);
  const config = {
    ...{ endpoint: podman.endpoint, stateDirectory: state, cgroupParent: podman.cgroupParent },
    ...{ allowHostNamespaces: true, allowPrivileged: true, hostPaths: [podman.directory] },
  };
  const node = { name: "machine", labels: { type: "machine" }, taints: [], provider: { name: "containers", config } };
  const file = await harness.writeFile("machine.yaml", JSON.stringify({ nodes: [node] }));
  const program = await harness.program(["--config", file]);
  await harness.nodeIsReady("machine", program);
}

/**
 * Installs the chart with examples/host-engine.yaml, the machine being ours, has a pod run on the node that comes of it, and
 * takes all of it away. `walkInstallation` has been before. `image`: with the containers provider.
 */
export async function walkHostEngine({ harness, podman, image }: Omit<InstallWalk, "version">): Promise<void> {
  const name = "registry.example.com/virtual-kubelet-containers";
  await podman.podman("tag", image, `${name}:example`);
  const state = join(podman.directory, "engine-state");
  await mkdir(state);
  // As `/` is where systemd runs.
  await runTool("mount", ["--bind", state, state]);
  await runTool("mount", ["--make-shared", state]);
  const example = await readFile(join(root, "deploy/chart/examples/host-engine.yaml"), "utf8");
  const values = Object.entries({
    "/run/podman/podman.sock": podman.socket,
    "/var/lib/virtual-kubelet-engine": state,
    "repository: virtual-kubelet-containers": `repository: ${name}\n  tag: example`,
    "hostname: machine-1": "hostname: machine",
    "endpoint: ": `cgroupParent: ${podman.cgroupParent}\n              endpoint: `,
    "port: 11255": `port: ${await freePort()}`,
    "port: 11250": `port: ${await freePort()}`,
  }).reduce((text, [from, to]) => text.replaceAll(from, to), example);
  await using helm = await Helm.find();
  const files = [await helm.values(values), await helm.values(await here(harness))].flatMap((file) => [
    "--values",
    file,
  ]);
  const cluster = ["--namespace", "engine", "--kubeconfig", harness.cluster.kubeconfig];
  await helm.done("install", "vk", chart, "--create-namespace", ...files, ...cluster);
  try {
    await harness.nodeIsReady("machine-1-engine");
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "of-engine", namespace: "default" } };
    const main = { name: "main", image: benchImage, command: ["sh", "-c", "cat /v/it; sleep 100"] };
    const containers = [{ ...main, volumeMounts: [{ name: "v", mountPath: "/v" }] }];
    const volumes = [{ name: "v", secret: { secretName: "of-engine" } }];
    const spec = { nodeName: "machine-1-engine", terminationGracePeriodSeconds: 0, volumes, containers };
    await harness.apply({ ...secret, stringData: { it: "from a secret" } }, podObject("of-engine", { spec }));
    await harness.untilPod("runs", "of-engine", 30_000, isRunning);
    await eventually("its log", 10_000, async () => (await harness.kubectl("logs", "of-engine")) === "from a secret");
    await harness.kubectl("delete", "pod", "of-engine");
  } catch (error) {
    throw new Error(`${String(error)}\n${await situation(harness, "engine")}`);
  }
  await helm.done("uninstall", "vk", ...cluster);
  await eventually("no pod is left", 40_000, async () => (await harness.list(pods, undefined, "engine")).length === 0);
  await runTool("umount", ["--recursive", state]);
}

/** What the chart has to be told here, where there is no Service network: pods share that of the machine. */
export async function here(
  harness: Harness,
): Promise<Readonly<Record<string, unknown>> & { readonly env: readonly object[] }> {
  const { hostname, port } = new URL(harness.cluster.server);
  return {
    hostNetwork: true,
    env: [
      { name: "KUBERNETES_SERVICE_HOST", value: hostname },
      { name: "KUBERNETES_SERVICE_PORT", value: port },
    ],
    metrics: { port: await freePort() },
    config: {
      kubelet: { address: "127.0.0.1" },
      nodeDefaults: { internalIP: "127.0.0.1", port: await freePort() },
    },
  };
}

/** A folder with `deploy/`, and an environment with kubectl for the cluster and helm. */
async function terminal(directory: string, harness: Harness): Promise<NodeJS.ProcessEnv> {
  const bin = join(directory, "bin");
  await mkdir(bin, { recursive: true });
  await symlink(join(root, "deploy"), join(directory, "deploy"));
  const values = join(directory, "here.yaml");
  await writeFile(values, JSON.stringify(await here(harness)));
  const helm = await findPeer("helm");
  const script = (text: string): string => `#!/bin/sh\n${text}\n`;
  await writeFile(
    join(bin, "helm"),
    script(`case "$1" in install|upgrade) exec ${helm} "$@" --values ${values};; *) exec ${helm} "$@";; esac`),
  );
  await writeFile(join(bin, "kubectl"), script(`exec ${await findKubectl()} "$@"`));
  for (const name of ["helm", "kubectl"]) await chmod(join(bin, name), 0o755);
  const { PATH } = process.env;
  return { PATH: `${bin}:${PATH}`, HOME: directory, KUBECONFIG: harness.cluster.kubeconfig };
}

/** Of the chart's pods, for the message of a failure. */
export async function situation({ cluster }: Harness, namespace = "virtual-kubelet"): Promise<string> {
  const of = ["-n", namespace, "-l", "app.kubernetes.io/name=virtual-kubelet"];
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
