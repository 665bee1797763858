// Nodes against a real API server and controller manager: registration, everything others do to a Node, leases, both kinds of credentials.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeClient } from "../packages/virtual-kubelet/src/kube/client.ts";
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import { EventRecorder } from "../packages/virtual-kubelet/src/kube/event-recorder.ts";
import { events, leases, nodes } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { NodeController, type NodeControllerOptions } from "../packages/virtual-kubelet/src/node/node-controller.ts";
import type { NodeSpec } from "../packages/virtual-kubelet/src/node/node-entry.ts";
import type { ControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { eventually } from "../packages/virtual-kubelet/src/testing/eventually.ts";
import { everyState } from "../packages/virtual-kubelet/src/testing/every-state.ts";
import { startChosenControlPlane } from "./dev-control-plane.ts";

let cluster: ControlPlane;
let client: KubeClient;

/** Short enough to see nodes found silent, long enough for a busy machine to renew a lease of a second or two within it. */
const graceSeconds = 10;

before(async () => {
  const controllerManagerArgs = [`--node-monitor-grace-period=${graceSeconds}s`, "--node-monitor-period=1s"];
  cluster = await startChosenControlPlane({ controllerManagerArgs });
  client = await connect({ kubeconfig: cluster.kubeconfig });
});
after(async () => {
  await using _cluster = cluster;
  await client?.close();
});

const template = (name: string, more: Partial<NodeSpec> = {}): NodeSpec => ({
  name,
  provider: { name: "mock", version: "1.2.3" },
  kubeletVersion: "v1.36.3-vk-0.1.0",
  addresses: [{ type: "InternalIP", address: "10.0.0.7" }],
  capacity: { cpu: "8", memory: "0.5Ti", pods: "20", "ephemeral-storage": "100Gi" },
  ...more,
});

interface Started extends AsyncDisposable {
  readonly nodes: NodeController;
  readonly log: readonly string[];
  stop(): Promise<void>;
}

/** Short leases, to live within the cluster's short grace. */
async function start(
  specs: readonly NodeSpec[],
  options: Partial<NodeControllerOptions> & { readonly kubeconfig?: string } = {},
): Promise<Started> {
  const own = await connect({ kubeconfig: options.kubeconfig ?? cluster.kubeconfig });
  const lines: string[] = [];
  const line = (fields: object, message: string): void => void lines.push(`${message} ${JSON.stringify(fields)}`);
  const log = { debug: () => undefined, info: line, warn: line, error: line, child: () => log };
  const recorder = new EventRecorder({ client: own, component: "kubelet", log });
  const { kubeconfig: _, ...rest } = options;
  const controller = new NodeController({
    client: own,
    recorder,
    credentials: "service-account",
    leaseDurationSeconds: 4,
    log,
    ...rest,
  });
  for (const spec of specs) controller.add(spec);
  const end = new AbortController();
  const running = Promise.all([controller.run(end.signal), recorder.run(end.signal)]);
  const stop = async (): Promise<void> => {
    end.abort();
    try {
      await running;
    } finally {
      await own.close();
    }
  };
  return { nodes: controller, log: lines, stop, [Symbol.asyncDispose]: stop };
}

async function kubectl(...args: string[]): Promise<string> {
  const { stdout, stderr, code } = await cluster.kubectl(...args);
  assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stderr}`);
  return stdout.trim();
}

// biome-ignore lint/suspicious/noExplicitAny: what kubectl prints, looked at by its path
type Any = any;

const getNode = (name: string): Promise<Any> => client.get(nodes, { name });

const readyOf = (node: Any): Any => node.status.conditions?.find((condition: Any) => condition.type === "Ready");

const until = <T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> =>
  eventually(what, 40_000, look);

const untilNode = (what: string, name: string, holds: (node: Any) => boolean): Promise<Any> =>
  until(what, async () => {
    const node = await getNode(name);
    return holds(node) && node;
  });

const leaseOf = (name: string): Promise<Any> => client.get(leases, { namespace: "kube-node-lease", name });

const taintsOf = (node: Any): string[] =>
  (node.spec.taints ?? []).map((taint: Any) => `${taint.key}=${taint.value ?? ""}:${taint.effect}`).sort();

const eventReasons = async (name: string): Promise<string[]> => {
  const fieldSelector = `involvedObject.kind=Node,involvedObject.name=${name},source=kubelet`;
  return (await client.list(events, { fieldSelector })).items.map(({ reason = "" }) => reason);
};

describe("nodes", { concurrency: true, timeout: 900_000 }, () => {
  it("registers several from one process, Ready for kubectl, with all that a kubelet sets", async () => {
    const names = ["many-0", "many-1", "many-2"];
    await using vk = await start(names.map((name) => template(name, { labels: { zone: "edge" } })));
    await Promise.all(names.map((name) => vk.nodes.registered(name)));
    for (const name of names) {
      const row = await kubectl("get", "node", name, "--no-headers");
      assert.match(row, new RegExp(`^${name} +Ready +agent +\\S+ +v1.36.3-vk-0.1.0$`));
    }
    const node = await untilNode("not-ready taint gone", "many-0", (seen) => taintsOf(seen).length === 1);
    assert.deepEqual(taintsOf(node), ["virtual-kubelet.io/provider=mock:NoSchedule"]);
    assert.deepEqual(node.status.capacity, { cpu: "8", memory: "512Gi", pods: "20", "ephemeral-storage": "100Gi" });
    assert.deepEqual(node.status.allocatable, node.status.capacity);
    assert.equal(node.metadata.labels.zone, "edge");
    assert.equal(node.metadata.labels["kubernetes.io/hostname"], "many-0");
    assert.equal(node.status.daemonEndpoints.kubeletEndpoint.Port, 10250);
    assert.equal(node.status.nodeInfo.containerRuntimeVersion, "mock://1.2.3");
    assert.deepEqual(
      node.status.conditions.map((condition: Any) => `${condition.type}=${condition.status}`),
      ["MemoryPressure=False", "DiskPressure=False", "PIDPressure=False", "Ready=True"],
    );
    const lease = await until("lease", () => leaseOf("many-0"));
    assert.equal(lease.spec.holderIdentity, "many-0");
    assert.equal(lease.metadata.ownerReferences[0].uid, node.metadata.uid);
    await until("renewal", async () => (await leaseOf("many-0")).spec.renewTime > lease.spec.renewTime);
    const expected = [
      "NodeHasNoDiskPressure",
      "NodeHasSufficientMemory",
      "NodeHasSufficientPID",
      "NodeReady",
      "Starting",
    ];
    const reasons = await until("events", async () => {
      const seen = await eventReasons("many-0");
      return seen.length >= expected.length && seen;
    });
    assert.deepEqual(reasons.toSorted(), expected);
    // The heartbeat is rare: "0.5Ti", which the API server rewrites, is no reason for another write.
    const { resourceVersion } = (await getNode("many-1")).metadata;
    await sleep(3_000);
    assert.equal((await getNode("many-1")).metadata.resourceVersion, resourceVersion);
  });

  it("keeps what others set, and restores its own", async () => {
    await using vk = await start([template("held", { labels: { mine: "yes" }, providerID: "mock://held" })]);
    await vk.nodes.registered("held");
    await kubectl("label", "node", "held", "theirs=1");
    await kubectl("taint", "nodes", "held", "theirs=1:NoExecute");
    await kubectl("label", "node", "held", "mine-", "kubernetes.io/arch-");
    await kubectl("taint", "nodes", "held", "virtual-kubelet.io/provider:NoSchedule-");
    const condition = { type: "Theirs", status: "True", reason: "R", message: "m" };
    await kubectl(
      "patch",
      "node",
      "held",
      "--subresource=status",
      "-p",
      JSON.stringify({ status: { conditions: [condition], capacity: { "example.com/dongle": "3" } } }),
    );
    const node = await untilNode(
      "restored",
      "held",
      (seen) =>
        seen.metadata.labels.mine === "yes" &&
        seen.metadata.labels["kubernetes.io/arch"] === "amd64" &&
        taintsOf(seen).includes("virtual-kubelet.io/provider=mock:NoSchedule"),
    );
    assert.equal(node.spec.providerID, "mock://held");
    assert.equal(node.metadata.labels.theirs, "1");
    assert.ok(taintsOf(node).includes("theirs=1:NoExecute"));
    vk.nodes.update("held", { capacity: { cpu: "9" } });
    const later = await untilNode("capacity", "held", (seen) => seen.status.capacity.cpu === "9");
    assert.equal(later.status.capacity["example.com/dongle"], "3");
    assert.ok(later.status.conditions.some((seen: Any) => seen.type === "Theirs"));
    await kubectl("cordon", "held");
    await until("event of the cordon", async () => (await eventReasons("held")).includes("NodeNotSchedulable"));
    assert.equal((await getNode("held")).spec.unschedulable, true);
  });

  it("takes reports at run time, one write each, and removes what is reported no more", async () => {
    await using vk = await start([template("reported")]);
    await vk.nodes.registered("reported");
    const before = await untilNode("not-ready taint gone", "reported", (seen) => taintsOf(seen).length === 1);
    const writes: string[] = [];
    const watch = await watchNode("reported", (node) => writes.push(node.metadata.resourceVersion));
    vk.nodes.update("reported", {
      capacity: { cpu: "2", "example.com/gpu": "4" },
      labels: { pool: "blue" },
      conditions: [{ type: "MemoryPressure", status: "True", reason: "Full", message: "no more" }],
      addresses: [
        { type: "InternalIP", address: "10.0.0.8" },
        { type: "InternalIP", address: "fd00::8" },
      ],
    });
    const node = await untilNode("report", "reported", (seen) => seen.status.capacity.cpu === "2");
    assert.equal(node.metadata.labels.pool, "blue");
    assert.equal(node.status.allocatable["example.com/gpu"], "4");
    assert.equal(node.status.allocatable.cpu, "2");
    assert.deepEqual(
      node.status.addresses.map((seen: Any) => seen.address),
      ["10.0.0.8", "fd00::8"],
    );
    assert.equal(node.status.conditions[0].status, "True");
    assert.equal(readyOf(node).lastTransitionTime, readyOf(before).lastTransitionTime);
    vk.nodes.update("reported", { taints: [{ key: "full", effect: "NoSchedule" }] });
    const after = await untilNode(
      "second report",
      "reported",
      (seen) => taintsOf(seen).includes("full=:NoSchedule") && seen.status.capacity.cpu === "8",
    );
    assert.equal(after.metadata.labels.pool, undefined);
    assert.equal(after.status.capacity["example.com/gpu"], undefined);
    assert.equal(after.status.conditions[0].status, "False");
    vk.nodes.update("reported", {});
    await untilNode("taint gone", "reported", (seen) => !taintsOf(seen).includes("full=:NoSchedule"));
    await watch.stop();
    // Report one is one write; MemoryPressure makes the controller manager taint and untaint the node, which are its own.
    assert.ok(writes.length <= 8, `${writes.length} writes`);
  });

  it("cleans up after another configuration, on the Node that is there", async () => {
    const first = await start([
      template("again", { labels: { old: "1" }, taints: [{ key: "old", effect: "NoSchedule" }] }),
    ]);
    await first.nodes.registered("again");
    await first.stop();
    const { uid } = (await getNode("again")).metadata;
    await using second = await start([
      template("again", { labels: { new: "1" }, taints: [{ key: "new", value: "v", effect: "NoSchedule" }] }),
    ]);
    await second.nodes.registered("again");
    const node = await untilNode(
      "cleaned",
      "again",
      (seen) => seen.metadata.labels.new === "1" && seen.metadata.labels.old === undefined,
    );
    assert.equal(node.metadata.uid, uid);
    assert.ok(taintsOf(node).includes("new=v:NoSchedule"));
    assert.ok(!taintsOf(node).some((taint) => taint.startsWith("old")));
  });

  it("comes back when deleted, and its lease follows the new UID", async () => {
    await using vk = await start([template("deleted")]);
    await vk.nodes.registered("deleted");
    const { uid } = (await getNode("deleted")).metadata;
    await kubectl("delete", "node", "deleted", "--wait=false");
    const node = await untilNode(
      "registered again",
      "deleted",
      (seen) => seen.metadata.uid !== uid && readyOf(seen)?.status === "True",
    );
    await until("owner of the lease", async () => {
      return (await leaseOf("deleted")).metadata.ownerReferences[0].uid === node.metadata.uid;
    });
  });

  it("is not ready while the backend is out of reach, in one write, and ready again at once", async () => {
    let fault: string | undefined;
    let pings = 0;
    const ping = (): Promise<void> => {
      pings += 1;
      return fault === undefined ? Promise.resolve() : Promise.reject(new Error(`${fault} ${pings}`));
    };
    await using vk = await start([template("pinged", { ping, pingIntervalMs: 100 })]);
    await vk.nodes.registered("pinged");
    await untilNode("not-ready taint gone", "pinged", (seen) => taintsOf(seen).length === 1);
    const states: string[] = [];
    const watch = await watchNode("pinged", (node) => states.push(`${readyOf(node).status} ${readyOf(node).message}`));
    fault = "backend away";
    const node = await untilNode("not ready", "pinged", (seen) => readyOf(seen).status === "False");
    assert.equal(readyOf(node).reason, "ProviderNotReady");
    assert.match(readyOf(node).message, /^backend away \d+$/);
    await untilNode("tainted by the controller manager", "pinged", (seen) =>
      taintsOf(seen).some((taint) => taint.startsWith("node.kubernetes.io/not-ready")),
    );
    assert.equal((await cluster.kubectl("get", "node", "pinged", "--no-headers")).stdout.split(/ +/)[1], "NotReady");
    // Longer than the grace of the cluster: leases go on, so that it stays NotReady and does not become Unknown.
    await sleep((graceSeconds + 2) * 1000);
    assert.equal(new Set(states.filter((state) => state.startsWith("False"))).size, 1);
    assert.ok(!states.some((state) => state.startsWith("Unknown")));
    fault = undefined;
    await untilNode("ready again", "pinged", (seen) => readyOf(seen).status === "True");
    await watch.stop();
  });

  it("answers at once when the control plane believes it dead", async () => {
    // A lease for an hour is renewed each quarter: the controller manager hears nothing within its grace.
    await using vk = await start([template("silent")], { leaseDurationSeconds: 3600 });
    await vk.nodes.registered("silent");
    const states: string[] = [];
    const watch = await watchNode("silent", (node) => states.push(readyOf(node).status));
    await until("Unknown, then True", async () => {
      const unknown = states.indexOf("Unknown");
      return unknown >= 0 && states.indexOf("True", unknown) > 0;
    });
    await watch.stop();
    const node = await untilNode("restored", "silent", (seen) => readyOf(seen).status === "True");
    assert.ok(node.status.conditions.every((condition: Any) => condition.status !== "Unknown"));
  });

  it("ends as configured: left, not ready, or deleted", async () => {
    const left = await start([template("left")]);
    await left.nodes.registered("left");
    await left.stop();
    assert.equal(readyOf(await getNode("left")).status, "True");

    const notReady = await start([template("told")], { shutdown: "not-ready" });
    await notReady.nodes.registered("told");
    await notReady.stop();
    assert.equal(readyOf(await getNode("told")).message, "virtual kubelet is shutting down");

    const deleted = await start([template("wiped")], { shutdown: "delete" });
    await deleted.nodes.registered("wiped");
    await until("lease", () => leaseOf("wiped"));
    await deleted.stop();
    const { stderr } = await cluster.kubectl("get", "node", "wiped");
    assert.match(stderr, /NotFound/);
    assert.match((await cluster.kubectl("get", "lease", "-n", "kube-node-lease", "wiped")).stderr, /NotFound/);
  });

  it("works with a node's own credentials, and says what they do not allow", async () => {
    const kubeconfig = await cluster.kubeconfigFor("system:node:own", ["system:nodes"]);
    const labels = { mine: "yes", "node-role.kubernetes.io/edge": "" };
    const options = { kubeconfig, credentials: "node-user" } as const;
    const vk = await start([template("own", { labels })], options);
    await vk.nodes.registered("own");
    const node = await untilNode("ready", "own", (seen) => readyOf(seen).status === "True");
    assert.ok(taintsOf(node).includes("virtual-kubelet.io/provider=mock:NoSchedule"));
    assert.equal(node.metadata.labels.mine, "yes");
    await until("lease", () => leaseOf("own"));
    await kubectl("label", "node", "own", "mine-");
    await untilNode("label restored", "own", (seen) => seen.metadata.labels.mine === "yes");
    await vk.stop();
    assert.equal(
      vk.log.filter((line) => line.includes("kubectl label nodes own --overwrite node-role.kubernetes.io/edge="))
        .length,
      1,
    );

    // Another taint later: it cannot set it, says so once, and its status goes on.
    await using later = await start(
      [template("own", { taints: [{ key: "new", value: "v", effect: "NoSchedule" }] })],
      options,
    );
    await later.nodes.registered("own");
    later.nodes.update("own", { capacity: { cpu: "3" } });
    await untilNode("capacity", "own", (seen) => seen.status.capacity.cpu === "3");
    later.nodes.update("own", { capacity: { cpu: "4" } });
    await untilNode("capacity", "own", (seen) => seen.status.capacity.cpu === "4");
    const told = later.log.filter((line) => line.includes("kubectl taint nodes"));
    assert.equal(told.length, 1, later.log.join("\n"));
    const command = /kubectl (taint [^"]*?)"?[ }]*(?=\{|$)/.exec(told[0] ?? "")?.[1] ?? "";
    // What it says to run does it.
    await kubectl(
      ...command
        .trim()
        .split(/ +/)
        .filter((word) => !word.startsWith("{")),
    );
    assert.deepEqual(taintsOf(await untilNode("taints", "own", (seen) => taintsOf(seen).length === 1)), [
      "new=v:NoSchedule",
    ]);
    await until("event", async () => (await eventReasons("own")).includes("NodeTaintsDiffer"));
  });

  it("works as a ServiceAccount with the rights of deploy/rbac.yaml", async () => {
    await kubectl("apply", "-f", join(import.meta.dirname, "../deploy/rbac.yaml"));
    const kubeconfig = await cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet");
    await using vk = await start([template("sa-0"), template("sa-1")], { kubeconfig, shutdown: "delete" });
    await Promise.all(["sa-0", "sa-1"].map((name) => vk.nodes.registered(name)));
    await kubectl("label", "node", "sa-0", "type-");
    await kubectl("taint", "nodes", "sa-0", "virtual-kubelet.io/provider-");
    await untilNode(
      "restored",
      "sa-0",
      (seen) =>
        seen.metadata.labels.type === "virtual-kubelet" &&
        taintsOf(seen).includes("virtual-kubelet.io/provider=mock:NoSchedule"),
    );
    await until("lease", () => leaseOf("sa-1"));
    await vk.stop();
    assert.deepEqual(
      vk.log.filter((line) => /forbidden|refused/i.test(line)),
      [],
    );
    assert.match((await cluster.kubectl("get", "node", "sa-1")).stderr, /NotFound/);
  });
});

describe("nodes, with an API server that dies", { timeout: 900_000 }, () => {
  it("survives an API server that dies: node and lease go on when it is back", async () => {
    await using vk = await start([template("outlived")]);
    await vk.nodes.registered("outlived");
    await until("first lease", () => leaseOf("outlived"));
    await cluster.killApiServer();
    vk.nodes.update("outlived", { labels: { during: "outage" } });
    await sleep(2_000);
    await cluster.startApiServer();
    const node = await untilNode(
      "label",
      "outlived",
      (seen) => seen.metadata.labels.during === "outage" && readyOf(seen).status === "True",
    );
    const { renewTime } = (await leaseOf("outlived")).spec;
    await until("renewal", async () => (await leaseOf("outlived")).spec.renewTime > renewTime);
    assert.ok(node);
    assert.ok(vk.log.filter((line) => line.includes("lease not renewed")).length <= 3, vk.log.join("\n"));
  });
});

/** Tells each state of a Node from now on, until stopped. */
async function watchNode(name: string, tell: (node: Any) => void): Promise<{ readonly stop: () => Promise<void> }> {
  const end = new AbortController();
  const { resourceVersion } = (await client.get(nodes, { name })).metadata;
  const options = { fieldSelector: `metadata.name=${name}`, resourceVersion, signal: end.signal };
  const watching = everyState(client, nodes, options, ({ type, object }) => type === "MODIFIED" && tell(object));
  // Its failure is told by stop().
  watching.catch(() => undefined);
  return {
    stop: () => {
      end.abort();
      return watching;
    },
  };
}
