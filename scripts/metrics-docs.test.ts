// What is generated here of the docs is what the code says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { expositionMetrics, metricsDocs } from "./metrics-docs.ts";
import { withRights } from "./rights-table.ts";

const howto = "run: node --conditions=source scripts/generate-metrics-docs.ts";

test("docs/metrics.md is up to date", async () => {
  const written = readFileSync(new URL("../docs/metrics.md", import.meta.url), "utf8");
  assert.equal(written, await metricsDocs(), howto);
});

test("the table of rights in docs/security.md is up to date", () => {
  const page = readFileSync(new URL("../docs/security.md", import.meta.url), "utf8");
  assert.equal(page, withRights(page), howto);
});

test("an exposition is read with the labels of all its series", () => {
  const text = [
    "# HELP a Some text",
    "# TYPE a histogram",
    'a_bucket{x="1",le="0.5"} 1',
    'a_sum{y="a\\"b}"} 1',
    "# HELP b Other",
    "# TYPE b gauge",
    "b 1",
  ].join("\n");
  assert.deepEqual(expositionMetrics(text), [
    { name: "a", type: "histogram", help: "Some text", labels: ["x", "y"] },
    { name: "b", type: "gauge", help: "Other", labels: [] },
  ]);
});
