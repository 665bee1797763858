// `virtual-kubelet plan` with this provider, as its user sees it: a golden file, written anew with UPDATE_GOLDEN=1. Nobody is asked.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { stringify } from "yaml";
import { goldenPods } from "./testing/golden-request.ts";

const main = join(import.meta.dirname, "../../virtual-kubelet/src/main.ts");
const golden = join(import.meta.dirname, "testdata/plan.golden");

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-nomad-plan-"));
});
after(() => rm(directory, { recursive: true, force: true }));

describe("plan", () => {
  it("with a file of its own", async () => {
    const pods = (await goldenPods()).map(({ name, annotations, spec }) =>
      stringify({ apiVersion: "v1", kind: "Pod", metadata: { name, ...(annotations && { annotations }) }, spec }),
    );
    await writeFile(join(directory, "pods.yaml"), pods.join("---\n"));
    await writeFile(
      join(directory, "nomad.yaml"),
      'allowedDrivers: [podman, raw_exec, exec, java]\nvolumes: {hostPaths: ["/srv/*"], host: ["team-*"], csi: ["team-*"]}\n',
    );
    const { promise, resolve } = Promise.withResolvers<string>();
    const flags = ["-f", "pods.yaml", "--provider", "nomad", "--provider-config", "nomad.yaml", "--nodename", "vk"];
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
