import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { goOwnerOf, ownerOf, ownerTags, revisionOf } from "./owner-tags.ts";

const owner = { cluster: "c-1", node: "n1", namespace: "shop", name: "web-0", uid: "u-1" };
const goTags = { PodName: "web-0", NodeName: "n1", Namespace: "shop", UID: "u-1", CreationTimestamp: "2026-01-01" };

test("tags have fixed keys, also for clouds whose keys hold no slash", () => {
  assert.deepEqual(ownerTags(owner, "r1"), {
    "virtual-kubelet.io/cluster": "c-1",
    "virtual-kubelet.io/node": "n1",
    "virtual-kubelet.io/namespace": "shop",
    "virtual-kubelet.io/name": "web-0",
    "virtual-kubelet.io/uid": "u-1",
    "virtual-kubelet.io/revision": "r1",
  });
  assert.equal(ownerTags(owner, "r1", { separator: "." })["virtual-kubelet.io.uid"], "u-1");
});

test("an owner comes back whole, or not at all", () => {
  const name = fc.string({ minLength: 1, maxLength: 253 });
  const parts = { cluster: name, node: name, namespace: name, name, uid: name };
  const owners = fc.record(parts, { noNullPrototype: true });
  const separators = fc.constantFrom("/", ".", "_");
  fc.assert(
    fc.property(owners, name, separators, fc.nat(4), (each, revision, separator, missing) => {
      const tags: Record<string, string> = ownerTags(each, revision, { separator });
      assert.deepEqual(ownerOf({ ...tags, other: "x" }, { separator }), each);
      assert.equal(revisionOf(tags, { separator }), revision);
      const loud = Object.fromEntries(Object.entries(tags).map(([key, value]) => [key.toUpperCase(), value]));
      assert.deepEqual(ownerOf(loud, { separator }), each);
      const key = Object.keys(tags)[missing] ?? "";
      assert.equal(ownerOf({ ...tags, [key]: undefined }, { separator }), undefined);
      assert.equal(ownerOf({ ...tags, [key]: "" }, { separator }), undefined);
    }),
  );
  assert.equal(ownerOf({}), undefined);
  assert.equal(revisionOf({}), undefined);
});

test("what a Go provider made for this node is known, without its cluster", () => {
  const us = { node: "n1", cluster: "here" };
  assert.deepEqual(goOwnerOf(goTags, us), { owner: { ...owner, cluster: "here" }, clusterUnknown: true });
  assert.equal(goOwnerOf(goTags, { ...us, node: "n2" }), undefined);
  for (const key of ["PodName", "NodeName", "Namespace", "UID"])
    assert.equal(goOwnerOf({ ...goTags, [key]: "" }, us), undefined);
  assert.equal(goOwnerOf(ownerTags(owner, "r1"), us), undefined);
});
