import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeNode } from "../testing/kubelet-fixture.ts";
import { groupListeners, ServedAddresses } from "./listener-groups.ts";

const [a, b, c] = [new FakeNode("node-a"), new FakeNode("node-b"), new FakeNode("node-c")];

test("free ports are different ones, unless they are to be shared", () => {
  const listeners = [a, b].map((node) => ({ node, port: 0 }));
  assert.equal(groupListeners(listeners, false).length, 2);
  assert.equal(groupListeners(listeners, true).length, 1);
});

test("nodes on one address and nodes of one name are faults", () => {
  const listeners = [a, b].map((node) => ({ node, host: "10.0.0.1", port: 10250 }));
  assert.throws(() => groupListeners(listeners, false), /node-a and node-b listen on one address/);
  assert.equal(groupListeners(listeners, true)[0]?.nodes.length, 2);
  const twice = [
    { node: a, port: 1, names: ["Node-B"] },
    { node: b, port: 1 },
  ];
  assert.throws(() => groupListeners(twice, true), /two nodes have the name node-b/);
});

test("a connection finds its nodes by the address it came to", () => {
  const served = new ServedAddresses();
  const [one, other, every] = groupListeners(
    [
      { node: a, host: "10.0.0.1", port: 10250 },
      { node: b, host: "10.0.0.2", port: 10250 },
      { node: c, port: 10251 },
    ],
    false,
  );
  assert(one && other && every);
  served.add({ address: "10.0.0.1", port: 10250 }, one);
  served.add({ address: "10.0.0.2", port: 10250 }, other);
  served.add({ address: "::", port: 10251 }, every);
  const at = (localAddress: string, localPort: number): string | undefined =>
    served.at({ localAddress, localPort })?.nodes[0]?.name;
  assert.equal(at("10.0.0.1", 10250), "node-a");
  assert.equal(at("::ffff:10.0.0.2", 10250), "node-b");
  assert.equal(at("10.0.0.3", 10251), "node-c");
  assert.equal(at("fd00::1", 10251), "node-c");
  assert.equal(at("10.0.0.3", 10250), undefined);
});
