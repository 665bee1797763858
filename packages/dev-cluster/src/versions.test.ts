import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "./api.ts";
import { apiData, type Resource } from "./api-data.ts";
import { ApiError } from "./api-error.ts";
import { bootstrap } from "./bootstrap.ts";
import { type JsonObject, list, number, object, parseJson, text } from "./json.ts";
import { Store } from "./store.ts";
import { shownBy } from "./versions.ts";

function world(): { readonly api: Api; readonly as: (apiVersion: string, name: string) => Resource } {
  const api = new Api({ store: new Store(), now: Date.now });
  bootstrap(api, "");
  const as = (apiVersion: string, name: string): Resource => {
    const found = apiData().resources.find((each) => each.apiVersion === apiVersion && each.name === name);
    assert.ok(found);
    return found;
  };
  return { api, as };
}

const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };
const note = "autoscaling.alpha.kubernetes.io/";

test("an autoscaler of v1 is one of v2, and comes back as it was", () => {
  const { api, as } = world();
  const [older, newer] = ["autoscaling/v1", "autoscaling/v2"].map((each) => as(each, "horizontalpodautoscalers"));
  assert.ok(older && newer?.isStored && !older.isStored);
  const kept = api.create(older, "default", {
    metadata: { name: "a", annotations: { own: "1" } },
    spec: { scaleTargetRef, maxReplicas: 3, targetCPUUtilizationPercentage: 50 },
  });
  assert.equal(kept["apiVersion"], "autoscaling/v2");
  const target = { type: "Utilization", averageUtilization: 50 };
  assert.deepEqual(object(kept, "spec")["metrics"], [{ type: "Resource", resource: { name: "cpu", target } }]);
  const shown = shownBy(older, kept);
  assert.equal(shown["apiVersion"], "autoscaling/v1");
  const spec = { scaleTargetRef, minReplicas: 1, maxReplicas: 3, targetCPUUtilizationPercentage: 50 };
  assert.deepEqual(shown["spec"], spec);
  assert.deepEqual(shown["status"], { currentReplicas: 0, desiredReplicas: 0 });
  assert.deepEqual(object(shown, "metadata", "annotations"), { own: "1" });
  const bare = api.create(older, "default", { metadata: { name: "bare" }, spec: { scaleTargetRef, maxReplicas: 3 } });
  assert.equal(number(shownBy(older, bare), "spec", "targetCPUUtilizationPercentage"), 80, "as v2 has it by default");
});

test("what autoscaling/v1 has no fields for is in annotations, and survives a change by v1", () => {
  const { api, as } = world();
  const older = as("autoscaling/v1", "horizontalpodautoscalers");
  const newer = as("autoscaling/v2", "horizontalpodautoscalers");
  const selector = { matchLabels: { a: "b" } };
  const metrics = [
    { type: "Resource", resource: { name: "memory", target: { type: "AverageValue", averageValue: "5Mi" } } },
    { type: "Pods", pods: { metric: { name: "pm", selector }, target: { type: "AverageValue", averageValue: "5" } } },
    {
      type: "Object",
      object: { describedObject: scaleTargetRef, metric: { name: "om" }, target: { type: "Value", value: "5" } },
    },
    {
      type: "External",
      external: { metric: { name: "em", selector }, target: { type: "AverageValue", averageValue: "7" } },
    },
    {
      type: "ContainerResource",
      containerResource: { name: "cpu", container: "c", target: { type: "Utilization", averageUtilization: 40 } },
    },
    { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 40 } } },
  ];
  const behavior = {
    scaleDown: { stabilizationWindowSeconds: 5, policies: [{ type: "Pods", value: 1, periodSeconds: 5 }] },
  };
  api.create(newer, "default", {
    metadata: { name: "full" },
    spec: { scaleTargetRef, maxReplicas: 3, metrics, behavior },
  });
  const conditions = [{ type: "AbleToScale", status: "True" }];
  const currentMetrics = [
    { type: "Resource", resource: { name: "cpu", current: { averageValue: "5m", averageUtilization: 10 } } },
  ];
  const to = (current: JsonObject): JsonObject => ({
    ...current,
    status: { desiredReplicas: 1, conditions, currentMetrics },
  });
  const before = api.update(newer, "default", "full", { subresource: "status", to });
  const shown = shownBy(older, before);
  assert.equal(number(shown, "spec", "targetCPUUtilizationPercentage"), 40);
  assert.equal(number(shown, "status", "currentCPUUtilizationPercentage"), 10);
  const annotations = object(shown, "metadata", "annotations");
  const said = (name: string): JsonObject => object(parseJson(`{"it":${text(annotations, `${note}${name}`)}}`));
  assert.deepEqual(list(said("metrics"), "it").slice(0, 4), [
    { type: "Resource", resource: { name: "memory", targetAverageValue: "5Mi" } },
    { type: "Pods", pods: { metricName: "pm", selector, targetAverageValue: "5" } },
    { type: "Object", object: { metricName: "om", target: scaleTargetRef, targetValue: "5" } },
    { type: "External", external: { metricName: "em", metricSelector: selector, targetAverageValue: "7" } },
  ]);
  const down = { StabilizationWindowSeconds: 5, SelectPolicy: "Max", Tolerance: null };
  const policies = [{ Type: "Pods", Value: 1, PeriodSeconds: 5 }];
  assert.deepEqual(object(said("behavior"), "it")["ScaleDown"], { ...down, Policies: policies });

  const grown = (current: JsonObject): JsonObject => ({
    ...current,
    spec: { ...object(current, "spec"), maxReplicas: 4 },
  });
  const after = api.update(older, "default", "full", { to: grown });
  assert.deepEqual(after["spec"], { ...object(before, "spec"), maxReplicas: 4 });
  assert.deepEqual(after["status"], before["status"]);
  assert.deepEqual(object(after, "metadata")["annotations"], undefined);
});

const refused = (fields: readonly string[]) => (error: unknown) => {
  assert.ok(error instanceof ApiError && error.code === 422, String(error));
  assert.deepEqual(
    list(error.status(), "details", "causes").map((each) => text(each, "field")),
    fields,
  );
  return true;
};

test("events of both groups are the same ones, and each group has its own rules", () => {
  const { api, as } = world();
  const [core, newer] = [as("v1", "events"), as("events.k8s.io/v1", "events")];
  const regarding = { kind: "Pod", namespace: "default", name: "p" };
  const source = { component: "c" };
  const kept = api.create(core, "default", {
    metadata: { name: "old" },
    involvedObject: regarding,
    reason: "Why",
    message: "said",
    type: "Normal",
    count: 2,
    source,
  });
  const { metadata: _, ...shown } = shownBy(newer, kept);
  assert.deepEqual(shown, {
    kind: "Event",
    apiVersion: "events.k8s.io/v1",
    regarding,
    reason: "Why",
    note: "said",
    type: "Normal",
    deprecatedCount: 2,
    deprecatedSource: source,
    deprecatedFirstTimestamp: null,
    deprecatedLastTimestamp: null,
    eventTime: null,
  });
  assert.throws(() => api.create(newer, "default", { metadata: { name: "bad" } }), refused(["eventTime", "type"]));
  const made = api.create(newer, "default", {
    metadata: { name: "new" },
    eventTime: "2026-01-01T00:00:00.000001Z",
    reportingController: "example.com/c",
    reportingInstance: "c-1",
    action: "Did",
    reason: "Why",
    type: "Normal",
    note: "said",
    regarding,
  });
  assert.equal(text(made, "reportingComponent"), "example.com/c");
  assert.deepEqual([text(made, "message"), made["involvedObject"], made["apiVersion"]], ["said", regarding, "v1"]);
  const other = (current: JsonObject): JsonObject => ({ ...current, note: "other" });
  assert.throws(() => api.update(newer, "default", "new", { to: other }), refused(["message"]));
  const series = { count: 3, lastObservedTime: "2026-01-01T00:00:00.000002Z" };
  const counted = api.update(newer, "default", "new", { to: (current) => ({ ...current, series }) });
  assert.deepEqual(counted["series"], series);
});
