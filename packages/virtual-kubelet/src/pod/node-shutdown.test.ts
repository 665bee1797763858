import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { shutdownOrder, shutdownRules } from "./node-shutdown.ts";

const pod = (name: string, priority?: number) => ({
  pod: { metadata: { name }, spec: { containers: [], ...(priority === undefined ? {} : { priority }) } },
});

describe("the order of a node's shutdown", () => {
  const groupsOf = (...args: Parameters<typeof shutdownOrder<ReturnType<typeof pod>>>) =>
    shutdownOrder(...args).map(({ gracePeriodSeconds, pods }) => [
      gracePeriodSeconds,
      pods.map((one) => one.pod.metadata.name).join(" "),
    ]);

  it("ends the cluster's own pods last, in the part of the time kept for them", () => {
    const pods = [pod("dns", 2_000_000_000), pod("a"), pod("b", 1000), pod("negative", -10)];
    assert.deepEqual(groupsOf(pods, shutdownRules(30, 10)), [
      [20, "a b negative"],
      [10, "dns"],
    ]);
  });

  it("goes by the rules of priorities, the lowest first, and leaves out those without pods", () => {
    const rules = [
      { priority: 100_000, gracePeriodSeconds: 10 },
      { priority: 0, gracePeriodSeconds: 60 },
      { priority: 10_000, gracePeriodSeconds: 180 },
    ];
    const pods = [pod("high", 100_000), pod("mid", 99_999), pod("low", 9999), pod("none")];
    assert.deepEqual(groupsOf(pods, rules), [
      [60, "low none"],
      [180, "mid"],
      [10, "high"],
    ]);
    assert.deepEqual(groupsOf([pod("high", 200_000)], rules), [[10, "high"]]);
  });
});
