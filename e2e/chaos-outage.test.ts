// The virtual kubelet away for a while (killed, and changes on both sides meanwhile), and its orderly end by SIGTERM.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { leases, nodes, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import type { JournalEntry } from "../packages/virtual-kubelet/src/providers/mock/backend-server.ts";
import type { ManagedProcess } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { type BackendView, backendView, bothSidesAgree, startedTwice } from "./backend-view.ts";
import { noFaults } from "./chaos.ts";
import { recordHistory } from "./chaos-history.ts";
import {
  type BackendProcess,
  eventually,
  type Harness,
  isRunning,
  type PodShape,
  podObject,
  startHarness,
  throughout,
} from "./harness.ts";
import { Wire } from "./wire.ts";

let harness: Harness;

before(async () => {
  harness = await startHarness();
});
after(() => harness?.[Symbol.asyncDispose]());

interface Site extends AsyncDisposable {
  readonly process: BackendProcess;
  readonly backend: BackendView;
  readonly start: (...flags: readonly string[]) => Promise<ManagedProcess>;
  /** Creates a pod bound to the node. */
  readonly create: (name: string, shape?: PodShape) => Promise<Stored<Pod>>;
  readonly calls: (uid: string, method: JournalEntry["method"]) => Promise<readonly JournalEntry[]>;
}

async function site(node: string, kubeconfig?: string): Promise<Site> {
  const process = await harness.backendProcess();
  const settings = { [node]: { cpu: "1000", memory: "4Ti", pods: "1000", backend: process.address } };
  const config = await harness.writeFile("mock.json", JSON.stringify(settings));
  const args = ["--nodename", node, "--provider", "mock", "--provider-config", config, "--log-format", "json"];
  const backend = backendView(process.address);
  return {
    process,
    backend,
    start: (...flags) => harness.program([...args, ...flags], { name: node, kubeconfig }),
    create: (name, shape) =>
      harness.client.create(pods, podObject(name, { ...shape, spec: { nodeName: node, ...shape?.spec } })),
    calls: async (uid, method) =>
      (await process.journal()).filter((entry) => entry.uid === uid && entry.method === method),
    [Symbol.asyncDispose]: () => backend.close(),
  };
}

const never: PodShape = { spec: { restartPolicy: "Never" } };
const exitCodeOf = (pod: Pod): number | undefined => pod.status?.containerStatuses?.[0]?.state?.terminated?.exitCode;

async function logLines(child: ManagedProcess, message: string): Promise<readonly string[]> {
  return (await readFile(child.logFile, "utf8")).split("\n").filter((line) => line.includes(message));
}

describe("the virtual kubelet away", { timeout: 1_100_000, concurrency: true }, () => {
  it("finds what changed on both sides while it was down", async () => {
    await using away = await site("away");
    const flags = ["--orphan-grace", "4s", "--full-resync-period", "5s"];
    let kubelet = await away.start(...flags);
    await harness.nodeIsReady("away");
    await using history = await recordHistory(harness.client);
    const slow = { mock: { "terminate-delay": "700ms" }, spec: { terminationGracePeriodSeconds: 3 } };
    const stays = await away.create("stays");
    const deleted = await away.create("deleted", slow);
    const forced = await away.create("forced");
    const replaced = await away.create("replaced");
    const finished = await away.create("finished", never);
    const crashed = await away.create("crashed", never);
    const restarted = await away.create("restarted");
    const lost = await away.create("lost");
    const lostAndDeleted = await away.create("lost-and-deleted");
    const ended = await away.create("ended", { ...never, mock: { "run-time": "100ms" } });
    const running = [stays, deleted, forced, replaced, finished, crashed, restarted, lost, lostAndDeleted];
    for (const { metadata } of running) await harness.untilPod("runs", metadata.name, 30_000, isRunning);
    const before = await harness.untilPod("ended", "ended", 10_000, (pod) => pod.status?.phase === "Succeeded");
    assert.equal(before.metadata.uid, ended.metadata.uid);

    await kubelet.kill("SIGKILL");
    for (const name of ["deleted", "lost-and-deleted"])
      await harness.client.delete(pods, { namespace: "default", name });
    for (const name of ["forced", "replaced"])
      await harness.client.delete(pods, { namespace: "default", name }, { gracePeriodSeconds: 0 });
    const anew = await away.create("replaced");
    const late = await away.create("late");
    const exit = (pod: Stored<Pod>, exitCode: number): Promise<void> =>
      away.backend.act({ action: "exit", uid: pod.metadata.uid, container: "main", exitCode });
    await exit(finished, 0);
    await exit(crashed, 3);
    await exit(restarted, 1);
    for (const { metadata } of [lost, lostAndDeleted]) await away.backend.act({ action: "lose", uid: metadata.uid });

    const startedAt = Date.now();
    kubelet = await away.start(...flags);
    await harness.untilGone(pods, "deleted", 20_000);
    await harness.untilGone(pods, "lost-and-deleted", 20_000);
    const succeeded = await harness.untilPod("told", "finished", 10_000, (pod) => pod.status?.phase === "Succeeded");
    const failed = await harness.untilPod("told", "crashed", 10_000, (pod) => pod.status?.phase === "Failed");
    assert.deepEqual([exitCodeOf(succeeded), exitCodeOf(failed)], [0, 3]);
    const again = await harness.untilPod("told", "restarted", 10_000, (pod) => {
      const [container] = pod.status?.containerStatuses ?? [];
      return container?.restartCount === 1 && container.state?.running !== undefined;
    });
    assert.equal(again.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 1);
    for (const pod of [anew, late])
      assert.equal(
        (await harness.untilPod("runs", pod.metadata.name, 10_000, isRunning)).metadata.uid,
        pod.metadata.uid,
      );

    // With the grace of the API object, and with its final status told before its end.
    const [deletion, ...more] = await away.calls(deleted.metadata.uid, "deletePod");
    assert.equal(deletion?.gracePeriodSeconds, 3);
    assert.deepEqual(more, []);
    const told = history.byUid.get(deleted.metadata.uid);
    assert.match(told?.phases.at(-1) ?? "", /^(Succeeded|Failed)/);

    // Orphans: not before the grace, then with a line each.
    for (const { metadata } of [forced, replaced]) {
      const [removal] = await eventually(`orphan ${metadata.name} removed`, 20_000, async () => {
        const calls = await away.calls(metadata.uid, "deletePod");
        return calls.length > 0 && calls;
      });
      assert.ok((removal?.at ?? 0) >= startedAt + 4000, `${metadata.name} after ${(removal?.at ?? 0) - startedAt} ms`);
      const lines = await eventually("its line", 5000, async () => {
        const found = await logLines(kubelet, "orphan removed from the backend");
        return found.some((line) => line.includes(metadata.uid)) && found.filter((line) => line.includes(metadata.uid));
      });
      assert.equal(lines.length, 1);
    }

    // Lost: two answers 30 s apart, then Failed for good.
    const gone = await harness.untilPod("lost", "lost", 60_000, (pod) => pod.status?.phase === "Failed");
    assert.equal(gone.status?.reason, "ProviderLostPod");
    const since = (await away.process.journal()).filter(({ at }) => at > startedAt);
    const asked = since.filter(({ uid, method }) => uid === lost.metadata.uid && method === "getPodStatus");
    const last = asked.at(-1)?.at ?? 0;
    // The listing at the start was the first answer, where it came before a question of its own.
    const first = Math.min(asked[0]?.at ?? last, since.find(({ method }) => method === "getPods")?.at ?? last);
    assert.ok(asked.every(({ outcome }) => outcome === "error: NotFound"));
    // The virtual kubelet counts thirty seconds from its questions, the journal has the answers: the first may have come late.
    assert.ok(last - first >= 20_000, `${asked.length} questions, ${last - first} ms apart`);
    const selector = `involvedObject.uid=${lost.metadata.uid},reason=ProviderLostPod`;
    await eventually("event", 10_000, async () =>
      (await harness.kubectl("get", "events", "--field-selector", selector, "-o", "name")).includes("event"),
    );

    await bothSidesAgree(harness.client, away.backend, "away", 15_000);
    noFaults("started twice", startedTwice(await away.process.journal()));
    for (const pod of running)
      assert.equal((await away.calls(pod.metadata.uid, "createPod")).length, 1, `${pod.metadata.name} created again`);
    noFaults("history", history.faults());
    const untouched = await harness.find(pods, "ended");
    assert.equal(untouched?.metadata.resourceVersion, before.metadata.resourceVersion);
    const still = await harness.find(pods, "stays");
    assert.equal(still?.status?.containerStatuses?.[0]?.restartCount, 0);
    await kubelet.kill("SIGTERM");
  });

  it("fails what a backend forgot, only when it has said so twice, and starts none of it again", async () => {
    await using amnesia = await site("amnesia");
    const kubelet = await amnesia.start("--full-resync-period", "5s");
    await harness.nodeIsReady("amnesia");
    const names = ["forgotten-0", "forgotten-1", "forgotten-2"];
    const forgotten = await Promise.all(names.map((name) => amnesia.create(name)));
    for (const name of names) await harness.untilPod("runs", name, 30_000, isRunning);
    await amnesia.process.process.kill("SIGKILL");
    const killedAt = Date.now();
    const reborn = await harness.backendProcess("{}", amnesia.process.address);
    await harness.client.delete(pods, { namespace: "default", name: "forgotten-2" });
    await harness.untilGone(pods, "forgotten-2", 20_000);
    await amnesia.create("remembered");
    await harness.untilPod("runs", "remembered", 20_000, isRunning);
    for (const { metadata } of forgotten.slice(0, 2)) {
      const pod = await harness.untilPod("lost", metadata.name, 60_000, ({ status }) => status?.phase === "Failed");
      assert.equal(pod.status?.reason, "ProviderLostPod");
      assert.ok(Date.now() - killedAt >= 30_000, `lost after ${Date.now() - killedAt} ms`);
    }
    const created = (await reborn.journal()).filter(({ method }) => method === "createPod").map(({ name }) => name);
    assert.deepEqual(created, ["remembered"]);
    await kubelet.kill("SIGTERM");
  });

  it("ends by SIGTERM only when the last statuses are told; node, lease and pods are left", async () => {
    await using wire = await wireToServer();
    const kubeconfig = await wiredKubeconfig(wire);
    await using flushed = await site("flushed", kubeconfig);
    // Fewer writers than statuses: some are under way at the end, most have not begun.
    const kubelet = await flushed.start("--metrics-addr", "127.0.0.1:0", "--pod-status-workers", "4");
    await harness.nodeIsReady("flushed");
    const names = Array.from({ length: 20 }, (_, index) => `flush-${index}`);
    const ending = await Promise.all(names.map((name) => flushed.create(name, never)));
    const staying = await flushed.create("flush-stays");
    for (const name of [...names, "flush-stays"]) await harness.untilPod("runs", name, 30_000, isRunning);
    const metrics = await metricsOf(kubelet);
    const due = (count: number): Promise<unknown> =>
      eventually(`${count} statuses are due`, 10_000, async () => {
        const answer = await fetch(metrics);
        const depths = (await answer.text()).matchAll(
          /^virtual_kubelet_queue_depth\{queue="pod-status",state="(\w+)"\} (\d+)$/gm,
        );
        const { waiting, active } = Object.fromEntries([...depths].map(([, state = "", depth]) => [state, depth]));
        if (Number(waiting) + Number(active) === count) return true;
        throw new Error(`${waiting} wait, ${active} are under way`);
      });
    // Who sees a status in the API has it before the virtual kubelet has its answer.
    await due(0);

    // The API server is out of reach for the moment in which all of them end.
    wire.hold();
    for (const { metadata } of ending)
      await flushed.backend.act({ action: "exit", uid: metadata.uid, container: "main", exitCode: 0 });
    await due(20);
    const end = kubelet.kill("SIGTERM");
    await sleep(500);
    assert.ok(kubelet.running, "ended with statuses still to be told");
    wire.release();
    await end;
    assert.deepEqual(await kubelet.ended, { code: 0, signal: null }, await kubelet.logTail());
    for (const name of names) {
      const pod = await harness.find(pods, name);
      assert.deepEqual([pod?.status?.phase, pod && exitCodeOf(pod)], ["Succeeded", 0], name);
    }

    const node = await harness.find(nodes, "flushed");
    assert.equal(node?.status?.conditions?.find(({ type }) => type === "Ready")?.status, "True");
    const lease = await harness.find(leases, "flushed", "kube-node-lease");
    assert.equal(lease?.spec?.holderIdentity, "flushed");
    assert.deepEqual(await flushed.calls(staying.metadata.uid, "deletePod"), []);
    assert.ok(isRunning((await harness.find(pods, "flush-stays")) ?? {}));
    const report = (await flushed.backend.list("flushed")).find(({ owner }) => owner.name === "flush-stays");
    assert.ok(report?.containers[0]?.state.running);
  });

  it("ends in good time though the API server is out of reach", async () => {
    await using wire = await wireToServer();
    await using alone = await site("alone", await wiredKubeconfig(wire));
    const kubelet = await alone.start("--shutdown-node", "not-ready");
    await harness.nodeIsReady("alone");
    const pod = await alone.create("told-later", never);
    await harness.untilPod("runs", "told-later", 30_000, isRunning);
    await wire.shut();
    await alone.backend.act({ action: "exit", uid: pod.metadata.uid, container: "main", exitCode: 0 });
    const asked = Date.now();
    await kubelet.kill("SIGTERM");
    const took = Date.now() - asked;
    // It does not wait for the API server without end; a busy machine has its part in the time.
    assert.ok(took < 60_000, `${took} ms`);
    assert.deepEqual(await kubelet.ended, { code: 0, signal: null }, await kubelet.logTail());
    // What could not be told is told by the next one.
    await wire.open();
    const next = await alone.start();
    await harness.untilPod("told", "told-later", 30_000, ({ status }) => status?.phase === "Succeeded");
    await next.kill("SIGTERM");
  });

  it("lives on while nothing at all is connected, at its start and later", async () => {
    await using wire = await wireToServer();
    const kubeconfig = await wiredKubeconfig(wire);
    await wire.shut();
    // Neither metrics nor a backend of its own process: no socket but those to the API server.
    const program = await harness.program(["--nodename", "lonely", "--provider", "mock"], { kubeconfig });
    const alive = (): boolean => program.running;
    await eventually("it has tried", 10_000, async () => (await program.logTail()).includes("does not answer yet"));
    await throughout("it goes on trying", 3000, alive);
    await wire.open();
    await harness.nodeIsReady("lonely");
    await wire.shut();
    await throughout("it goes on trying", 4000, alive);
    await wire.open();
    const pod = await harness.client.create(pods, podObject("lonely", { spec: { nodeName: "lonely" } }));
    await harness.untilPod("runs", pod.metadata.name, 40_000, isRunning);
    await program.kill("SIGTERM");
    assert.deepEqual(await program.ended, { code: 0, signal: null }, await program.logTail());
  });

  it("leaves a Node that is not ready, or none, where it is told to; the backend never hears of it", async () => {
    await using leaving = await site("leaving");
    let kubelet = await leaving.start("--shutdown-node", "not-ready");
    await harness.nodeIsReady("leaving");
    const pod = await leaving.create("left-behind");
    await harness.untilPod("runs", "left-behind", 30_000, isRunning);
    await kubelet.kill("SIGTERM");
    assert.deepEqual(await kubelet.ended, { code: 0, signal: null }, await kubelet.logTail());
    const node = await harness.find(nodes, "leaving");
    const ready = node?.status?.conditions?.find(({ type }) => type === "Ready");
    assert.deepEqual([ready?.status, ready?.message], ["False", "virtual kubelet is shutting down"]);
    assert.ok(await harness.find(leases, "leaving", "kube-node-lease"));

    kubelet = await leaving.start("--shutdown-node=delete");
    await harness.nodeIsReady("leaving");
    await harness.untilPod("Ready again", "left-behind", 20_000, (found) =>
      Boolean(found.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True")),
    );
    await kubelet.kill("SIGTERM");
    assert.deepEqual(await kubelet.ended, { code: 0, signal: null }, await kubelet.logTail());
    assert.equal(await harness.find(nodes, "leaving"), undefined);
    assert.equal(await harness.find(leases, "leaving", "kube-node-lease"), undefined);

    const journal = await leaving.process.journal();
    assert.deepEqual(
      journal
        .filter(({ method }) => method !== "getPods" && method !== "watchPods" && method !== "getPodStatus")
        .map(({ method, uid, outcome }) => [method, uid, outcome]),
      [["createPod", pod.metadata.uid, "created"]],
    );
    const [report] = await leaving.backend.list("leaving");
    assert.ok(report?.containers[0]?.state.running);
  });
});

async function wireToServer(): Promise<Wire> {
  const server = new URL(harness.cluster.server);
  const wire = new Wire({ host: server.hostname, port: Number(server.port) });
  await wire.open();
  return wire;
}

/** The administrator's kubeconfig, by way of the wire. */
async function wiredKubeconfig(wire: Wire): Promise<string> {
  const { port } = new URL(harness.cluster.server);
  const text = await readFile(harness.cluster.kubeconfig, "utf8");
  return harness.writeFile("wired.yaml", text.replaceAll(`:${port}`, `:${wire.port}`));
}

/** URL of the metrics of a program that was told to take a free port. */
async function metricsOf(kubelet: ManagedProcess): Promise<string> {
  const [line] = await eventually("the metrics endpoint listens", 10_000, async () => {
    const lines = await logLines(kubelet, "127.0.0.1:");
    const found = lines.filter((each) => each.includes("metrics"));
    return found.length > 0 && found;
  });
  const port = /127\.0\.0\.1:(\d+)/.exec(line ?? "")?.[1];
  return `http://127.0.0.1:${port}/metrics`;
}
