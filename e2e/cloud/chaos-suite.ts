// A cloud's worst night, the same for every provider: the program killed during churn, calls throttled, the region down, credentials
// expired. At the end the service's own books are compared: none lost, none doubled, none leaked. Containers are simulated.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { pods } from "../../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod } from "../../packages/virtual-kubelet/src/kube/types.gen.ts";
import { between, persist, seededRandom } from "../chaos.ts";
import { eventually, isReady, podObject, podTemplate, throughout } from "../harness.ts";
import { CloudBench, type CloudWorld, cloudNode } from "./world.ts";

const patience = 180_000;

export function cloudChaosSuite(name: string, start: () => Promise<CloudWorld>): void {
  describe(`chaos on ${name}`, { timeout: 900_000, concurrency: 1 }, () => {
    let bench: CloudBench;
    before(async () => {
      bench = await CloudBench.start(await start());
    });
    after(async () => {
      await bench?.[Symbol.asyncDispose]();
    });

    const resources = { requests: { cpu: "250m", memory: "512Mi" } };
    const pod = (podName: string, image: string): Pod =>
      podObject(podName, {
        spec: {
          ...{ nodeName: cloudNode, restartPolicy: "Never", terminationGracePeriodSeconds: 1 },
          containers: [{ name: "main", image, resources }],
        },
      });

    /** Every pod that there is has one group, and every live group has a pod. */
    async function booksAreRight(): Promise<void> {
      const found = await bench.harness.list(pods);
      const uids = new Set(found.map(({ metadata }) => metadata.uid));
      const books = bench.world.books();
      assert.deepEqual(
        books.filter(({ uid }) => !uids.has(uid)),
        [],
        "leaked",
      );
      const twice = books.filter(({ uid }, index) => books.findIndex((other) => other.uid === uid) !== index);
      assert.deepEqual(twice, [], "doubled");
      assert.deepEqual(
        [...bench.world.made()].filter(([, times]) => times > 1),
        [],
        "made more than once",
      );
    }

    it("SIGKILL at random moments of a hundred pods' churn: none lost, none doubled, none leaked", async () => {
      const random = seededRandom(`${name}, churn`);
      const ends = new Map<string, "Running" | "Succeeded" | "Failed" | "gone">();
      const lives = Array.from({ length: 100 }, async (_, index) => {
        const podName = `churn-${index}`;
        const lot = random();
        await sleep(between(random, 0, 30_000));
        const image = lot < 0.25 ? "exit-0" : lot < 0.4 ? "exit-3" : "runs";
        await persist(() => bench.harness.client.create(pods, pod(podName, image)));
        if (lot < 0.25) ends.set(podName, "Succeeded");
        else if (lot < 0.4) ends.set(podName, "Failed");
        else if (lot < 0.7) ends.set(podName, "Running");
        else {
          ends.set(podName, "gone");
          await sleep(between(random, 0, 8000));
          await persist(() => bench.harness.client.delete(pods, { name: podName, namespace: "default" }));
        }
      });
      const all = Promise.all(lives);
      for (let kill = 0; kill < 5; kill += 1) {
        await sleep(between(random, 2000, 7000));
        await bench.program?.kill("SIGKILL");
        await bench.begin();
      }
      await all;
      let faults: string[] = [];
      await eventually("all as they should be", patience, async () => {
        const found = await bench.harness.list(pods);
        faults = [...ends].flatMap(([podName, end]) => {
          const phase = found.find(({ metadata }) => metadata.name === podName)?.status?.phase ?? "gone";
          return phase === end ? [] : [`${podName} is ${phase}, not ${end}`];
        });
        return faults.length === 0;
      }).catch((error: unknown) => assert.fail(`${String(error)}\n${faults.join("\n")}`));
      await eventually("the books are right", 60_000, async () => {
        await booksAreRight();
        return true;
      });
      const failed = (await bench.harness.list(pods)).filter(({ status }) => status?.phase === "Failed");
      for (const { status } of failed)
        assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 3, JSON.stringify(status));
      await bench.clean();
    });

    it("one call a second is enough, and no pod fails for it", async () => {
      bench.world.throttle(1);
      try {
        await bench.harness.apply({
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata: { name: "slow", namespace: "default" },
          spec: {
            replicas: 5,
            selector: { matchLabels: { app: "slow" } },
            template: podTemplate({
              labels: { app: "slow" },
              spec: { containers: [{ name: "main", image: "runs", resources }] },
            }),
          },
        });
        await eventually("all ready", patience, async () => {
          const found = await bench.harness.list(pods, "app=slow");
          assert.deepEqual(
            found.filter(({ status }) => status?.phase === "Failed").map(({ metadata }) => metadata.name),
            [],
          );
          return found.filter(isReady).length === 5;
        });
        assert.ok(await bench.isNodeReady());
      } finally {
        bench.world.throttle(undefined);
      }
      await booksAreRight();
    });

    it("the region is down for a minute: no pod fails, and all goes on when it is back", async () => {
      bench.world.down(true);
      try {
        await bench.harness.apply(pod("meanwhile", "runs"));
        await throughout("no pod fails", 60_000, async () => {
          const found = await bench.harness.list(pods);
          return found.every(({ status }) => status?.phase !== "Failed" && status?.phase !== "Succeeded");
        });
      } finally {
        bench.world.down(false);
      }
      await bench.harness.untilPod("runs", "meanwhile", patience, isReady);
      await eventually("the node is ready", patience, () => bench.isNodeReady());
      await eventually("all ready", patience, async () => (await bench.harness.list(pods)).every(isReady));
      await booksAreRight();
    });

    it("credentials expire and are renewed: nothing is lost meanwhile", async () => {
      bench.world.credentials(false);
      try {
        await bench.harness.apply(pod("later", "runs"));
        await throughout("no pod fails", 15_000, async () => {
          const found = await bench.harness.list(pods);
          return found.every(({ status }) => status?.phase !== "Failed" && status?.phase !== "Succeeded");
        });
      } finally {
        bench.world.credentials(true);
      }
      await bench.harness.untilPod("runs", "later", patience, isReady);
      await booksAreRight();
      await bench.clean();
    });
  });
}
