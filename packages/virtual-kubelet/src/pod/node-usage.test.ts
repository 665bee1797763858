// What is counted in once comes out once, and leaves nothing behind.
import assert from "node:assert/strict";
import { it } from "node:test";
import type { Pod } from "../kube/types.gen.ts";
import { NodeUsage } from "./node-usage.ts";

const podOf = (cpu: string, hostPort: number): Pod => ({
  spec: { containers: [{ name: "a", resources: { requests: { cpu } }, ports: [{ containerPort: 80, hostPort }] }] },
});

it("counts each pod once, in and out", () => {
  const usage = new NodeUsage();
  usage.add("u1", podOf("1500m", 8080));
  usage.add("u1", podOf("1500m", 8080));
  usage.add("u2", podOf("1", 8081));
  assert.deepEqual([usage.pods, usage.total.get("cpu")], [2, 2500n]);
  assert.deepEqual(
    [...usage.hostPorts()].map(({ port }) => port),
    [8080, 8081],
  );
  usage.remove("u1");
  usage.remove("u1");
  assert.deepEqual([usage.pods, usage.total.get("cpu"), usage.has("u1")], [1, 1000n, false]);
  usage.remove("u2");
  assert.deepEqual([usage.pods, usage.total.get("cpu"), [...usage.hostPorts()].length], [0, 0n, 0]);
});

it("counts less of a pod that asks for less, and no more of one that asks for more", () => {
  const usage = new NodeUsage();
  usage.add("u1", podOf("1500m", 8080));
  usage.add("u2", podOf("1", 8081));
  usage.shrink("u1", podOf("200m", 8080));
  assert.equal(usage.total.get("cpu"), 1200n);
  usage.shrink("u1", podOf("100", 8080));
  usage.shrink("nobody", podOf("1m", 8082));
  assert.deepEqual([usage.pods, usage.total.get("cpu")], [2, 1200n]);
  usage.remove("u1");
  usage.remove("u2");
  assert.equal(usage.total.get("cpu"), 0n);
});
