import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldMatcher, labelMatcher, selects } from "./selectors.ts";

const pods = { selectable: { "spec.nodeName": "", "status.phase": "" } };
const labels = { app: "web", tier: "front" };
const cases: readonly (readonly [string, boolean])[] = [
  ["", true],
  ["app=web", true],
  ["app==web,tier=front", true],
  ["app!=web", false],
  ["missing!=x", true],
  ["app in (web, api)", true],
  ["app notin (web,api)", false],
  ["app", true],
  ["!app", false],
  ["!missing, app", true],
  ["app in (api),tier=front", false],
];
for (const [selector, wanted] of cases) {
  test(`labels ${JSON.stringify(selector)}`, () => {
    assert.equal(labelMatcher(selector)({ metadata: { labels } }), wanted);
  });
}

test("what is no selector is refused", () => {
  for (const selector of ["a=b,", "=", "a in b"]) assert.throws(() => labelMatcher(selector), { code: 400 });
  assert.throws(() => fieldMatcher("spec.foo=1", pods), {
    code: 400,
    message: "field label not supported: spec.foo",
  });
});

test("fields", () => {
  const pod = { metadata: { name: "a", namespace: "n" }, spec: { nodeName: "x" }, status: { phase: "Running" } };
  assert.ok(fieldMatcher("spec.nodeName=x,status.phase!=Failed", pods)(pod));
  assert.ok(!fieldMatcher("spec.nodeName=", pods)(pod));
  assert.ok(
    fieldMatcher("spec.unschedulable=false", { selectable: { "spec.unschedulable": "false" } })({
      metadata: {},
      spec: {},
    }),
  );
});

test("selectors of workloads: an absent one selects nothing, an empty one all", () => {
  assert.equal(selects(undefined, labels), false);
  assert.equal(selects({}, labels), true);
  assert.equal(selects({ matchExpressions: [{ key: "app", operator: "In", values: ["web"] }] }, labels), true);
  assert.equal(
    selects({ matchLabels: { app: "web" }, matchExpressions: [{ key: "app", operator: "DoesNotExist" }] }, labels),
    false,
  );
});
