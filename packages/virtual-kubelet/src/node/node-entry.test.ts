import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Stored } from "../kube/resource.ts";
import type { Node } from "../kube/types.gen.ts";
import { NodeEntry } from "./node-entry.ts";

const entry = (): NodeEntry =>
  new NodeEntry({ name: "n", provider: { name: "mock", version: "1" }, kubeletVersion: "v1.36.3" });
const node = (uid: string, resourceVersion: string): Stored<Node> => ({
  metadata: { name: "n", uid, resourceVersion },
});

describe("the newest state of a node", () => {
  it("is the own write until the watch has caught up", () => {
    const known = entry();
    assert.equal(known.newest(undefined), undefined);
    known.wrote(node("a", "10"));
    assert.equal(known.newest(undefined)?.metadata.resourceVersion, "10");
    assert.equal(known.newest(node("a", "9"))?.metadata.resourceVersion, "10", "versions are numbers, not texts");
    assert.equal(known.newest(node("a", "11"))?.metadata.resourceVersion, "11");
    known.saw(node("a", "9"));
    assert.equal(known.newest(undefined)?.metadata.resourceVersion, "10");
    known.saw(node("a", "10"));
    assert.equal(known.newest(undefined), undefined);
  });

  it("is nothing after a deletion, though the answer to an earlier write comes late, and the cache too", () => {
    const known = entry();
    known.wrote(node("a", "10"));
    known.gone("a");
    assert.equal(known.newest(undefined), undefined);
    known.wrote(node("a", "11"));
    assert.equal(known.newest(undefined), undefined);
    assert.equal(known.newest(node("a", "11")), undefined);
    known.wrote(node("b", "13"));
    assert.equal(known.newest(node("a", "11"))?.metadata.uid, "b");
  });
});

describe("what a node may write", () => {
  it("is a burst, then one write each five seconds", () => {
    const known = entry();
    const start = Date.UTC(2026, 0, 1);
    for (let write = 0; write < 20; write++) assert.equal(known.takeWrite(start), 0);
    assert.equal(known.takeWrite(start), 5_000);
    assert.equal(known.takeWrite(start + 2_000), 3_000);
    assert.equal(known.takeWrite(start + 5_000), 0);
    assert.ok(known.takeWrite(start + 5_000) > 0);
  });

  it("leaves out what was refused, for ten minutes or until it is something else", () => {
    const known = entry();
    known.refuse("spec", "x", 0);
    assert.ok(known.isRefused("spec", "x", 599_999));
    assert.ok(!known.isRefused("spec", "x", 600_000));
    assert.ok(!known.isRefused("spec", "y", 1));
    assert.ok(!known.isRefused("metadata", "x", 1));
  });
});
