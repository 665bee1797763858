// The sub-commands that look at things, against a real control plane, as a user types them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { daemonSets, deployments, nodes, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { loadConfig } from "../packages/virtual-kubelet/src/program/load-config.ts";
import { program } from "../packages/virtual-kubelet/src/program/program.ts";
import { start } from "../packages/virtual-kubelet/src/program/start.ts";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { createAuthority } from "../packages/virtual-kubelet/src/testing/pki.ts";
import { bootstrapKubeconfig } from "./bootstrap-token.ts";
import { usesDevCluster } from "./dev-control-plane.ts";
import { eventually, type Harness, isReady, podObject, podTemplate, startHarness, tolerateVirtual } from "./harness.ts";

let harness: Harness;

before(async () => {
  harness = await startHarness();
  const node = await harness.program(["--nodename", "vk", "--provider", "mock"]);
  await harness.nodeIsReady("vk", node);
});
after(() => harness?.[Symbol.asyncDispose]());

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function type(...argv: readonly string[]): Promise<Outcome> {
  return typeAs(harness.cluster.kubeconfig, ...argv);
}

async function typeAs(kubeconfig: string, ...argv: readonly string[]): Promise<Outcome> {
  let [stdout, stderr] = ["", ""];
  const code = await program({
    argv: [...argv, "--kubeconfig", kubeconfig],
    env: {},
    cwd: "/",
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    run: () => Promise.reject(new Error("no node is to be run")),
  });
  return { code, stdout, stderr };
}

describe("why", { concurrency: true, timeout: 900_000 }, () => {
  /** Until it says so; what it said last is in the message. */
  const says = (name: string, ...expected: readonly RegExp[]): Promise<string> =>
    eventually(`why ${name}`, 40_000, async () => {
      const { code, stdout, stderr } = await type("why", name);
      assert.equal(code, 0, stderr);
      for (const pattern of expected) assert.match(stdout, pattern);
      return stdout;
    });

  it("a pod that runs", async () => {
    await harness.client.create(pods, podObject("well"));
    await harness.untilPod("is ready", "well", 20_000, isReady);
    const page = await says("well", /^Pod default\/well runs and is ready\./);
    assert.match(page, /\+0s {2}created\n/);
    assert.match(page, /bound to node vk\n/);
    assert.match(page, /ProviderCreateSuccess/);
    assert.match(page, /main +runs since .*, ready; 0 restarts/);
    assert.match(page, /vk +Ready=True .*\n +lease +renewed/);
    const { stdout } = await type("why", "default/well", "-o", "json");
    const { state, node, timeline } = JSON.parse(stdout);
    assert.deepEqual([state, node], ["runs and is ready", "vk"]);
    assert.equal(timeline[0].what, "created");
  });

  it("a crash loop, with the time of the next attempt", async () => {
    await harness.client.create(pods, podObject("crashes", { mock: { "run-time": "100ms", "exit-code": "3" } }));
    await says(
      "crashes",
      /waits to be restarted\./,
      /why +container main ended with 3; \d+ restarts? so far/,
      /again +(in \d+s, at about \d\d:\d\d:\d\d|due now|now, )/,
      /do +kubectl logs crashes -n default -c main --previous/,
    );
  });

  it("a pod that no node takes", async () => {
    await harness.client.create(pods, podObject("nowhere", { spec: { tolerations: [] } }));
    await says("nowhere", /waits for a node/, /untolerated taint/, /do +to run on a virtual node, tolerate its taint/);
  });

  it("a pod that is too large for its node", async () => {
    const container = { resources: { requests: { cpu: "10k" } } };
    await harness.client.create(pods, podObject("large", { container, spec: { nodeName: "vk" } }));
    await says("large", /has failed/, /OutOfcpu: Pod was rejected/, /do +lower its requests/);
  });

  it("a pod of a controller, bound to a node that does not exist", async () => {
    const template = podTemplate({
      labels: { app: "lost" },
      spec: { nodeName: "absent", tolerations: [tolerateVirtual] },
    });
    await harness.client.create(deployments, {
      metadata: { name: "lost", namespace: "default" },
      spec: { replicas: 1, selector: { matchLabels: { app: "lost" } }, template },
    });
    const name = await eventually(
      "its pod",
      20_000,
      async () => (await harness.list(pods, "app=lost"))[0]?.metadata.name,
    );
    await says(name, /bound to a node that does not exist/, /created by ReplicaSet lost-/);
    await harness.client.delete(deployments, { name: "lost", namespace: "default" });
  });

  it("no such pod: exit code 1, and the name that may be meant", async () => {
    await harness.client.create(pods, podObject("frontend"));
    const { code, stdout, stderr } = await type("why", "fronted");
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /there is no pod default\/fronted \(did you mean frontend\?\)/);
    assert.match((await type("why", "x", "-n", "kube-node-lease")).stderr, /the namespace kube-node-lease has none/);
  });

  it("credentials that are not taken, and what to do about them", async () => {
    const known = await readFile(await harness.cluster.serviceAccountKubeconfig("default", "default"), "utf8");
    const spoilt = known.replace(/("?token"?: *"?)[^\s",]+/, "$1no-such-token");
    const { code, stderr } = await typeAs(await harness.writeFile("spoilt.kubeconfig", spoilt), "why", "well");
    assert.match(stderr, /^https:\/\/\S+ does not accept the credentials: .*\n {2}fix: renew those of the kubeconfig/);
    assert.equal(code, 1);
  });

  it("wrong usage is code 2", async () => {
    assert.equal((await type("why")).code, 2);
    assert.equal((await type("why", "Not_A_Name")).code, 2);
  });
});

describe("doctor", { timeout: 900_000 }, () => {
  /** On any port and the addresses of this machine. */
  const free = ["--provider", "mock", "--kubelet-port", "0"];
  const mine = ["--provider", "mock", "--nodename", "vk", "--kubelet-address", "127.0.0.1"];

  it("a node that runs: all is well but what the API server refuses of a node on loopback", async () => {
    const { code, stdout } = await type("doctor", ...mine);
    for (const line of [
      /^ok {4}kubeconfig +\S+ names https:\/\/\S+$/m,
      /^ok {4}API server +https:\/\/\S+ answers, as \S+/m,
      /^ok {4}clock +this clock agrees/m,
      /^ok {4}permissions +\S+ has all \d+ rights/m,
      /^ok {4}node name +node vk is ours, and a program runs it/m,
      /^ok {4}taints, labels +taint virtual-kubelet\.io\/provider=mock:NoSchedule/m,
      /^ok {4}certificate +the serving certificate is for 127\.0\.0\.1; self-signed/m,
      /^ok {4}approval/m,
      /^ok {4}provider +provider mock takes its configuration\nok {4}provider +back end: the simulation in this process answers/m,
      /^ok {4}DaemonSets +none of 0/m,
      // The development cluster refuses no addresses, and has figures itself.
      ...(usesDevCluster
        ? [/^ok {4}reachability /m, /^(ok {4}|WARN {2})metrics-server +metrics-server has (no )?figures/m]
        : [
            /^FAIL {2}reachability .*127\.0\.0\.1.*\n +fix: --node-ip/m,
            /^WARN {2}metrics-server +metrics-server is not installed/m,
          ]),
    ])
      assert.match(stdout, line);
    assert.equal(code, usesDevCluster ? 0 : 1);
  });

  it("a node that is still to come", async () => {
    const { code, stdout } = await type("doctor", ...free, "--nodename", "new", "-o", "json");
    const { ok, nodes, findings } = JSON.parse(stdout);
    assert.deepEqual([code, ok, nodes], [0, true, ["new"]], stdout);
    const statuses = Object.fromEntries(findings.map(({ check, status }: Record<string, string>) => [check, status]));
    assert.deepEqual([statuses["node name"], statuses["reachability"]], ["ok", "skip"]);
  });

  it("rights that are lacking are named, each with its verb", async () => {
    const { code, stdout } = await typeAs(await harness.cluster.kubeconfigFor("nobody-special"), "doctor", ...mine);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^FAIL {2}permissions +nobody-special may not:\n +- create nodes \(registers the node\)\n[\s\S]* - patch pods\/status/m,
    );
    assert.match(stdout, /fix: kubectl apply -f deploy\/rbac\.yaml && kubectl create clusterrolebinding/);
    // What may not be looked at is not guessed.
    assert.match(
      stdout,
      /^- .*node name +these credentials may not get (nodes|leases)\n +fix: run doctor as administrator/m,
    );
    assert.doesNotMatch(stdout, /does not run|no node is named/);
  });

  it("credentials of another node", async () => {
    const kubeconfig = await harness.cluster.kubeconfigFor("system:node:other", ["system:nodes"]);
    const { stdout } = await typeAs(kubeconfig, "doctor", ...mine);
    assert.match(stdout, /^FAIL {2}node name +these credentials are of node other/m);
  });

  it("the name of another kubelet's node", async () => {
    await harness.apply(
      { apiVersion: "v1", kind: "Node", metadata: { name: "real" } },
      {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata: { name: "real", namespace: "kube-node-lease" },
        spec: {
          holderIdentity: "real",
          leaseDurationSeconds: 3600,
          renewTime: new Date().toISOString().replace("Z", "000Z"),
        },
      },
    );
    const { code, stdout } = await type("doctor", ...free, "--nodename", "real");
    assert.match(stdout, /^FAIL {2}node name +node real belongs to another kubelet/m);
    assert.doesNotMatch(stdout, /^\S+ +(reachability|certificate) /m);
    assert.equal(code, 1);

    const { kubeconfig } = harness.cluster;
    const input = {
      argv: [...free, "--nodename=real", "--metrics-addr=0", `--kubeconfig=${kubeconfig}`],
      env: {},
      cwd: "/",
    };
    const loaded = await loadConfig(input);
    await assert.rejects(
      start(loaded, input, silentLogger, AbortSignal.timeout(30_000)),
      /node real belongs to another kubelet, heard of \d+ s ago, and is not touched/,
    );
    const left = await harness.client.get(nodes, { name: "real" });
    assert.deepEqual(
      [left.spec?.taints?.some(({ key }) => key.startsWith("virtual-kubelet")) ?? false, left.status?.capacity],
      [false, undefined],
    );
  });

  it("a DaemonSet that would land on the node", async () => {
    const labels = { app: "kube-proxy" };
    const template = podTemplate({ labels, spec: { tolerations: [{ operator: "Exists" }] } });
    await harness.client.create(daemonSets, {
      metadata: { name: "kube-proxy", namespace: "default" },
      spec: { selector: { matchLabels: labels }, template },
    });
    const { stdout } = await type("doctor", ...mine);
    assert.match(stdout, /^WARN {2}DaemonSets +.*default\/kube-proxy \(network of real nodes/m);
    // The fix does what it says.
    const [, command] = /fix: keep off .*?: kubectl (patch .*?) \(it replaces/.exec(stdout) ?? [];
    const [, words = "", patch = ""] = /^(.*) -p '(.*)'$/.exec(command ?? "") ?? [];
    await harness.kubectl(...words.split(" "), "-p", patch);
    assert.match((await type("doctor", ...mine)).stdout, /^ok {4}DaemonSets +none of 1/m);
    await harness.client.delete(daemonSets, { name: "kube-proxy", namespace: "default" });
  });

  it("a provider whose state a running program has for itself", async () => {
    const file = await harness.writeFile("state", "");
    const config = `stateDirectory: ${file}.d\nisolation: none\ncgroups: off\nimages: {"*": host}\n`;
    const flags = [
      "--nodename",
      "own",
      "--provider",
      "process",
      "--provider-config",
      await harness.writeFile("process.yaml", config),
    ];
    const node = await harness.program(flags);
    await harness.nodeIsReady("own", node);
    const { stdout } = await type("doctor", ...flags, "--kubelet-address", "127.0.0.1");
    assert.match(stdout, /^ok {4}provider +state directory: \S+ can be written/m);
    await harness.client.create(
      pods,
      podObject("kept", { spec: { nodeName: "own" }, container: { command: ["sleep", "60"] } }),
    );
    await harness.untilPod("runs, untouched", "kept", 20_000, isReady);
    await harness.client.delete(pods, { name: "kept", namespace: "default" }, { gracePeriodSeconds: 0 });
    // Nothing of it may run on when the program and its directory go.
    await harness.untilGone(pods, "kept", 20_000);
  });

  it("several nodes: what is the same stands once, what is not with its nodes", async () => {
    const config = await harness.writeFile(
      "several.yaml",
      [
        "nodeDefaults: {provider: {name: mock}}",
        "nodes:",
        '  - {name: "new-{}", count: 2}',
        "  - {name: vk, listenAddress: 127.0.0.1}",
        "  - name: full",
        '    provider: {name: mock, config: {faults: {errors: [{method: createPod, kind: Quota, message: "20 of 20 vCPUs are in use"}]}}}',
      ].join("\n"),
    );
    const { code, stdout } = await type("doctor", "--config", config);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /\n\nall 4 nodes \(new-0, new-1, vk, full\):\n[\s\S]*?taint virtual-kubelet\.io\/provider=mock:NoSchedule/,
    );
    assert.match(stdout, /\n\n3 nodes \(new-0, new-1, full\):\n[\s\S]*?no node is named NODE yet\n/);
    assert.match(stdout, /\n\nnode vk:\n[\s\S]*?node vk is ours, and a program runs it/);
    assert.match(
      stdout,
      /\n\nnode full:\nFAIL {2}provider +quota: 20 of 20 vCPUs are in use\n +fix: raise the quota of the account\n/,
    );
    assert.equal(stdout.match(/ permissions /g)?.length, 1);
    assert.equal(stdout.match(/ taints, labels /g)?.length, 1);
  });

  it("a node that is added to a program which runs, and shares its port", async () => {
    const port = await freePort();
    const kubelet = `kubelet: {address: 127.0.0.1, sharedPort: true}`;
    const text = `${kubelet}\nnodeDefaults: {provider: {name: mock}, port: ${port}}\nnodes:\n  - name: first\n`;
    const before = await harness.writeFile("one.yaml", text);
    const after = await harness.writeFile("two.yaml", `${text}  - name: second\n`);
    await harness.nodeIsReady("first", await harness.program(["--config", before, "--kubelet-port", `${port}`]));
    const one = ["--config", after, "--nodename", "second"];
    for (const flags of [["--config", after], one])
      assert.match(
        (await type("doctor", ...flags)).stdout,
        /^- +reachability +the node does not run; the program that runs node first listens on 127\.0\.0\.1:\d+\n +fix: if this node is added to that program: start it again/m,
      );
  });

  it("a clock that is wrong", async (test) => {
    test.mock.timers.enable({ apis: ["Date"], now: Date.now() + 3_600_000 });
    const { code, stdout } = await type("doctor", ...free, "--nodename", "new");
    assert.equal(code, 1);
    assert.match(stdout, /^FAIL {2}clock +this clock is (1h|59m\d+s) ahead of the API server's\n +fix: .*timedatectl/m);
  });

  it("a node that shows a certificate for another address, and a request that nobody approves", async () => {
    const { certificate, key } = createAuthority("ca").issue({ commonName: "x", ipAddresses: ["203.0.113.1"] });
    const [cert, keyFile] = [await harness.writeFile("c.pem", certificate), await harness.writeFile("k.pem", key)];
    const named = ["--nodename", "san", "--provider", "mock", "--kubelet-address", "127.0.0.1", "--kubelet-port", "0"];
    const files = ["--tls-cert-file", cert, "--tls-private-key-file", keyFile];
    const fault =
      /^FAIL {2}certificate +.* not for the advertised address 127\.0\.0\.1: it has IP Address:203\.0\.113\.1$/m;
    assert.match((await type("doctor", ...named, ...files)).stdout, fault, "before it runs");
    const asks = ["--nodename", "asks", "--provider", "mock", "--kubelet-address", "127.0.0.1", "--kubelet-port", "0"];
    const flags = [...asks, "--server-tls-bootstrap"];
    assert.match(
      (await type("doctor", ...flags)).stdout,
      /^- .*approval +nothing is asked of the cluster's signer yet/m,
    );
    const [node, asking] = await Promise.all([harness.program([...named, ...files]), harness.program(flags)]);
    await Promise.all([harness.nodeIsReady("san", node), harness.nodeIsReady("asks", asking)]);
    assert.match((await type("doctor", ...named, ...files)).stdout, fault);
    const command = await eventually("the request", 10_000, async () => {
      const { stdout } = await type("doctor", ...flags);
      const found =
        /^(?:WARN|FAIL) {2}approval +request \S+ waits for approval since \d+ s\n +fix: kubectl (certificate approve [^;\s]+);/m;
      return found.exec(stdout)?.[1];
    });
    await harness.kubectl(...command.split(" "));
    await eventually("the certificate", 20_000, async () => {
      const { stdout } = await type("doctor", ...flags);
      assert.match(stdout, /^ok {4}approval +the newest request \S+ was approved and signed/m);
      assert.match(stdout, /^ok {4}certificate +the serving certificate is for 127\.0\.0\.1, until/m);
      return true;
    });
  });

  it("a node that has no credentials of its own yet", async () => {
    const flags = ["--nodename", "fresh", ...free, "--bootstrap-kubeconfig", await bootstrapKubeconfig(harness)];
    const own = `${await harness.writeFile("certs", "")}.d/own.kubeconfig`;
    const { stdout } = await typeAs(own, "doctor", ...flags, "--cert-dir", "/nowhere");
    assert.match(stdout, /^ok {4}kubeconfig +\S+own\.kubeconfig is made at the first start; until then \S+ names/m);
    assert.match(stdout, /^(ok {4}|FAIL {2})permissions +system:bootstrap:\S+ /m);
    assert.match(stdout, /^- .*node name +the node has no credentials of its own yet/m);
  });

  it("no server: said within seconds", async () => {
    const text = `{clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}], users: [], contexts: [{name: c, context: {cluster: c}}], current-context: c}`;
    const { code, stdout } = await typeAs(await harness.writeFile("kubeconfig", text), "doctor", ...mine);
    assert.equal(code, 1);
    assert.match(
      stdout,
      /^FAIL {2}API server +https:\/\/127\.0\.0\.1:1 does not answer: .*ECONNREFUSED.*\n +fix: nothing listens there/m,
    );
  });
});
