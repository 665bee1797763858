// The control plane of tests is itself tested: as strict as a cluster's, restartable, and gone without a trace.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { resolveKubernetesVersion } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { type ControlPlane, startControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { eventually } from "../packages/virtual-kubelet/src/testing/eventually.ts";

const until = (what: string, holds: () => boolean | Promise<boolean>): Promise<boolean> =>
  eventually(what, 30_000, holds);

/** Command lines of running processes that name the directory. */
function processesOf(directory: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      } catch {
        return ""; // ended meanwhile
      }
    })
    .filter((line) => line.includes(directory));
}

describe("a running control plane", () => {
  let cluster: ControlPlane;
  before(async () => {
    cluster = await startControlPlane({ controllerManagerArgs: ["--node-monitor-grace-period=5s"] });
  });
  after(() => cluster?.stop());

  const kubectl = async (kubeconfig: string, ...args: string[]): Promise<string> => {
    const { stdout, stderr, code } = await cluster.kubectl("--kubeconfig", kubeconfig, ...args);
    return code === 0 ? stdout : `exit ${code}: ${stderr}`;
  };

  test("is of the version asked for, with the default namespace and ServiceAccount", async () => {
    assert.equal(cluster.version, resolveKubernetesVersion());
    const { stdout, code } = await cluster.kubectl("get", "serviceaccount", "default", "-o", "name");
    assert.deepEqual({ stdout, code }, { stdout: "serviceaccount/default\n", code: 0 });
    assert.equal((await cluster.kubectl("get", "pod", "missing")).code, 1);
  });

  test("admits pods and binds those of a Deployment to nodes, as controllers and scheduler do", async () => {
    const node = await cluster.kubeconfigFor("system:node:vk-a", ["system:nodes"]);
    assert.match(await kubectl(node, "create", "-f", join(import.meta.dirname, "control-plane.node.json")), /created/);
    // The node may have fallen silent before they are bound.
    const labels = { app: "web" };
    const podSpec = { containers: [{ name: "web", image: "web" }], tolerations: [{ operator: "Exists" }] };
    const deployment = join(cluster.directory, "web.json");
    writeFileSync(
      deployment,
      JSON.stringify({
        ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web" } },
        spec: {
          ...{ replicas: 2, selector: { matchLabels: labels } },
          template: { metadata: { labels }, spec: podSpec },
        },
      }),
    );
    assert.match(await kubectl(cluster.kubeconfig, "create", "-f", deployment), /created/);
    await until("two bound pods", async () => {
      const { stdout } = await cluster.kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}");
      return stdout === "vk-a vk-a";
    });
    // Nobody renews its lease: the argument given to the controller manager holds.
    await until("the node unreachable", async () => {
      const { stdout } = await cluster.kubectl("get", "node", "vk-a", "-o", "jsonpath={.spec.taints[*].key}");
      return stdout.includes("node.kubernetes.io/unreachable");
    });
  });

  test("holds nodes to themselves and users to their roles", async () => {
    const node = await cluster.kubeconfigFor("system:node:vk-b", ["system:nodes"]);
    assert.match(await kubectl(node, "get", "nodes"), /Forbidden/);
    assert.match(await kubectl(node, "get", "secrets", "-A"), /Forbidden/);
    assert.match(await kubectl(node, "label", "node", "vk-a", "a=b"), /Forbidden/);
    const user = await cluster.kubeconfigFor("jane");
    assert.match(await kubectl(user, "get", "pods"), /User "jane" cannot list/);
    assert.equal(statSync(user).mode & 0o077, 0, "readable by others");
  });

  test("knows ServiceAccounts by tokens it made, also when asked in a TokenReview", async () => {
    const kubeconfig = await cluster.serviceAccountKubeconfig("default", "default");
    assert.match(await kubectl(kubeconfig, "auth", "whoami"), /system:serviceaccount:default:default/);
    assert.match(await kubectl(kubeconfig, "get", "pods"), /Forbidden/);
    await assert.rejects(cluster.serviceAccountKubeconfig("default", "missing"), /404/);
    // The kubelet's way: with its own credentials it asks who the bearer of a token is.
    const node = await cluster.kubeconfigFor("system:node:vk-b", ["system:nodes"]);
    const token = /"token": "([^"]+)"/.exec(readFileSync(kubeconfig, "utf8"))?.[1];
    const review = join(cluster.directory, "review.json");
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec: { token } };
    writeFileSync(review, JSON.stringify(body), { mode: 0o600 });
    const answer = await kubectl(
      node,
      "create",
      "--validate=false",
      "-f",
      review,
      "-o",
      "jsonpath={.status.user.username}",
    );
    assert.equal(answer, "system:serviceaccount:default:default");
  });

  test("lets the API server, as the user it is to kubelets, into nodes only", async () => {
    const kubeconfig = await cluster.kubeconfigFor("kube-apiserver-kubelet-client");
    assert.match(await kubectl(kubeconfig, "auth", "can-i", "get", "nodes/proxy"), /yes/);
    assert.match(await kubectl(kubeconfig, "get", "secrets"), /Forbidden/);
  });

  test("keeps port and data over the API server's death", async () => {
    const { server } = cluster;
    await cluster.kubectl("create", "configmap", "kept");
    await assert.rejects(cluster.startApiServer(), { kind: "Conflict" });
    await cluster.killApiServer();
    assert.match((await cluster.kubectl("get", "configmap", "kept")).stderr, /refused/);
    await cluster.startApiServer();
    assert.equal(cluster.server, server);
    assert.equal((await cluster.kubectl("get", "configmap", "kept")).code, 0);
  });
});

test("without controllers pods are admitted in the default namespace all the same, and stay unbound", async () => {
  await using cluster = await startControlPlane({ controllers: false });
  const made = await cluster.kubectl("run", "alone", "--image=web");
  assert.equal(made.code, 0, made.stderr);
  assert.ok(!existsSync(join(cluster.directory, "kube-scheduler.log")));
});

test("a component that dies at the start is named, with the last lines of its log, and nothing is left", async () => {
  const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-test-"));
  await assert.rejects(
    startControlPlane({ directory, apiServerArgs: ["--no-such-flag"] }),
    /kube-apiserver ended.*\n.*unknown flag: --no-such-flag/s,
  );
  assert.ok(!existsSync(directory));
});

test("an aborted start leaves nothing", async () => {
  const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-test-"));
  const controller = new AbortController();
  const starting = startControlPlane({ directory, signal: controller.signal });
  await until("etcd's log", () => existsSync(join(directory, "etcd.log")));
  controller.abort();
  await assert.rejects(starting, { name: "AbortError" });
  assert.ok(!existsSync(directory));
  assert.deepEqual(processesOf(directory), []);
});

const program = join(import.meta.dirname, "../scripts/cluster.ts");
const direct = [process.execPath, "--conditions=source", program];
const throughNpm = ["npm", "run", "cluster", "--"];
const ends: readonly [NodeJS.Signals, readonly string[], readonly unknown[] | undefined][] = [
  ["SIGKILL", direct, [null, "SIGKILL"]],
  ["SIGINT", direct, [0, null]],
  ["SIGTERM", throughNpm, undefined], // npm's own business
];
for (const [signal, [command = "", ...args], expected] of ends) {
  test(`a cluster for trials leaves nothing after ${signal} to ${command === "npm" ? "npm" : "it"}`, async () => {
    const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-test-"));
    const child = spawn(command, [...args, "--directory", directory], {
      cwd: join(import.meta.dirname, ".."),
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "exit");
    let kubeconfig = "";
    for await (const line of createInterface(child.stdout)) {
      kubeconfig = /export KUBECONFIG=(\S+)/.exec(line)?.[1] ?? kubeconfig;
      if (line.includes("Ctrl-C")) child.kill(signal);
    }
    assert.ok(kubeconfig.startsWith(directory), kubeconfig);
    if (expected !== undefined) assert.deepEqual(await ended, expected);
    await until("the processes gone", () => processesOf(directory).length === 0);
    await until("the directory gone", () => !existsSync(directory));
  });
}
