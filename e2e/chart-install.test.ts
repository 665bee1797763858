// The chart installed, upgraded and removed by Helm on a real control plane; what its ServiceAccounts may is all that the program
// needs, in its own process, and nothing more.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { configMaps, leases, nodes, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { program } from "../packages/virtual-kubelet/src/program/program.ts";
import type { ManagedProcess } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { chart, Helm, installMonitoringCrds } from "./chart-tools.ts";
import { eventually, type Harness, isReady, podObject, startHarness } from "./harness.ts";
import { callKubelet, endpointOf } from "./kubelet-caller.ts";

let harness: Harness;
let helm: Helm;
const namespace = "vk-system";
/** Whatever taints there are: its pod would go anywhere that it is let. */
const tolerations = [{ operator: "Exists" }];
const first = {
  image: { repository: "virtual-kubelet" },
  tolerations,
  webView: { viewerRole: true },
  instances: [
    {
      name: "main",
      config: { webView: { enabled: true }, nodes: [{ name: "vk-main", provider: { name: "mock" } }] },
    },
  ],
};

before(async () => {
  helm = await Helm.find();
  harness = await startHarness();
});
after(async () => {
  await using _ = helm;
  await harness?.[Symbol.asyncDispose]();
});

const helmOnCluster = async (verb: string, ...args: readonly string[]): Promise<string> =>
  helm.done(verb, "test", ...args, "--namespace", namespace, "--kubeconfig", harness.cluster.kubeconfig);

/** The file that an instance's pod would read, and credentials of its ServiceAccount. */
async function instance(name: string): Promise<{ readonly config: string; readonly kubeconfig: string }> {
  const map = await harness.client.get(configMaps, { namespace, name });
  return {
    config: await harness.writeFile(`${name}.yaml`, map.data?.["config.yaml"] ?? ""),
    kubeconfig: await harness.cluster.serviceAccountKubeconfig(namespace, name),
  };
}

async function doctor(
  of: { readonly config: string; readonly kubeconfig: string },
  ...flags: readonly string[]
): Promise<string> {
  let stdout = "";
  await program({
    argv: ["doctor", "--config", of.config, "--kubeconfig", of.kubeconfig, "--node-ip", "127.0.0.1", ...flags],
    env: {},
    cwd: "/",
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: () => true },
    run: () => Promise.reject(new Error("no node is to be run")),
  });
  return stdout;
}

/** What an instance's ServiceAccount may not, of these: arguments of `kubectl auth can-i`. */
async function refused(account: string, ...asked: readonly string[]): Promise<readonly string[]> {
  const answers = await Promise.all(
    asked.map(async (text) => {
      const as = `--as=system:serviceaccount:${namespace}:${account}`;
      const { stdout } = await harness.cluster.kubectl("auth", "can-i", ...text.split(" "), as);
      return stdout.trim() === "no" ? [text] : [];
    }),
  );
  return answers.flat();
}

/** The program, as soon as the API server knows the rights that it was just given. */
async function runs(
  of: { readonly config: string; readonly kubeconfig: string },
  ...flags: readonly string[]
): Promise<ManagedProcess> {
  await eventually("all rights that it needs", 15_000, async () =>
    /^ok +permissions +\S+ has all \d+ rights/m.test(await doctor(of, ...flags)),
  );
  return harness.program(["--config", of.config, "--metrics-addr=:0", ...flags], { kubeconfig: of.kubeconfig });
}

/** Runs, shows and ends a pod on a node, as users do. */
async function livesThere(node: string, shape: Parameters<typeof podObject>[1] = {}): Promise<void> {
  const pod = podObject(`pod-${node}`, {
    ...shape,
    spec: { nodeSelector: { "kubernetes.io/hostname": node }, ...shape.spec },
  });
  await harness.client.create(pods, pod);
  const { name } = pod.metadata ?? {};
  assert.ok(name !== undefined);
  await harness.untilPod("is ready", name, 20_000, isReady);
  await eventually("logs", 10_000, async () => (await harness.kubectl("logs", name)) !== "");
  assert.equal(await harness.kubectl("exec", name, "--", "echo", "here"), "here");
  await eventually("events", 10_000, async () =>
    /ProviderCreateSuccess/.test(await harness.kubectl("describe", "pod", name)),
  );
  await harness.kubectl("delete", "pod", name, "--timeout=120s");
}

const uidOf = (deployment: string): Promise<string> =>
  harness.kubectl("get", "deployment", deployment, "-n", namespace, "-o", "jsonpath={.metadata.uid}");

describe("the chart on a cluster", { timeout: 900_000 }, () => {
  it("installs, and says what to do next", async () => {
    const notes = await helmOnCluster("install", chart, "--create-namespace", "--values", await helm.values(first));
    assert.match(notes, /^main: 1 node \(vk-main\)$/m);
    assert.match(notes, /kubectl -n vk-system exec deploy\/test-virtual-kubelet-main -- virtual-kubelet doctor/);
    assert.match(notes, /kubectl -n vk-system port-forward deploy\/test-virtual-kubelet-main 10255$/m);
  });

  it("its rights are enough for pods, logs, exec, events and figures, and for no more", async () => {
    const main = await instance("test-virtual-kubelet-main");
    const running = await runs(main);
    await harness.nodeIsReady("vk-main", running);
    await livesThere("vk-main", { mock: { "log-lines": "3" } });
    await harness.kubectl("create", "serviceaccount", "scraper");
    await harness.kubectl("create", "clusterrole", "scraper", "--verb=get", "--resource=nodes/metrics");
    await harness.kubectl(
      "create",
      "clusterrolebinding",
      "scraper",
      "--clusterrole=scraper",
      "--serviceaccount=default:scraper",
    );
    const token = await harness.kubectl("create", "token", "scraper");
    const endpoint = await endpointOf(harness, "vk-main");
    // The API server hears of the binding a moment later, and a refusal is remembered for a while.
    await eventually("figures", 20_000, async () => {
      const { status, body } = await callKubelet(endpoint, "/metrics/resource", { token });
      assert.equal(status, 200, body);
      return true;
    });
    assert.match(
      await doctor(main),
      /^ok +permissions +system:serviceaccount:vk-system:test-virtual-kubelet-main has all \d+ rights/m,
    );
    const told = await doctor(main, "--shutdown-node=delete", "--server-tls-bootstrap");
    assert.match(told, /^FAIL +permissions .* may not:/m);
    for (const lacking of [/delete nodes "vk-main"/, /delete leases/, /create, get, list, watch certificatesigning/])
      assert.match(told, lacking);
    const off = [
      ...[
        "list secrets -A",
        "list configmaps -A",
        "create serviceaccounts/token -A",
        "list services -A",
        "delete nodes/vk-main",
      ],
      ...[
        "create certificatesigningrequests",
        "list nodes",
        "patch nodes/other",
        "patch nodes/other --subresource=status",
      ],
      ...["update leases/other -n kube-node-lease", "get secrets -n vk-system", "patch pods -A", "create pods -A"],
      ...["get configmaps/other -n kube-system"],
    ];
    assert.deepEqual(
      await refused("test-virtual-kubelet-main", ...off, "patch nodes/vk-main", "get nodes/vk-main"),
      off,
    );
    // Its own pod tolerates the virtual node's taint, and stays off.
    await eventually("its pod stays off", 15_000, async () => {
      const [pod] = await harness.list(pods, "app.kubernetes.io/instance=test", namespace);
      const scheduled = pod?.status?.conditions?.find(({ type }) => type === "PodScheduled");
      return scheduled?.message?.includes("didn't match Pod's node affinity") === true;
    });
    await running.kill("SIGTERM");
    assert.doesNotMatch(await running.logTail(1_000_000), /[Ff]orbidden|"level":"error"/);
  });

  it("its web view asks who looks, and what they may, with the rights that it has", async () => {
    const running = await runs(await instance("test-virtual-kubelet-main"));
    const served = /"address":"[^"]*:(\d+)","message":"serving \/metrics[^"]*web view/;
    const port = await eventually("the web view is served", 15_000, async () => {
      const log = await running.logTail(20_000);
      return /"message":"registered"/.test(log) ? served.exec(log)?.[1] : undefined;
    });
    await harness.kubectl("create", "serviceaccount", "viewer");
    const role = `--clusterrole=${namespace}-test-virtual-kubelet-main:web-view`;
    await harness.kubectl("create", "clusterrolebinding", "viewer", role, "--serviceaccount=default:viewer");
    const look = async (account?: string): Promise<string> => {
      const token = account === undefined ? undefined : await harness.kubectl("create", "token", account);
      const { status, body } = await callKubelet({ host: "127.0.0.1", port: Number(port) }, "/view/api/state", {
        token,
      });
      return `${status}${/"name":"vk-main"/.test(body) ? " with the node" : ""}`;
    };
    assert.deepEqual([await look(), await look("scraper")], ["401", "403"]);
    await eventually("the viewer sees it", 15_000, async () => (await look("viewer")) === "200 with the node");
    // Of probes and monitors, on the same port.
    await eventually("what is not the view is for everybody", 15_000, async () => {
      const plain = ["/view/api/state", "/metrics", "/healthz", "/readyz"].map(
        async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).status,
      );
      assert.deepEqual(await Promise.all(plain), [403, 200, 200, 200]);
      return true;
    });
    await running.kill("SIGTERM");
    assert.doesNotMatch(await running.logTail(1_000_000), /[Ff]orbidden|"level":"error"/);
  });

  it("is upgraded to other rights, certificates, providers and more instances, without an immutable field in the way", async () => {
    await installMonitoringCrds(harness);
    const before = await uidOf("test-virtual-kubelet-main");
    const state = join(harness.cluster.directory, "process-state");
    const second = {
      ...first,
      image: { repository: "virtual-kubelet", tag: "0.2.0" },
      serviceMonitor: { enabled: true },
      prometheusRule: { enabled: true },
      networkPolicy: { egress: { restrict: true } },
      instances: [
        {
          name: "main",
          certificate: { source: "csr" },
          serviceAccount: { annotations: { "example.com/identity": "one" } },
          config: {
            node: { onShutdown: "delete" },
            watch: { perNodeLimit: 2 },
            nodes: [{ name: "vk-{}", count: 3, provider: { name: "mock" } }],
          },
        },
        {
          name: "process",
          config: {
            nodes: [
              {
                name: "vk-process",
                provider: {
                  name: "process",
                  config: { stateDirectory: state, isolation: "none", cgroups: "off", images: { "*": "host" } },
                },
              },
            ],
          },
        },
      ],
    };
    const notes = await helmOnCluster("upgrade", chart, "--values", await helm.values(second));
    assert.match(notes, /^main: 3 nodes \(vk-0, vk-1, vk-2\)$/m);
    assert.match(notes, /kubectl certificate approve NAME/);
    const after = await uidOf("test-virtual-kubelet-main");
    assert.equal(after, before);

    const main = await instance("test-virtual-kubelet-main");
    const keys = join(harness.cluster.directory, "pki");
    const running = await runs(main, "--cert-dir", keys);
    for (const node of ["vk-0", "vk-1", "vk-2"]) await harness.nodeIsReady(node, running);
    const requests = await eventually("requests for certificates", 15_000, async () => {
      // As the notes say it.
      const serving = "spec.signerName=kubernetes.io/kubelet-serving";
      const found = ["get", "csr", "--field-selector", serving, "-o", "jsonpath={.items[*].metadata.name}"];
      const names = await harness.kubectl(...found);
      return names.split(" ").length === 3 && names.split(" ");
    });
    await harness.kubectl("certificate", "approve", ...requests);
    await eventually("certificates", 15_000, async () => {
      const issued = (await running.logTail(100_000)).match(/"certificate issued"/g) ?? [];
      return issued.length === requests.length;
    });
    await livesThere("vk-1", { mock: { "log-lines": "3" } });
    await running.kill("SIGTERM");
    // They leave with the program, which needs rights too.
    for (const node of ["vk-0", "vk-1", "vk-2"]) {
      assert.equal(await harness.find(nodes, node), undefined);
      assert.equal(await harness.find(leases, node, "kube-node-lease"), undefined);
    }
    assert.doesNotMatch(await running.logTail(1_000_000), /[Ff]orbidden|"level":"error"/);
  });

  it("its rights are enough for a provider that wants pods resolved", async () => {
    const process = await instance("test-virtual-kubelet-process");
    const running = await runs(process);
    await harness.nodeIsReady("vk-process", running);
    await harness.kubectl("create", "configmap", "of-pod", "--from-literal=word=hello");
    await harness.kubectl("create", "secret", "generic", "of-pod", "--from-literal=file=hidden");
    const containers = [
      {
        name: "main",
        image: "example.com/app:1",
        command: ["sh", "-c", 'echo "$WORD"; trap "exit 0" TERM; while :; do sleep 0.1; done'],
        env: [
          { name: "WORD", valueFrom: { configMapKeyRef: { name: "of-pod", key: "word" } } },
          { name: "HIDDEN", valueFrom: { secretKeyRef: { name: "of-pod", key: "file" } } },
        ],
      },
    ];
    await livesThere("vk-process", { spec: { containers } });
    await running.kill("SIGTERM");
    assert.doesNotMatch(await running.logTail(1_000_000), /[Ff]orbidden|"level":"error"/);
  });

  it("goes back, rights and all, and leaves nothing but the Nodes", async () => {
    await helmOnCluster("rollback", "1");
    const asked = ["delete nodes/vk-main", "delete nodes/vk-0", "create certificatesigningrequests"];
    await eventually("what it may no more", 15_000, async () => {
      assert.deepEqual(await refused("test-virtual-kubelet-main", ...asked), asked);
      return true;
    });
    await helm.done("uninstall", "test", "--namespace", namespace, "--kubeconfig", harness.cluster.kubeconfig);
    const kinds =
      "clusterroles,clusterrolebindings,roles,rolebindings,deployments,services,networkpolicies,servicemonitors,prometheusrules";
    const left = await harness.kubectl("get", kinds, "-A", "-l", "app.kubernetes.io/instance=test", "-o", "name");
    assert.equal(left, "");
    assert.equal((await harness.find(nodes, "vk-main"))?.metadata.name, "vk-main");
  });
});
