// What of deploy/ is generated is up to date, and the chart has the version of the program.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { generatedFiles } from "./generated-files.ts";

const root = join(import.meta.dirname, "../..");
const read = (file: string): Promise<string> => readFile(join(root, file), "utf8");

// The rendered ones need Helm: e2e/chart.test.ts.
for (const { file, make } of generatedFiles(root).filter(({ rendered }) => rendered !== true)) {
  test(`${file} is up to date: else run node --conditions=source scripts/render-manifests.ts`, async () => {
    assert.equal(await read(file), await make());
  });
}

test("the chart has the version of the program", async () => {
  const { version }: { readonly version: string } = JSON.parse(await read("packages/virtual-kubelet/package.json"));
  const chart: unknown = parse(await read("deploy/chart/Chart.yaml"));
  assert.partialDeepStrictEqual(chart, { version, appVersion: version });
});
