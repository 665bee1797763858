// The program of infra containers, as far as this machine can run it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import { checkPulled, infraProgram, infraRoot } from "./infra-image.ts";

const own = process.arch === "x64" ? "amd64" : process.arch;

for (const signal of ["SIGTERM", "SIGINT"] as const)
  test(`it waits, and ends well at ${signal}`, async () => {
    const directory = await mkdtemp(join(tmpdir(), "infra-image-"));
    try {
      const path = join(directory, "pause");
      await writeFile(path, infraProgram(own), { mode: 0o755 });
      const child = spawn(path, { stdio: "ignore" });
      const ended = once(child, "exit");
      await once(child, "spawn");
      // Where it sleeps it waits for its signals: it does nothing else.
      const status = (): string => readFileSync(`/proc/${child.pid}/status`, "utf8");
      for (
        const end = Date.now() + 60_000;
        !/^State:\tS .*^SigIgn:\t0000000000010000$/ms.test(status());
        await sleep(10)
      )
        assert.ok(Date.now() < end, status());
      assert.equal(child.exitCode, null);
      child.kill(signal);
      assert.deepEqual(await ended, [0, null]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

test("it is small, and there for two kinds of processors", () => {
  for (const architecture of ["amd64", "arm64"]) assert.ok(infraProgram(architecture).length < 300);
  assert.throws(
    () => infraProgram("riscv64"),
    (error) => isErrorKind(error, "Unsupported"),
  );
});

test("its image is a tar file", async () => {
  const tar = spawn("tar", ["-t"], { stdio: ["pipe", "pipe", "inherit"] });
  tar.stdin.end(infraRoot(own));
  let names = "";
  for await (const chunk of tar.stdout) names += String(chunk);
  assert.equal(names, "dev/\netc/\nproc/\nsys/\npause\n");
});

test("no registry has it", () => {
  for (const image of ["localhost/virtual-kubelet-infra:1", "localhost/virtual-kubelet-infra"])
    assert.throws(
      () => checkPulled(image),
      (error) => isErrorKind(error, "Invalid"),
    );
  checkPulled("localhost/web:1");
});
