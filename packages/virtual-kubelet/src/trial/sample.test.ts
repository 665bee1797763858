import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { sampleObjects } from "./sample.ts";

const examples = join(import.meta.dirname, "../../../../examples/sample");

test("examples/sample has the sample of the mock provider, to be read and applied", () => {
  const files = globSync("*.yaml", { cwd: examples }).sort();
  assert.deepEqual(
    files.map((file) => parse(readFileSync(join(examples, file), "utf8"))),
    sampleObjects({ provider: "mock", image: "" }).map(({ object }) => object),
  );
});

test("containers that are no simulation have a command, and nothing of the mock", () => {
  const text = JSON.stringify(sampleObjects({ provider: "process", image: "host" }));
  assert.doesNotMatch(text, /mock|example\.com|ports/);
  assert.match(text, /"image":"host".*"command":\["sh","-c",/);
  assert.match(text, /"value":"process"/);
});
