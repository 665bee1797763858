// `virtual-kubelet plan` with this provider, as its user sees it: a golden file, written anew with UPDATE_GOLDEN=1. Nobody is asked.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { goldenFile } from "./testing/golden-pods.ts";

const main = join(import.meta.dirname, "../../virtual-kubelet/src/main.ts");
const golden = join(import.meta.dirname, "testdata/plan.golden");

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-fargate-plan-"));
});
after(() => rm(directory, { recursive: true, force: true }));

describe("plan", () => {
  it("with the file of the Go provider", async () => {
    await copyFile(goldenFile, join(directory, "pods.yaml"));
    await writeFile(
      join(directory, "fargate.toml"),
      'Region = "eu-west-1"\nSubnets = ["subnet-1"]\nCPU = "50"\nMemory = "200Gi"\n',
    );
    const { promise, resolve } = Promise.withResolvers<string>();
    const flags = ["-f", "pods.yaml", "--provider", "aws", "--provider-config", "fargate.toml", "--nodename", "vk"];
    execFile(
      process.execPath,
      ["--conditions=source", main, "plan", ...flags],
      { env: { PATH: process.env["PATH"] ?? "" }, cwd: directory },
      // It fails where a pod does not fit, which its output says, too.
      (_error, stdout, stderr) => resolve(stdout + stderr),
    );
    const found = await promise;
    if (process.env["UPDATE_GOLDEN"] === "1") await writeFile(golden, found);
    assert.equal(found, await readFile(golden, "utf8"));
  });
});
