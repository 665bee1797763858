// The report of `doctor` over several nodes: each thing once, with the nodes that have it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Finding, fail, ok, skip } from "./doctor-check.ts";
import { type NodeFinding, nodesText, shared, summary } from "./doctor-report.ts";

const of = (node: string, check: string, finding: Finding): NodeFinding => ({ node, check, ...finding });

test("what is the same of all nodes stands once, what is not with its nodes", () => {
  const nodes = ["vk-1", "vk-10", "big"];
  const findings = nodes.flatMap((node) => [
    of(node, "approval", fail(`request of ${node} waits`, `approve csr-${node === "big" ? 2 : 1}`)),
    of(node, "node name", ok(`no node is named ${node} yet`)),
    ...(node === "big" ? [of(node, "labels", skip("vk-1, not big.local"))] : []),
  ]);
  const found = shared(findings);
  assert.deepEqual(
    found.map(({ nodes: having, message }) => [having, message]),
    [
      [["vk-1", "vk-10"], "request of NODE waits"],
      [["big"], "request of big waits"],
      [nodes, "no node is named NODE yet"],
      [["big"], "vk-1, not big.local"],
    ],
  );
  assert.equal(
    nodesText(found, nodes),
    `
all 3 nodes (vk-1, vk-10, big):
ok    node name       no node is named NODE yet

2 nodes (vk-1, vk-10):
FAIL  approval        request of NODE waits
                      fix: approve csr-1

node big:
FAIL  approval        request of big waits
                      fix: approve csr-2
-     labels          vk-1, not big.local
`,
  );
  assert.equal(summary(found), "\n2 failed, 0 with a warning, 1 not looked at, of 4\n");
});

test("of one node there are no sections, and its name stands where it stood", () => {
  const found = shared([of("vk", "node name", ok("no node is named vk yet"))]);
  assert.equal(nodesText(found, ["vk"]), "ok    node name       no node is named vk yet\n");
});

test("a report on many nodes stays short", () => {
  const nodes = Array.from({ length: 500 }, (_, index) => `n${index}`);
  const found = shared(
    nodes.flatMap((node) => [of(node, "a", ok(`${node} is well`)), of(node, "b", fail(`csr-of-${node}-x waits`))]),
  );
  const text = nodesText(found, nodes);
  assert.ok(text.split("\n").length < 100);
  assert.match(text, /^\nall 500 nodes \(n0, n1, n2, n3, n4 and 495 more\):\nok {4}a {15}NODE is well\n/);
  assert.match(text, /481 more parts of the report are left out: ask for one node with --nodename NAME\n$/);
});
