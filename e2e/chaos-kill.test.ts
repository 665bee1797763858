// Kills at random moments, under churn: of the virtual kubelet (SIGKILL, started again) and of the API server. Whatever is
// hit half-way, no pod is lost, run twice or leaked, and what has ended stays as it was.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { leases, pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { isTerminal } from "../packages/virtual-kubelet/src/status/pod-status.ts";
import type { ManagedProcess } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { type BackendView, backendView, bothSidesAgree, startedTwice } from "./backend-view.ts";
import { between, noFaults, seededRandom, together } from "./chaos.ts";
import { Churn } from "./chaos-churn.ts";
import { recordHistory } from "./chaos-history.ts";
import { type BackendProcess, eventually, type Harness, startHarness } from "./harness.ts";

let harness: Harness;

before(async () => {
  harness = await startHarness();
});
after(() => harness?.[Symbol.asyncDispose]());

interface Site extends AsyncDisposable {
  readonly process: BackendProcess;
  readonly backend: BackendView;
  start(): Promise<ManagedProcess>;
}

/** A backend of its own, slow to show what it has and not to be relied on, and how a virtual kubelet is started for it. */
async function site(node: string): Promise<Site> {
  const consistencyDelay = "400ms";
  const process = await harness.backendProcess(JSON.stringify({ $mock: { consistencyDelay } }));
  const faults = {
    latency: { createPod: ["5ms", "600ms"], deletePod: ["5ms", "300ms"] },
    errors: [
      { method: "createPod", kind: "Unavailable", probability: 0.1, when: "after" },
      { method: "createPod", kind: "Quota", probability: 0.1 },
      { method: "deletePod", kind: "Unavailable", probability: 0.1, when: "after" },
      { method: "deletePod", kind: "Throttled", probability: 0.1, retryAfter: "300ms" },
      { method: "getPodStatus", kind: "Unavailable", probability: 0.1 },
      { method: "getPods", kind: "Internal", probability: 0.1 },
    ],
    cutWatchEvery: "3s",
  };
  const size = { cpu: "1000", memory: "4Ti", pods: "1000" };
  const settings = { [node]: { ...size, backend: process.address, consistencyDelay, faults } };
  const config = await harness.writeFile("mock.json", JSON.stringify(settings));
  const args = ["--nodename", node, "--provider", "mock", "--provider-config", config];
  const pace = ["--orphan-grace", "3s", "--full-resync-period", "10s", "--log-format", "json"];
  const backend = backendView(process.address);
  return {
    process,
    backend,
    start: () => harness.program([...args, ...pace], { name: node }),
    [Symbol.asyncDispose]: () => backend.close(),
  };
}

/** Resource versions of the pods that have ended, by UID. */
async function ended(node: string): Promise<ReadonlyMap<string, string>> {
  const { items } = await harness.client.list(pods, { fieldSelector: `spec.nodeName=${node}` });
  return new Map(
    items.filter(({ status }) => isTerminal(status)).map(({ metadata }) => [metadata.uid, metadata.resourceVersion]),
  );
}

async function backSoon(name: string, since: number): Promise<void> {
  await eventually("a lease renewed since", 30_000, async () => {
    const lease = await harness.find(leases, name, "kube-node-lease");
    return Date.parse(lease?.spec?.renewTime ?? "") > since;
  });
  // An outage that was long may have been told by others.
  await harness.nodeIsReady(name);
}

describe("kills under churn", { timeout: 1_100_000 }, () => {
  it("the virtual kubelet, eight times over 200 pods", async () => {
    const random = seededRandom("virtual kubelet killed");
    await using victim = await site("killed");
    await using history = await recordHistory(harness.client);
    let kubelet = await victim.start();
    await harness.nodeIsReady("killed");
    const churn = new Churn({
      client: harness.client,
      node: "killed",
      random,
      prefix: "kill",
      pods: 160,
      jobs: 20,
      durationMs: 35_000,
      scheduler: true,
    });
    const kill = async (): Promise<void> => {
      for (let times = 1; times <= 8; times++) {
        // From within its start to some seconds of work.
        await sleep(between(random, 800, 6000));
        await kubelet.kill("SIGKILL");
        await sleep(between(random, 0, 1000));
        kubelet = await victim.start();
      }
    };
    await together(churn.run(), kill());
    await churn.settle(60_000);
    await bothSidesAgree(harness.client, victim.backend, "killed", 20_000);

    // Once more, with nothing to do: what has ended is left alone.
    const before = await ended("killed");
    assert.ok(before.size >= 40, `${before.size} pods have ended`);
    await kubelet.kill("SIGKILL");
    kubelet = await victim.start();
    await eventually("registered again", 20_000, async () => (await kubelet.logTail()).includes('"registered"'));
    await sleep(3000);
    assert.deepEqual(await ended("killed"), before);
    await bothSidesAgree(harness.client, victim.backend, "killed", 10_000);

    noFaults("started twice", startedTwice(await victim.process.journal()));
    noFaults("history", history.faults());
    await kubelet.kill("SIGTERM");
    assert.deepEqual(await kubelet.ended, { code: 0, signal: null }, await kubelet.logTail());
  });

  it("the API server, three times: nothing fails or restarts for it, and the node is Ready again soon", async () => {
    const random = seededRandom("API server killed");
    await using bystander = await site("bystander");
    const kubelet = await bystander.start();
    await harness.nodeIsReady("bystander");
    await using history = await recordHistory(harness.client);
    const churn = new Churn({
      client: harness.client,
      node: "bystander",
      random,
      prefix: "outage",
      pods: 80,
      jobs: 5,
      durationMs: 30_000,
      scheduler: false,
    });
    const kill = async (): Promise<void> => {
      for (let times = 1; times <= 3; times++) {
        await sleep(between(random, 1000, 4000));
        await harness.cluster.killApiServer();
        await sleep(between(random, 0, 3000));
        await harness.cluster.startApiServer();
        await backSoon("bystander", Date.now());
      }
    };
    await together(churn.run(), kill());
    await churn.settle(60_000);
    await bothSidesAgree(harness.client, bystander.backend, "bystander", 20_000);
    noFaults("started twice", startedTwice(await bystander.process.journal()));
    noFaults("history", history.faults());
    assert.ok(kubelet.running);
    await kubelet.kill("SIGTERM");
  });
});
