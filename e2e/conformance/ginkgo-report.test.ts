import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ginkgoReport } from "./ginkgo-report.ts";

const spec = (text: string, state: string, message?: string): object => ({
  LeafNodeType: "It",
  LeafNodeText: text,
  ContainerHierarchyTexts: ["[sig-node] Pods"],
  LeafNodeLocation: { FileName: "k8s.io/kubernetes@v1.36.3/test/e2e/common/node/pods.go", LineNumber: 12 },
  State: state,
  RunTime: 1_500_000_000,
  ...(message === undefined ? {} : { Failure: { Message: message } }),
});

const read = (...specs: readonly object[]) => ginkgoReport([{ SpecReports: specs }]);

describe("a report of Ginkgo", () => {
  it("has names, times and places", () => {
    const { tests, faults } = read(spec("should run", "passed"));
    const place = "common/node/pods.go:12";
    assert.deepEqual(tests, [
      { name: "[sig-node] Pods should run", state: "passed", seconds: 1.5, message: "", place },
    ]);
    assert.deepEqual(faults, []);
  });

  for (const [state, message, expected] of [
    ["failed", "no pod", ["failed", "no pod"]],
    ["panicked", "nil", ["failed", "nil"]],
    ["timedout", undefined, ["failed", "timedout"]],
    ["interrupted", undefined, ["failed", "interrupted"]],
    ["skipped", "needs a kube-proxy", ["skipped", "needs a kube-proxy"]],
    // Not chosen.
    ["skipped", undefined, undefined],
    ["pending", undefined, undefined],
  ] as const)
    it(`${state}${message === undefined ? "" : ` for ${message}`} is ${expected?.[0] ?? "left out"}`, () => {
      const found = read(spec("should run", state, message)).tests.map((one) => [one.state, one.message]);
      assert.deepEqual(found, expected === undefined ? [] : [expected]);
    });

  it("tells of what failed beside the tests", () => {
    const suite = { ...spec("", "failed", "no nodes"), LeafNodeType: "SynchronizedBeforeSuite" };
    const { tests, faults } = ginkgoReport([{ SpecialSuiteFailureReasons: ["Suite Timeout"], SpecReports: [suite] }]);
    assert.deepEqual([tests, faults], [[], ["Suite Timeout", "SynchronizedBeforeSuite: no nodes"]]);
  });

  it("is refused where it is none", () => {
    assert.throws(() => ginkgoReport([{ SpecReports: [{ State: 1 }] }]));
  });
});
