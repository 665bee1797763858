import assert from "node:assert/strict";
import { test } from "node:test";
import { labelText, MetricFamily, numberText } from "./prometheus-text.ts";

test("values of labels are escaped", () => {
  assert.equal(labelText({ a: "x", b: 'say "\\" \n' }), 'a="x",b="say \\"\\\\\\" \\n"');
  assert.equal(labelText({}), "");
});

test("numbers", () => {
  const texts = [0, 1.5, 1e-9, 1e21, Number.NaN, Infinity, -Infinity].map(numberText);
  assert.deepEqual(texts, ["0", "1.5", "1e-9", "1e+21", "NaN", "+Inf", "-Inf"]);
});

test("a family has its head once, and none without lines", () => {
  const family = new MetricFamily("a_total", "counter", "first\\line\nsecond");
  assert.equal(String(family), "");
  family.add("", 1).add('x="1"', 2, 1700000000123.9).addTo("_sum", 'x="1"', 3);
  assert.equal(
    String(family),
    '# HELP a_total first\\\\line\\nsecond\n# TYPE a_total counter\na_total 1\na_total{x="1"} 2 1700000000123\na_total_sum{x="1"} 3\n',
  );
});
