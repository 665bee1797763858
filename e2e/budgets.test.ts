// One program with nodes on three providers, prices and ceilings: who waits for room and is let in, what metrics and the nodes
// themselves tell, and what survives a restart.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { deployments, namespaces, nodes, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Node, Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import type { ManagedProcess } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { eventually, type Harness, isRunning, podObject, podTemplate, startHarness } from "./harness.ts";

const tinyProvider = join(import.meta.dirname, "../examples/tiny-provider/tiny-provider.ts");
let harness: Harness;
let program: ManagedProcess;
let backend: string;
let metricsPort: number;

/** A core costs 1 an hour on `paid` and on `capped`. */
const configuration = (): string => `
nodes:
  - name: paid
    provider: {name: mock, config: {backend: "${backend}"}}
  - name: capped
    provider: {name: mock}
  - name: own
    prices: none
    provider: {name: "${tinyProvider}"}
  - name: both
    provider:
      name: composite
      config:
        rule: price
        members:
          - {name: dear, provider: mock, prices: dear}
          - {name: cheap, provider: mock, prices: mock}
budgets:
  currency: EUR
  prices:
    mock: {cpu: 1}
    dear: {cpu: 5}
    none: {}
  ceilings:
    nodes:
      - {name: paid, perHour: 2, perDay: 1000}
    namespaces:
      - {name: frugal, perMonth: 0.000001}
`;

async function start(): Promise<void> {
  const file = await harness.writeFile("budgets.yaml", configuration());
  program = await harness.program(["--config", file, "--metrics-addr", `127.0.0.1:${metricsPort}`]);
  for (const name of ["paid", "capped", "own", "both"]) await harness.nodeIsReady(name, program);
}

before(async () => {
  harness = await startHarness();
  ({ address: backend } = await harness.backendProcess());
  metricsPort = await freePort();
  await start();
});
after(() => harness?.[Symbol.asyncDispose]());

const cores = (cpu: string): { resources: { requests: { cpu: string } } } => ({ resources: { requests: { cpu } } });
const on = (nodeName: string, cpu = "1"): Parameters<typeof podObject>[1] => ({
  container: cores(cpu),
  spec: { nodeName },
});
const waitsForRoom = ({ status }: Pod): boolean => status?.phase === "Pending" && status.reason === "BudgetExceeded";
const isFull = (node: Node): boolean =>
  node.status?.conditions?.some(({ type, status }) => type.endsWith("/BudgetExceeded") && status === "True") === true;
const isTainted = (node: Node): boolean =>
  node.spec?.taints?.some(
    ({ key, effect }) => key === "virtual-kubelet.io/budget-exceeded" && effect === "NoSchedule",
  ) === true;

async function metric(pattern: RegExp): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  return Number(pattern.exec(text)?.[1] ?? assert.fail(`no ${pattern} in the metrics`));
}

describe("several providers in one process, with budgets", { timeout: 900_000 }, () => {
  it("runs pods on each of its nodes", async () => {
    await harness.client.create(pods, podObject("on-paid", on("paid")));
    await harness.client.create(pods, podObject("on-both", on("both")));
    await harness.client.create(pods, podObject("on-own", on("own")));
    await Promise.all(
      ["on-paid", "on-both", "on-own"].map((name) => harness.untilPod("runs", name, 30_000, isRunning)),
    );
    const { metadata } = await harness.untilPod("has its member", "on-both", 10_000, ({ metadata: { annotations } }) =>
      Boolean(annotations?.["backend.virtual-kubelet.io/member"]),
    );
    assert.equal(metadata.annotations?.["backend.virtual-kubelet.io/member"], "cheap");
  });

  it("lets nobody in above what an hour may cost, tells why, and goes on when there is room", async () => {
    await harness.client.create(pods, podObject("second", on("paid")));
    await harness.untilPod("runs", "second", 20_000, isRunning);
    await harness.client.create(pods, podObject("third", on("paid")));
    const { status } = await harness.untilPod("waits", "third", 20_000, waitsForRoom);
    assert.equal(
      status?.message,
      "Pod waits: the ceiling of node paid is 2 EUR per hour: its pods cost 2 EUR, and this one 1 EUR more",
    );
    await harness.until("is full", nodes, "paid", 20_000, (node) => isFull(node) && isTainted(node));
    await eventually("its event", 20_000, async () =>
      /Warning +BudgetExceeded .*kubelet +Pod waits: the ceiling/.test(
        await harness.kubectl("describe", "pod", "third"),
      ),
    );
    assert.equal(await metric(/^virtual_kubelet_budget_waiting_pods\{node="paid"\} (\S+)$/m), 1);
    assert.equal(await metric(/^virtual_kubelet_budget_used_ratio\{kind="node",name="paid",per="hour"\} (\S+)$/m), 1);

    await harness.client.delete(pods, { name: "second", namespace: "default" });
    await harness.untilPod("runs", "third", 30_000, isRunning);
    await harness.until("has room", nodes, "paid", 30_000, (node) => !isFull(node) && !isTainted(node));
    assert.equal((await harness.find(pods, "third"))?.status?.reason, undefined);
  });

  it("refuses for good what is above the ceiling by itself, and makes no storm of it", async () => {
    const labels = { app: "huge" };
    const template = podTemplate({ labels, container: cores("3"), spec: { nodeName: "paid" } });
    const metadata = { name: "huge", namespace: "default" };
    await harness.client.create(deployments, {
      metadata,
      spec: { replicas: 1, selector: { matchLabels: labels }, template },
    });
    const failed = await eventually("a pod that failed", 20_000, async () =>
      (await harness.list(pods, "app=huge")).find(({ status }) => status?.phase === "Failed"),
    );
    assert.equal(failed.status?.reason, "BudgetExceeded");
    assert.match(
      failed.status?.message ?? "",
      /ceiling of node paid is 2 EUR per hour, and this pod alone costs 3 EUR/,
    );
    await harness.client.delete(deployments, metadata, { propagationPolicy: "Foreground" });
  });

  it("remembers what was spent when it is started again, of pods that have ended too", async () => {
    const namespace = "frugal";
    await harness.client.create(namespaces, { metadata: { name: namespace } });
    const create = async (name: string): Promise<void> => {
      const pod = podObject(name, {
        ...on("capped", "10m"),
        spec: { nodeName: "capped", automountServiceAccountToken: false },
      });
      const own = { ...pod, metadata: { ...pod.metadata, namespace } };
      // Until the namespace has its account.
      await eventually(`${name} is made`, 20_000, () => harness.client.create(pods, own).catch(() => undefined));
    };
    const until = (name: string, holds: (pod: Pod) => boolean): Promise<Pod> =>
      eventually(`pod ${name}`, 20_000, async () => {
        const pod = await harness.find(pods, name, namespace);
        return pod !== undefined && holds(pod) && pod;
      });
    await create("spender");
    await until("spender", isRunning);
    const used = /^virtual_kubelet_budget_used_ratio\{kind="namespace",name="frugal",per="month"\} (\S+)$/m;
    await eventually("the month is spent", 20_000, async () => (await metric(used)) >= 1);
    await harness.client.delete(pods, { name: "spender", namespace }, { gracePeriodSeconds: 0 });
    await create("late");
    const { status } = await until("late", waitsForRoom);
    assert.match(
      status?.message ?? "",
      /^Pod waits: the ceiling of namespace frugal is 0\.000001 EUR per month: \S+ EUR are spent$/,
    );
    const kept = await harness.until("keeps what was spent", nodes, "capped", 20_000, ({ metadata: { annotations } }) =>
      /"month":\{[^}]*"frugal":/.test(annotations?.["virtual-kubelet.io/spend"] ?? ""),
    );
    assert.ok(kept);

    await program.kill("SIGTERM");
    await start();
    await create("later");
    await until("later", waitsForRoom);
    assert.ok((await metric(used)) >= 1);
    // What ran goes on, and costs.
    const cost = /^virtual_kubelet_node_cost_per_hour\{node="paid",currency="EUR"\} (\S+)$/m;
    await eventually("what runs is counted again", 20_000, async () => (await metric(cost)) === 2);
    const total = /^virtual_kubelet_namespace_cost_total\{namespace="default",currency="EUR"\} (\S+)$/m;
    await eventually("and costs", 20_000, async () => (await metric(total)) > 0);
  });
});
