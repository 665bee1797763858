// Watches that break and expire, over and over: no transition of a pod is lost, none is repeated. And, when all is calm, how
// little the API server is written to in a pod's life, by the API server's own audit log.
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { events, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { createMetrics, type Metrics } from "../packages/virtual-kubelet/src/metrics.ts";
import { between, noFaults, seededRandom, together } from "./chaos.ts";
import { Churn } from "./chaos-churn.ts";
import { recordHistory } from "./chaos-history.ts";
import { eventually, type Harness, isRunning, type PodShape, podObject, startHarness } from "./harness.ts";
import { type Backend, mockNode } from "./mock-node.ts";
import { Wire } from "./wire.ts";

let harness: Harness;
let policies: string;

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    verbs: [create, update, patch, delete]
    resources: [{ group: "", resources: [pods, pods/status, pods/binding, events] }]
  - level: None
`;

before(async () => {
  policies = await mkdtemp(join(tmpdir(), "virtual-kubelet-audit-"));
  const policy = join(policies, "policy.yaml");
  await writeFile(policy, auditPolicy);
  const apiServerArgs = [`--audit-policy-file=${policy}`, "--audit-log-path=audit.log"];
  harness = await startHarness({ apiServerArgs });
});
after(async () => {
  await using _harness = harness;
  await rm(policies, { recursive: true, force: true });
});

const isWrite = (verb: string): boolean => ["create", "update", "patch", "delete"].includes(verb);

/** Writes to pods and their statuses by one user: name to verbs. */
async function audited(user: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const writes = new Map<string, string[]>();
  const text = await readFile(join(harness.cluster.directory, "audit.log"), "utf8");
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const { user: by, verb, objectRef, responseStatus } = JSON.parse(line);
    if (by.username !== user || objectRef?.resource !== "pods" || !isWrite(verb)) continue;
    const what = [verb, objectRef.subresource, responseStatus.code].filter((part) => part !== undefined).join(" ");
    writes.set(objectRef.name, [...(writes.get(objectRef.name) ?? []), what]);
  }
  return writes;
}

async function watchRestarts(metrics: Metrics, cause: string): Promise<number> {
  const { values } = await metrics.watchRestarts.get();
  const found = values.filter(({ labels }) => labels.resource === "pods" && labels.cause === cause);
  return found.reduce((sum, { value }) => sum + value, 0);
}

/** The API's troubles are none of the backend's: each pod is created by one call and deleted by one. */
function repeatedCalls({ creates, deletes }: Backend): readonly string[] {
  const faults: string[] = [];
  for (const [what, calls] of [
    ["created", creates],
    ["deleted", deletes],
  ] as const) {
    const counts = new Map<string, number>();
    for (const { uid, name } of calls) counts.set(`${name} (${uid})`, (counts.get(`${name} (${uid})`) ?? 0) + 1);
    for (const [pod, count] of counts) if (count > 1) faults.push(`${pod}: ${what} ${count} times`);
  }
  return faults;
}

async function repeatedEvents(node: string): Promise<readonly string[]> {
  const { items } = await harness.client.list(events, {
    namespace: "default",
    fieldSelector: "reason=ProviderCreateSuccess",
  });
  const counts = new Map<string, number>();
  for (const { source, involvedObject, count } of items) {
    if (source?.host !== node) continue;
    const uid = involvedObject?.uid ?? "";
    counts.set(uid, (counts.get(uid) ?? 0) + (count ?? 1));
  }
  return [...counts].filter(([, count]) => count > 1).map(([uid, count]) => `${uid}: told ${count} times`);
}

describe("watches", { timeout: 1_100_000 }, () => {
  it("writes at most three times in a pod's life, events aside", async () => {
    const calm = await mockNode("calm");
    const kubeconfig = await harness.cluster.kubeconfigFor("calm-kubelet", ["system:masters"]);
    await using _ = await harness.kubelet([calm], { kubeconfig });
    const lives: readonly [string, PodShape][] = [
      ["service", {}],
      ["batch", { mock: { "run-time": "300ms" }, spec: { restartPolicy: "Never" } }],
      ["failing", { mock: { "run-time": "300ms", "exit-code": "1" }, spec: { restartPolicy: "Never" } }],
      ["graceful", { mock: { "terminate-delay": "400ms" } }],
      [
        "init",
        { spec: { initContainers: [{ name: "init", image: "i" }], containers: [{ name: "main", image: "m" }] } },
      ],
    ];
    const created: Stored<Pod>[] = [];
    for (const [kind, shape] of lives)
      for (let index = 0; index < 6; index++) {
        // Half of them through the scheduler.
        const place = index % 2 === 0 ? { nodeName: "calm" } : { nodeSelector: { "kubernetes.io/hostname": "calm" } };
        const pod = podObject(`calm-${kind}-${index}`, { ...shape, spec: { ...shape.spec, ...place } });
        created.push(await harness.client.create(pods, pod));
      }
    for (const { metadata, spec } of created) {
      const ends = metadata.name.includes("batch") || metadata.name.includes("failing");
      assert.equal(spec?.restartPolicy, ends ? "Never" : "Always");
      await harness.untilPod(ends ? "ends" : "runs", metadata.name, 30_000, ({ status }) =>
        ends ? status?.phase === "Succeeded" || status?.phase === "Failed" : status?.phase === "Running",
      );
    }
    for (const { metadata } of created)
      await harness.client.delete(pods, { namespace: "default", name: metadata.name });
    for (const { metadata } of created) await harness.untilGone(pods, metadata.name, 30_000);
    const writes = await audited("calm-kubelet");
    assert.equal(writes.size, created.length);
    const all = [...writes].map(([name, verbs]) => `${name}: ${verbs.join(", ")}`);
    console.log(`writes per pod: ${[...writes.values()].reduce((sum, { length }) => sum + length, 0) / writes.size}`);
    noFaults(
      "more than three",
      all.filter((line) => line.split(", ").length > 3),
    );
    // It counts: nobody else tells a pod's phase or ends its object.
    assert.ok(
      all.every((line) => /(update|patch) status 200/.test(line)),
      all.join("\n"),
    );
    assert.deepEqual(repeatedCalls(calm.backend), []);
  });

  it("cut and expired under churn: no transition lost, none repeated, the same name told apart", async () => {
    const random = seededRandom("watch storm");
    const server = new URL(harness.cluster.server);
    await using wire = new Wire({ host: server.hostname, port: Number(server.port) });
    await wire.open();
    const text = await readFile(harness.cluster.kubeconfig, "utf8");
    const kubeconfig = await harness.writeFile("wired.yaml", text.replaceAll(`:${server.port}`, `:${wire.port}`));
    const stormy = await mockNode("stormy", { config: { cpu: "1000", memory: "4Ti", pods: "1000" } });
    const metrics = createMetrics();
    await using running = await harness.kubelet([stormy], { kubeconfig, metrics, pods: { orphanGraceMs: 2000 } });
    await using history = await recordHistory(harness.client);
    const churnOf = (prefix: string, durationMs: number, count: number): Churn =>
      new Churn({
        client: harness.client,
        node: "stormy",
        random,
        prefix,
        pods: count,
        jobs: 4,
        durationMs,
        scheduler: false,
      });

    // Cut every moment.
    const storm = churnOf("storm", 15_000, 60);
    let cuts = 0;
    const cutting = async (): Promise<void> => {
      for (const end = Date.now() + 17_000; Date.now() < end; cuts++) {
        await sleep(between(random, 50, 700));
        wire.cut();
      }
    };
    await together(storm.run(), cutting());
    await storm.settle(40_000);
    assert.ok((await watchRestarts(metrics, "Unavailable")) >= 10, `${cuts} cuts`);

    // Away until what was seen last is no longer known: everything is read anew.
    for (const round of [1, 2]) {
      const name = `same-${round}`;
      const create = (): Promise<Stored<Pod>> =>
        harness.client.create(pods, podObject(name, { spec: { nodeName: "stormy" } }));
      const first = await create();
      await harness.untilPod("runs", name, 20_000, isRunning);
      const lists = churnOf(`expired-${round}`, 2000, 15);
      await wire.shut();
      await harness.client.delete(pods, { namespace: "default", name }, { gracePeriodSeconds: 0 });
      const second = await create();
      const away = async (): Promise<void> => {
        await sleep(1500);
        await harness.cluster.killApiServer();
        await harness.cluster.startApiServer();
        await wire.open();
      };
      await together(lists.run(), away());
      await harness.untilPod("runs", name, 30_000, (pod) => isRunning(pod) && pod.metadata.uid === second.metadata.uid);
      await eventually("only the second runs", 20_000, () => {
        const uids = stormy.backend.running(name);
        return uids.length === 1 && uids[0] === second.metadata.uid;
      });
      assert.notEqual(first.metadata.uid, second.metadata.uid);
      await lists.settle(40_000);
      assert.ok((await watchRestarts(metrics, "Expired")) >= round);
    }

    noFaults("calls repeated", repeatedCalls(stormy.backend));
    noFaults(
      "started anew",
      stormy.backend.creates
        .filter(({ outcome }) => outcome !== "created")
        .map(({ name, outcome }) => `${name}: ${outcome}`),
    );
    noFaults("events repeated", await repeatedEvents("stormy"));
    noFaults("history", history.faults());
    noFaults(
      "status changed too often",
      [...history.byUid.values()]
        .filter(({ statuses }) => statuses > 5)
        .map((told) => `${told.name}: ${told.statuses} times`),
    );
    const wanted = (await harness.client.list(pods, { fieldSelector: "spec.nodeName=stormy" })).items;
    const uids = new Set(wanted.map(({ metadata }) => metadata.uid));
    noFaults(
      "leaked",
      stormy.backend
        .list()
        .filter(({ owner }) => !uids.has(owner.uid))
        .map(({ owner }) => owner.name),
    );
    await running.stop();
  });
});
