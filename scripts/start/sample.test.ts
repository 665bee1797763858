import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { readSample } from "./sample.ts";

const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-sample-"));
after(() => rmSync(directory, { recursive: true }));

test("the sample that comes with the project can be read", async () => {
  const sample = await readSample(join(import.meta.dirname, "../../examples/sample"));
  assert.deepEqual(
    sample.map(({ resource, name }) => `${resource.kind} ${name}`),
    ["Deployment sample-web", "Job sample-job"],
  );
});

test("everything that is wrong in the files is told", async () => {
  await assert.rejects(readSample(directory), /holds no YAML files/);
  const labels = "labels: {app.kubernetes.io/part-of: virtual-kubelet-sample}";
  writeFileSync(join(directory, "a.yaml"), "a: [\n");
  writeFileSync(
    join(directory, "b.yaml"),
    [
      `apiVersion: v1\nkind: Secret\nmetadata: {name: a, ${labels}}`,
      `apiVersion: batch/v1\nkind: Job\nmetadata: {${labels}}`,
      `apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}`,
      `apiVersion: batch/v1\nkind: Job\nmetadata: {name: a, namespace: other, ${labels}}`,
      "- a list",
    ].join("\n---\n"),
  );
  await assert.rejects(readSample(directory), (error) => {
    assert.ok(error instanceof Error);
    for (const fault of [
      /a\.yaml: .*/,
      /v1 Secret is not shown/,
      /name is missing/,
      /must have app/,
      /namespace must/,
      /is no Kube/,
    ])
      assert.match(error.message, fault);
    return true;
  });
});
