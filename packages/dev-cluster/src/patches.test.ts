import assert from "node:assert/strict";
import { test } from "node:test";
import { apiData } from "./api-data.ts";
import { apply } from "./apply.ts";
import type { JsonObject } from "./json.ts";
import { list, object, text } from "./json.ts";
import { jsonPatch, mergePatch } from "./patches.ts";
import { namedSchema } from "./schema.ts";
import { strategicMergeObject } from "./strategic-merge.ts";

const pod = namedSchema("io.k8s.api.core.v1.Pod");
const containers = (...items: JsonObject[]): JsonObject => ({ spec: { containers: items } });
const a = { name: "a", image: "1" };
const b = { name: "b", image: "1" };

const strategic: readonly (readonly [string, JsonObject, JsonObject, JsonObject])[] = [
  [
    "items merge by their key",
    containers(a, b),
    containers({ name: "b", image: "2" }),
    containers(a, { ...b, image: "2" }),
  ],
  ["new items go to the end", containers(a), containers(b), containers(a, b)],
  ["an item is deleted by directive", containers(a, b), containers({ name: "a", $patch: "delete" }), containers(b)],
  ["a list is replaced by directive", containers(a), containers({ $patch: "replace" }, b), containers(b)],
  [
    "null deletes",
    { metadata: { labels: { x: "1", y: "2" } } },
    { metadata: { labels: { x: null } } },
    { metadata: { labels: { y: "2" } } },
  ],
  [
    "the order is set",
    containers(a, b),
    { spec: { "$setElementOrder/containers": [{ name: "b" }, { name: "a" }] } },
    containers(b, a),
  ],
  [
    "primitives are deleted by directive",
    { metadata: { finalizers: ["x", "y"] } },
    { metadata: { "$deleteFromPrimitiveList/finalizers": ["x"], finalizers: ["z"] } },
    { metadata: { finalizers: ["y", "z"] } },
  ],
  [
    "lists without a key are replaced",
    containers({ name: "a", args: ["1", "2"] }),
    containers({ name: "a", args: ["3"] }),
    containers({ name: "a", args: ["3"] }),
  ],
  [
    "only retained keys stay",
    { spec: { volumes: [{ name: "v", emptyDir: {} }] } },
    { spec: { volumes: [{ name: "v", $retainKeys: ["name", "secret"], secret: { secretName: "s" } }] } },
    { spec: { volumes: [{ name: "v", secret: { secretName: "s" } }] } },
  ],
];
for (const [what, target, patch, wanted] of strategic) {
  test(`strategic merge: ${what}`, () => assert.deepEqual(strategicMergeObject(target, patch, pod), wanted));
}

test("strategic merge refuses directives that it does not know", () => {
  assert.deepEqual(strategicMergeObject(containers(a), containers({ ...a, $patch: "merge" }), pod), containers(a));
  for (const patch of [containers({ ...a, $patch: "remove" }), { spec: { $patch: "remove" } }])
    assert.throws(() => strategicMergeObject(containers(a), patch, pod), { code: 400, message: /directive "remove"/ });
});

test("merge patch replaces lists and deletes by null", () => {
  assert.deepEqual(mergePatch({ a: [1, 2], b: { c: 1, d: 2 } }, { a: [3], b: { c: null } }), { a: [3], b: { d: 2 } });
});

test("JSON patch does its operations in order, or none", () => {
  const patched = jsonPatch({ a: [1, 2], "x/y": 1 }, [
    { op: "test", path: "/a/0", value: 1 },
    { op: "add", path: "/a/-", value: 3 },
    { op: "remove", path: "/a/0" },
    { op: "replace", path: "/x~1y", value: 2 },
    { op: "copy", from: "/a", path: "/b" },
    { op: "move", from: "/x~1y", path: "/c" },
  ]);
  assert.deepEqual(patched, { a: [2, 3], b: [2, 3], c: 2 });
  assert.throws(() => jsonPatch({ a: 1 }, [{ op: "test", path: "/a", value: 2 }]), { code: 422 });
  assert.throws(() => jsonPatch({}, [{ op: "remove", path: "/nothing" }]), { code: 422 });
});

function applied(current: JsonObject, document: JsonObject, manager: string, force = false): JsonObject {
  const resource = apiData().resources.find(({ key }) => key === "pods");
  assert.ok(resource);
  return apply({ resource, current, document, manager, force, subresource: "", time: 0 });
}

test("apply: what a manager applies no more goes, others' stays", () => {
  const one = applied({}, { metadata: { name: "p", labels: { mine: "1", too: "1" } }, ...containers(a) }, "one");
  const two = applied(one, { metadata: { name: "p", labels: { other: "2" } }, ...containers(b) }, "two");
  const again = applied(two, { metadata: { name: "p", labels: { mine: "1" } } }, "one");
  assert.deepEqual(object(again, "metadata", "labels"), { mine: "1", other: "2" });
  assert.deepEqual(list(again, "spec", "containers"), [b]);
});

test("apply: another manager's value is a conflict, unless it is taken over", () => {
  const one = applied({}, { metadata: { labels: { x: "1" } } }, "one");
  const wish = { metadata: { labels: { x: "2" } } };
  assert.throws(() => applied(one, wish, "two"), {
    code: 409,
    message: 'Apply failed with 1 conflict: conflict with "one": .metadata.labels.x',
  });
  const taken = applied(one, wish, "two", true);
  assert.equal(text(taken, "metadata", "labels", "x"), "2");
  // It owns it no more.
  assert.equal(text(applied(taken, {}, "one"), "metadata", "labels", "x"), "2");
});
