import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "../api.ts";
import { bootstrap } from "../bootstrap.ts";
import { conditionOf } from "../conditions.ts";
import { type JsonObject, list, merge, number, put, text } from "../json.ts";
import { Store } from "../store.ts";
import { autoscalers } from "./autoscalers.ts";

const key = "horizontalpodautoscalers.autoscaling";

/** An autoscaler from 1 to 10 at half of the cpu that is asked for, of a Deployment whose pods use so many millicores each. */
function world(replicas: number, spec: JsonObject = {}) {
  let time = Date.parse("2026-01-01T00:00:00Z");
  let use: readonly number[] = [];
  const scaled = (to: number): void =>
    void api.update(api.resource("deployments.apps"), "default", "web", {
      to: (now) => put(now, ["spec", "replicas"], to),
    });
  let meanwhile = (): void => undefined;
  const store = new Store();
  const api = new Api({ store, now: () => time });
  bootstrap(api, "");
  const template = { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "i" }] } };
  const selector = { matchLabels: { app: "web" } };
  api.create(api.resource("deployments.apps"), "default", {
    metadata: { name: "web" },
    spec: { replicas, selector, template },
  });
  const metrics = [
    { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } } },
  ];
  const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };
  api.create(api.resource(key), "default", {
    metadata: { name: "web" },
    spec: { scaleTargetRef, maxReplicas: 10, metrics, ...spec },
  });
  const controller = autoscalers(api, async (pods) => {
    await Promise.resolve();
    meanwhile();
    return new Map(
      pods.flatMap((pod, index) =>
        use[index] === undefined ? [] : [[text(pod, "metadata", "uid"), { cpu: use[index] / 1000, memory: 0 }]],
      ),
    );
  });
  return {
    scaled,
    /** What somebody does while the pods are measured. */
    meanwhile(does: () => void): void {
      meanwhile = does;
    },
    limits(spec: JsonObject): void {
      api.update(api.resource(key), "default", "web", { to: (now) => merge(now, ["spec"], spec) });
    },
    /** Replicas that are wanted then, with this use of the pods that there are. */
    async looks(
      millicores: readonly number[],
      pods = millicores.length,
      request: JsonObject = { cpu: "100m" },
    ): Promise<number | undefined> {
      use = millicores;
      for (let index = 0; index < 20; index++) store.remove("pods", "default", `p${index + 10}`);
      for (let index = 0; index < pods; index++) {
        store.write("pods", {
          metadata: { name: `p${index + 10}`, namespace: "default", uid: `${index}`, labels: { app: "web" } },
          spec: { containers: [{ name: "c", resources: { requests: request } }] },
        });
      }
      await controller.sync("default/web");
      return number(store.get("deployments.apps", "default", "web"), "spec", "replicas");
    },
    later(seconds: number): void {
      time += seconds * 1000;
    },
    scaler: (): JsonObject => api.get(api.resource(key), "default", "web"),
    events: (): readonly string[] => store.list("events", "default").map((each) => text(each, "message")),
  };
}

test("more pods where they use more than the target, at most four or twice as many at once, and up to the limit", async () => {
  const { looks, scaler, events } = world(2);
  assert.equal(await looks([100, 100]), 4);
  assert.deepEqual(events(), ["New size: 4; reason: cpu resource utilization (percentage of request) above target"]);
  assert.equal(number(scaler(), "status", "desiredReplicas"), 4);
  const [metric] = list(scaler(), "status", "currentMetrics");
  assert.equal(number(metric, "resource", "current", "averageUtilization"), 100);
  assert.equal(await looks([500, 500, 500, 500]), 8);
  assert.equal(await looks(Array.from({ length: 8 }, () => 500)), 10);
});

test("near the target nothing is done, and new pods that nothing is known of use nothing", async () => {
  const { looks } = world(2);
  assert.equal(await looks([54, 54]), 2);
  assert.equal(await looks([100, 100], 4), 2);
});

test("fewer pods only once fewer were wanted for five minutes, and never fewer than the least", async () => {
  const { looks, later } = world(4, { minReplicas: 2 });
  assert.equal(await looks([50, 50, 50, 50]), 4);
  later(15);
  assert.equal(await looks([5, 5, 5, 5]), 4);
  later(290);
  assert.equal(await looks([5, 5, 5, 5]), 2);
});

test("what cannot be known is said in a condition", async () => {
  const { looks, scaler } = world(1);
  assert.equal(await looks([], 1), 1);
  assert.match(text(conditionOf(scaler(), "ScalingActive"), "message"), /no metrics returned/);
  assert.equal(await looks([10], 1, {}), 1);
  assert.match(text(conditionOf(scaler(), "ScalingActive"), "message"), /missing request for cpu in Pod p10/);
});

test("where there are fewer or more than its limits allow, nothing needs to be known", async () => {
  const { looks, limits, events, later } = world(4, { minReplicas: 2 });
  assert.equal(await looks([50, 50, 50, 50]), 4);
  later(15);
  limits({ maxReplicas: 3 });
  assert.equal(await looks([], 4), 3);
  limits({ minReplicas: 5, maxReplicas: 9 });
  assert.equal(await looks([], 3), 5);
  assert.deepEqual(events().toSorted(), [
    "New size: 3; reason: Current number of replicas above Spec.MaxReplicas",
    "New size: 5; reason: Current number of replicas below Spec.MinReplicas",
  ]);
});

test("one that is new keeps as many as there are for five minutes", async () => {
  const { looks, later } = world(4);
  assert.equal(await looks([5, 5, 5, 5]), 4);
  later(310);
  assert.equal(await looks([5, 5, 5, 5]), 1);
});

test("who scales while pods are measured has the last word", async () => {
  const { looks, scaled, meanwhile } = world(2);
  meanwhile(() => scaled(0));
  assert.equal(await looks([100, 100]), 0);
});
