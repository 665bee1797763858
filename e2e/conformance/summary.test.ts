import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { withResults } from "./documentation.ts";
import type { TestResult } from "./ginkgo-report.ts";
import { countLine, summaryTable, summaryText, verdicts } from "./summary.ts";

const result = (name: string, state: TestResult["state"], message = "", seconds = 1): TestResult => ({
  ...{ name, state, message, seconds, place: "common/node/pods.go:1" },
});

describe("verdicts", () => {
  const repetitions = [
    [result("a", "passed"), result("b", "failed", "no pod"), result("c", "skipped", "no disk"), result("d", "passed")],
    [result("a", "passed", "", 9), result("b", "failed", "no node"), result("c", "skipped", "no disk")],
    [result("d", "failed", "late")],
  ];
  const all = verdicts(repetitions);

  it("are one for each test over all repetitions", () => {
    assert.deepEqual(
      all.map(({ name, state, message, seconds }) => [name, state, message, seconds]),
      [
        ["a", "passed", "", 9],
        ["b", "failed", "no pod", 1],
        ["c", "skipped", "no disk", 1],
        ["d", "flaky", "late", 1],
      ],
    );
    assert.equal(countLine(all), "1 passed, 1 failed, 1 flaky, 1 skipped");
  });

  it("are told with their reasons, the figures last", () => {
    const text = summaryText(all, ["Suite Timeout"]);
    for (const part of [
      "c (common/node/pods.go:1)\n    no disk",
      "b (common/node/pods.go:1)\n    no pod",
      "d (common/node/pods.go:1)\n    late",
      "Suite Timeout",
    ])
      assert.ok(text.includes(part), `${part} in ${text}`);
    assert.ok(!text.includes("a (common/node/pods.go:1)"));
    assert.equal(text.split("\n").at(-1), countLine(all));
  });

  it("are a table by the tests' files in the documentation, in place of the one before", () => {
    const table = summaryTable(verdicts([[result("[sig-node] Pods should run a | b", "failed", "x\n\ny\nz")]]));
    assert.match(table, /^\| node\/pods \| 1 \| 0 \| 1 \| 0 \| 0 \|$/m);
    assert.match(table, /^\| \[sig-node\] Pods should run a \\\| b \| failed \| x y \|$/m);
    const marks = ["<!-- results: written by npm run conformance -- --write-docs -->", "<!-- end of results -->"];
    const page = withResults(`before\n${marks[0]}\nold\n${marks[1]}\nafter\n`, table);
    assert.equal(page, `before\n${marks[0]}\n${table}\n${marks[1]}\nafter\n`);
    assert.throws(() => withResults("before", table), /no marks/);
  });
});
