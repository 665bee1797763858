// The scripts that users check real accounts with, on the fakes of their clouds with real containers; and what ShellCheck says of them.
// Needs root on Linux, podman, shellcheck.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { chmod, mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, it } from "node:test";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { AciWorld } from "./cloud/aci-world.ts";
import { EciWorld } from "./cloud/eci-world.ts";
import { FargateWorld } from "./cloud/fargate-world.ts";
import { PodmanGroups } from "./cloud/podman-groups.ts";
import { CloudBench, type CloudWorld, cloudNode } from "./cloud/world.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const scripts = join(import.meta.dirname, "../deploy/check");
const command = join(import.meta.dirname, "cloud/cloud-command.ts");

/** The script's code and what it says. `env`: beside what finds the cluster and the fake. */
async function check(bench: CloudBench, env: Readonly<Record<string, string>>): Promise<readonly [unknown, string]> {
  const { harness, world } = bench;
  const bin = join(harness.cluster.directory, "bin");
  await mkdir(bin, { recursive: true });
  await symlink(await findKubectl(), join(bin, "kubectl"));
  for (const name of ["az", "aws", "aliyun"]) {
    await writeFile(join(bin, name), `#!/bin/sh\nexec ${process.execPath} ${command} ${name} "$@"\n`);
    await chmod(join(bin, name), 0o755);
  }
  const { endpoints, caFile } = world.config;
  const ca: unknown = typeof endpoints === "object" && endpoints !== null ? Reflect.get(endpoints, "caFile") : caFile;
  const variables = {
    ...{ ...process.env, PATH: `${bin}:${process.env["PATH"]}`, KUBECONFIG: harness.cluster.kubeconfig },
    ...{
      FAKE_CLOUD: JSON.stringify(world.config),
      AWS_PROFILE: "pods",
      IMAGE: world.image,
      EVERY: "1",
      PATIENCE: "300",
    },
    ...(typeof ca === "string" && { NODE_EXTRA_CA_CERTS: ca }),
  };
  return new Promise((settle) => {
    const file = join(scripts, `${world.provider}.sh`);
    execFile(file, [cloudNode], { env: { ...variables, ...env } }, (error, stdout, stderr) =>
      settle([error === null ? 0 : error.code, `${stdout}${stderr}`]),
    );
  });
}

const worlds: Readonly<Record<string, (podman: PodmanBench) => Promise<CloudWorld>>> = {
  "aci.sh": (podman) => AciWorld.start(new PodmanGroups(podman), benchImage, () => podman[Symbol.asyncDispose]()),
  "eci.sh": (podman) =>
    EciWorld.start(new PodmanGroups(podman), benchImage, benchImage, () => podman[Symbol.asyncDispose]()),
  "fargate.sh": (podman) =>
    FargateWorld.start(new PodmanGroups(podman), benchImage, benchImage, () => podman[Symbol.asyncDispose]()),
};

/** In CI it is there, or this fails. */
const isMissing = spawnSync("shellcheck", ["--version"]).error !== undefined && process.env["CI"] === undefined;
const noShellCheck = isMissing ? "no shellcheck on this machine" : false;

describe("deploy/check", { timeout: 900_000, concurrency: true }, () => {
  for (const [name, start] of Object.entries(worlds))
    it(`${name} finds a node right that is, and leaves nothing`, async () => {
      await using bench = await CloudBench.start(await start(await PodmanBench.start()));
      const [code, said] = await check(bench, { LOG_GROUP: "/pods", REGION: "cn-hangzhou" });
      assert.equal(code, 0, said);
      assert.match(said, /^ok +the exit code of a command: 7$/m);
      assert.match(said, /^ok +its exit code at the cloud: 3$/m);
      assert.match(said, /^ok +all of it$/m);
      assert.deepEqual(
        bench.world.books().filter(({ live }) => live),
        [],
      );
    });

  it("is clean by ShellCheck", { skip: noShellCheck }, async () => {
    const files = (await readdir(scripts)).filter((name) => name.endsWith(".sh"));
    assert.equal(files.length, 5);
    execFileSync("shellcheck", ["--external-sources", ...files], { cwd: scripts });
  });
});
