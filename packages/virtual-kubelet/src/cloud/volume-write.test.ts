// New contents of volumes, written by a real shell.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { ResolvedFile } from "../resolved-pod.ts";
import { type VolumeWriteOptions, volumeMissing, volumeWrite } from "./volume-write.ts";

const file = (path: string, text: string): ResolvedFile => ({
  ...{ path, mode: 0o640, data: Buffer.from(text), secret: true },
});

describe("new contents of volumes", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-volume-"));
    await mkdir(join(directory, "a"));
    await mkdir(join(directory, "it's b"));
    await writeFile(join(directory, "a/token"), "old");
    await writeFile(join(directory, "a/left"), "old");
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  function write(volumes: Readonly<Record<string, readonly ResolvedFile[]>>, options?: VolumeWriteOptions) {
    const delivered = Object.entries(volumes).map(([name, files], index) => ({
      ...{ path: join(directory, name), files, field: `spec.volumes[${index}]` },
    }));
    const { command, input } = volumeWrite(delivered, options);
    const [program = "", ...args] = command;
    return { command, status: spawnSync(program, args, { input }).status };
  }

  it("have path, mode and content; what else is there stays, and nothing of them is among the arguments", async () => {
    const { command, status } = write({ a: [file("token", "hunter2"), file("deep/er/key", "k")] });
    assert.equal(status, 0);
    assert.doesNotMatch(command.join(" "), /hunter2/);
    assert.equal(await readFile(join(directory, "a/token"), "utf8"), "hunter2");
    assert.equal(await readFile(join(directory, "a/deep/er/key"), "utf8"), "k");
    assert.equal((await stat(join(directory, "a/token"))).mode & 0o777, 0o640);
    assert.deepEqual((await readdir(join(directory, "a"))).sort(), ["deep", "left", "token"]);
  });

  it("are a new file each: who has the old one open reads it on", async () => {
    const before = (await stat(join(directory, "a/token"))).ino;
    write({ a: [file("token", "new")] });
    assert.notEqual((await stat(join(directory, "a/token"))).ino, before);
  });

  it("go to several volumes at once, and what is no longer wanted goes", async () => {
    const { status } = write({ a: [file("token", "new")], "it's b": [file("c'd", "x")] }, { prune: true });
    assert.equal(status, 0);
    assert.deepEqual(await readdir(join(directory, "a")), ["token"]);
    assert.equal(await readFile(join(directory, "it's b/c'd"), "utf8"), "x");
    assert.equal(write({ a: [] }, { prune: true }).status, 0);
    assert.deepEqual(await readdir(join(directory, "a")), []);
  });

  it("are refused by a container without the volume, and nothing is written", async () => {
    assert.equal(write({ a: [file("token", "new")], none: [file("x", "y")] }).status, volumeMissing);
    assert.equal(await readFile(join(directory, "a/token"), "utf8"), "old");
  });
});
