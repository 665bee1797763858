// Deployments, Jobs and StatefulSets of a real controller manager, on virtual nodes chosen by a real scheduler.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  deployments,
  jobs,
  nodes,
  pods,
  type Stored,
  statefulSets,
} from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { everyState } from "../packages/virtual-kubelet/src/testing/every-state.ts";
import {
  eventually,
  type Harness,
  isReady,
  isRunning,
  podTemplate,
  type RunningKubelet,
  startHarness,
} from "./harness.ts";
import { type MockNode, mockNode } from "./mock-node.ts";

let harness: Harness;
let node: MockNode;
let kubelet: RunningKubelet;

before(async () => {
  harness = await startHarness();
  node = await mockNode("workloads");
  kubelet = await harness.kubelet([node]);
});
after(async () => {
  await using _harness = harness;
  await kubelet?.stop();
});

/** Other tests' nodes come and go. */
const here = { "kubernetes.io/hostname": "workloads" };
const restarts = (pod: Pod): number => pod.status?.containerStatuses?.[0]?.restartCount ?? 0;

describe("workloads", { concurrency: true, timeout: 900_000 }, () => {
  it("runs a Deployment of 50, and nothing of it is left after scaling to 5 and to 0", async () => {
    const labels = { app: "fifty" };
    await harness.client.create(deployments, {
      metadata: { name: "fifty", namespace: "default" },
      spec: {
        replicas: 50,
        selector: { matchLabels: labels },
        template: podTemplate({ labels, spec: { nodeSelector: here } }),
      },
    });
    await harness.kubectl("rollout", "status", "deployment/fifty", "--timeout=300s");
    const running = await harness.list(pods, "app=fifty");
    assert.equal(running.length, 50);
    assert.ok(running.every((pod) => isRunning(pod) && isReady(pod) && pod.spec?.nodeName === "workloads"));
    assert.equal(new Set(running.map((pod) => pod.status?.podIP)).size, 50);
    const onBackend = (): string[] =>
      node.backend
        .list()
        .filter(({ owner }) => owner.name.startsWith("fifty-"))
        .map(({ owner }) => owner.uid)
        .sort();
    for (const replicas of [5, 0]) {
      await harness.kubectl("scale", "deployment/fifty", `--replicas=${replicas}`);
      await eventually(`${replicas} pods in the API and the same on the backend`, 30_000, async () => {
        const left = (await harness.list(pods, "app=fifty")).map(({ metadata }) => metadata.uid).sort();
        return left.length === replicas && left.join() === onBackend().join();
      });
    }
    const creates = node.backend.creates.filter(({ name }) => name.startsWith("fifty-"));
    assert.equal(creates.length, 50);
    assert.ok(creates.every(({ outcome }) => outcome === "created"));
  });

  it("completes a Job of six, two at a time", async () => {
    const template = podTemplate({ mock: { "run-time": "1s" }, spec: { nodeSelector: here, restartPolicy: "Never" } });
    const spec = { completions: 6, parallelism: 2, template };
    await harness.client.create(jobs, { metadata: { name: "six", namespace: "default" }, spec });
    let most = 0;
    const over = new AbortController();
    const options = { namespace: "default", fieldSelector: "metadata.name=six", signal: over.signal };
    const watched = everyState(harness.client, jobs, options, ({ object: { status } }) => {
      most = Math.max(most, status?.active ?? 0);
      if (status?.completionTime !== undefined) over.abort();
    });
    const done = await harness.until("complete", jobs, "six", 60_000, ({ status }) => status?.succeeded === 6);
    await watched;
    assert.equal(most, 2);
    assert.equal(done.status?.failed ?? 0, 0);
    const ended = await harness.list(pods, "job-name=six");
    assert.deepEqual(
      ended.map((pod) => [pod.status?.phase, pod.status?.containerStatuses?.[0]?.state?.terminated?.reason]),
      Array.from({ length: 6 }, () => ["Succeeded", "Completed"]),
    );
  });

  it("ends the pods of a Job that is deleted while they run", async () => {
    const template = podTemplate({ spec: { nodeSelector: here, restartPolicy: "Never" } });
    const spec = { completions: 3, parallelism: 3, template };
    await harness.client.create(jobs, { metadata: { name: "endless", namespace: "default" }, spec });
    await harness.until("three run", jobs, "endless", 30_000, (job) => job.status?.ready === 3);
    await harness.kubectl("delete", "job", "endless", "--cascade=foreground", "--timeout=300s");
    assert.deepEqual(await harness.list(pods, "job-name=endless"), []);
    assert.ok(!node.backend.list().some(({ owner }) => owner.name.startsWith("endless-")));
  });

  it("fails a Job whose pods fail more often than backoffLimit", async () => {
    const template = podTemplate({
      mock: { "run-time": "200ms", "exit-code": "3" },
      spec: { nodeSelector: here, restartPolicy: "Never" },
    });
    const spec = { backoffLimit: 1, template };
    await harness.client.create(jobs, { metadata: { name: "failing", namespace: "default" }, spec });
    await harness.kubectl("wait", "--for=condition=Failed", "job/failing", "--timeout=300s");
    const job = await harness.find(jobs, "failing");
    assert.equal(job?.status?.failed, 2);
    assert.equal(job?.status?.conditions?.find(({ type }) => type === "Failed")?.reason, "BackoffLimitExceeded");
    for (const pod of await harness.list(pods, "job-name=failing")) {
      assert.equal(pod.status?.phase, "Failed");
      const { exitCode, reason } = pod.status.containerStatuses?.[0]?.state?.terminated ?? {};
      assert.deepEqual([exitCode, reason], [3, "Error"]);
    }
  });

  it("completes a Job whose container crashes twice first, and tells its restarts", async () => {
    const mock = { "run-time": "300ms", "fail-times": "2", "restart-delay": "2s" };
    const template = podTemplate({ mock, spec: { nodeSelector: here, restartPolicy: "OnFailure" } });
    await harness.client.create(jobs, { metadata: { name: "crashing", namespace: "default" }, spec: { template } });
    const seen = new Set<string>();
    const over = new AbortController();
    const watched = harness.watchPods("job-name=crashing", over.signal, ({ status }) =>
      seen.add(`${status?.phase} ${status?.containerStatuses?.[0]?.state?.waiting?.reason}`),
    );
    await harness.until("complete", jobs, "crashing", 60_000, (job) => job.status?.succeeded === 1);
    over.abort();
    await watched;
    assert.ok(seen.has("Running CrashLoopBackOff"), [...seen].join());
    const [pod, ...others] = await harness.list(pods, "job-name=crashing");
    assert.ok(pod !== undefined && others.length === 0);
    assert.equal(restarts(pod), 2);
    assert.equal(pod.status?.phase, "Succeeded");
    assert.equal(pod.status.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 1);
    assert.equal((await harness.find(jobs, "crashing"))?.status?.failed ?? 0, 0);
  });

  it("brings pods of a StatefulSet back under their names, and never runs two of one name", async () => {
    const labels = { app: "db" };
    const mock = { "terminate-delay": "700ms" };
    await harness.client.create(statefulSets, {
      metadata: { name: "db", namespace: "default" },
      spec: {
        replicas: 3,
        serviceName: "db",
        selector: { matchLabels: labels },
        template: podTemplate({ labels, mock, spec: { nodeSelector: here } }),
      },
    });
    const allReady = async (not: readonly string[] = []): Promise<readonly Stored<Pod>[]> =>
      eventually(`three ready pods other than ${not.join()}`, 40_000, async () => {
        const found = await harness.list(pods, "app=db");
        const good = (pod: Stored<Pod>): boolean => isReady(pod) && !not.includes(pod.metadata.uid);
        return found.length === 3 && found.every(good) && found;
      });
    const uids = (found: readonly Stored<Pod>[]): string[] => found.map(({ metadata }) => metadata.uid);
    const names = ["db-0", "db-1", "db-2"];
    let [most, watching] = [0, true];
    const watch = (async () => {
      while (watching) {
        for (const name of names) most = Math.max(most, node.backend.running(name).length);
        await sleep(10);
      }
    })();
    const first = await allReady();
    assert.deepEqual(first.map(({ metadata }) => metadata.name).sort(), names);
    await harness.kubectl("delete", "pods", "-l", "app=db", "--wait=false");
    const second = await allReady(uids(first));
    assert.deepEqual(second.map(({ metadata }) => metadata.name).sort(), names);
    watching = false;
    await watch;
    // Deleted with grace, the old one has ended before there is a new one of its name.
    assert.equal(most, 1);

    await harness.kubectl("delete", "pods", "-l", "app=db", "--force", "--grace-period=0", "--wait=false");
    const third = await allReady([...uids(first), ...uids(second)]);
    await eventually("only the newest run on the backend", 15_000, () =>
      names.every(
        (name) =>
          node.backend.running(name).join() === third.find(({ metadata }) => metadata.name === name)?.metadata.uid,
      ),
    );
    const creates = node.backend.creates.filter(({ name }) => names.includes(name));
    assert.equal(creates.length, 9);
    assert.ok(creates.every(({ outcome }) => outcome === "created"));
    const stopped = node.backend.deletes.filter(({ uid }) => uids(second).includes(uid));
    assert.ok(uids(second).every((uid) => stopped.some((each) => each.uid === uid)));
  });

  it("drains a node as far as a PodDisruptionBudget allows, and to the end as pods come up elsewhere", async () => {
    const pool = { pool: "drained" };
    const [old, other] = [
      await mockNode("drain-0", { node: { labels: pool } }),
      await mockNode("drain-1", { node: { labels: pool } }),
    ];
    await using _ = await harness.kubelet([old, other]);
    await harness.kubectl("cordon", "drain-1");
    const labels = { app: "guarded" };
    await harness.apply({
      apiVersion: "policy/v1",
      kind: "PodDisruptionBudget",
      metadata: { name: "guarded", namespace: "default" },
      spec: { minAvailable: 2, selector: { matchLabels: labels } },
    });
    await harness.client.create(deployments, {
      metadata: { name: "guarded", namespace: "default" },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: podTemplate({ labels, spec: { nodeSelector: pool } }),
      },
    });
    await harness.kubectl("rollout", "status", "deployment/guarded", "--timeout=300s");
    const [victim] = await harness.list(pods, "app=guarded");
    assert.ok(victim !== undefined);
    const evict = (): Promise<unknown> =>
      harness.client.createSubresource(
        pods,
        { name: victim.metadata.name, namespace: "default" },
        "eviction",
        {
          apiVersion: "policy/v1",
          kind: "Eviction",
          metadata: { name: victim.metadata.name, namespace: "default" },
        },
        // It is told to wait for ten.
        { timeoutMs: 9000 },
      );
    await assert.rejects(evict(), (error: Error) => error.message.includes("disruption budget"));
    const refused = await harness.cluster.kubectl("drain", "drain-0", "--ignore-daemonsets", "--timeout=5s");
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /Cannot evict pod as it would violate the pod's disruption budget/);
    assert.equal((await harness.list(pods, "app=guarded")).filter((pod) => isReady(pod)).length, 2);

    await harness.kubectl("uncordon", "drain-1");
    await harness.kubectl("scale", "deployment/guarded", "--replicas=3");
    let least = 3;
    const drained = harness.kubectl("drain", "drain-0", "--ignore-daemonsets", "--timeout=300s");
    let over = false;
    void drained
      .finally(() => {
        over = true;
      })
      .catch(() => undefined);
    while (!over) {
      least = Math.min(least, (await harness.list(pods, "app=guarded")).filter((pod) => isReady(pod)).length);
      await sleep(20);
    }
    await drained;
    assert.ok(least >= 2, `${least} ready`);
    await harness.kubectl("rollout", "status", "deployment/guarded", "--timeout=300s");
    const after = await harness.list(pods, "app=guarded");
    assert.deepEqual(
      after.map((pod) => pod.spec?.nodeName),
      ["drain-1", "drain-1", "drain-1"],
    );
    await eventually("the drained backend is empty", 10_000, () => old.backend.list().length === 0);
    assert.equal((await harness.find(nodes, "drain-0"))?.spec?.unschedulable, true);
  });
});
