// Needs root on Linux.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { bindOpen, mountPointsUnder, mountsUnder, parseMounts, removeTree, unmountUnder } from "./mounts.ts";
import { openInside } from "./open-inside.ts";
import { runTool } from "./run-tool.ts";

describe("mounts of this host", () => {
  it("are read with their paths, options and who shares them", () => {
    const text = [
      "22 1 8:1 / / rw,relatime - ext4 /dev/vda rw",
      "30 22 0:25 / /a\\040b\\134c rw,nosuid shared:7 master:2 - tmpfs tmpfs rw",
      "31 22 0:26 / /c ro master:7 - tmpfs shared:no rw",
      "",
    ].join("\n");
    assert.deepEqual(parseMounts(text), [
      { path: "/", options: "rw,relatime", shared: false },
      { path: "/a b\\c", options: "rw,nosuid", shared: true },
      { path: "/c", options: "ro", shared: false },
    ]);
  });
});

describe("bound to a place of ours", () => {
  let directory = "";
  let source = "";
  let place = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "vk-mounts-"));
    [source, place] = [join(directory, "source"), join(directory, "places/0")];
    mkdirSync(join(source, "below"), { recursive: true });
    writeFileSync(join(source, "file"), "content");
  });
  afterEach(() => removeTree(directory));

  it("a directory, or a file, stays what it was when its name becomes another", async () => {
    await using file = await openInside(source, "file");
    await using tree = await openInside(source, "");
    await bindOpen(file, place);
    await bindOpen(tree, `${place}-tree`);
    rmSync(join(source, "file"));
    symlinkSync("/etc/passwd", join(source, "file"));
    assert.equal(readFileSync(place, "utf8"), "content");
    assert.ok(existsSync(`${place}-tree/below`));
  });

  it("a second time it is the new one alone", async () => {
    await using file = await openInside(source, "file");
    await bindOpen(file, place);
    await bindOpen(file, place);
    assert.deepEqual(mountsUnder(directory), [place]);
  });

  it("has what is mounted below only where that is asked for, and read-only with all of it", async () => {
    await runTool("mount", ["-t", "tmpfs", "-o", "nosuid", "tmpfs", join(source, "below")]);
    writeFileSync(join(source, "below/deep"), "deep");
    await using tree = await openInside(source, "");
    await bindOpen(tree, place);
    assert.ok(!existsSync(join(place, "below/deep")));
    await bindOpen(tree, place, { recursive: true, readOnly: true });
    assert.equal(readFileSync(join(place, "below/deep"), "utf8"), "deep");
    for (const path of ["new", "below/new"])
      assert.throws(() => writeFileSync(join(place, path), ""), { code: "EROFS" }, path);
    const [deepest] = mountPointsUnder(place);
    assert.match(deepest?.options ?? "", /\bnosuid\b/);
    writeFileSync(join(source, "below/new"), "");
  });

  it("unmounts nothing of what it was bound from, though that is shared", async () => {
    await runTool("mount", ["-t", "tmpfs", "tmpfs", source]);
    await runTool("mount", ["--make-shared", source]);
    mkdirSync(join(source, "below"));
    await runTool("mount", ["-t", "tmpfs", "tmpfs", join(source, "below")]);
    await using tree = await openInside(source, "");
    await bindOpen(tree, place, { recursive: true });
    // As one that was broken off between its two steps.
    mkdirSync(`${place}-half`);
    await runTool("mount", ["--rbind", source, `${place}-half`]);
    await removeTree(join(directory, "places"));
    assert.deepEqual(mountsUnder(directory), [join(source, "below"), source]);
  });

  it("is unmounted by several at once", async () => {
    for (let index = 0; index < 20; index += 1) {
      mkdirSync(join(directory, `many/${index}`), { recursive: true });
      await runTool("mount", ["-t", "tmpfs", "tmpfs", join(directory, `many/${index}`)]);
    }
    await Promise.all(Array.from({ length: 4 }, () => unmountUnder(directory)));
    assert.deepEqual(mountsUnder(directory), []);
  });

  it("a tree is removed however deep it is, and what it links to stays", async () => {
    let script =
      'cd "$1" && i=0; while [ $i -lt 600 ]; do mkdir ddddddddddddddd && cd -P ddddddddddddddd; i=$((i+1)); done';
    script += "; :";
    writeFileSync(join(directory, "kept"), "");
    symlinkSync(join(directory, "kept"), join(source, "link"));
    await runTool("sh", ["-c", script, "sh", source]);
    await removeTree(source);
    assert.ok(!existsSync(source));
    assert.ok(existsSync(join(directory, "kept")));
  });
});
