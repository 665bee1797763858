// Kubernetes' own tests for nodes, those of them that are fast: all of them run by `npm run conformance`. Needs root and Podman.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ciSubset } from "./conformance/ci-subset.ts";
import { type RunResult, runConformance } from "./conformance/run.ts";
import { subsetNames } from "./conformance/subset.ts";
import { firstLines, verdicts } from "./conformance/summary.ts";

const end = new AbortController();
let result: RunResult;

before(
  async () => {
    result = await runConformance({
      ...{ labelFilter: "", focus: subsetNames("ci"), skip: "", procs: 8, repeat: 1, timeout: 900 },
      ...{ keep: false, dryRun: false, signal: end.signal, print: (line) => console.log(line) },
    });
  },
  { timeout: 1_100_000 },
);
after(() => end.abort());

describe("Kubernetes' tests for nodes", () => {
  for (const name of ciSubset)
    it(name, () => {
      const found = verdicts(result.repetitions).filter((verdict) => verdict.name.endsWith(name));
      const told = found.map(({ state, message }) => `${state} ${firstLines(message, 20)}`.trim());
      assert.deepEqual(told, ["passed"], `see ${result.reportDirectory}`);
    });

  it("nothing else went wrong", () => assert.deepEqual(result.faults, []));
});
