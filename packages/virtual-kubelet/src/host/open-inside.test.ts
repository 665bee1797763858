import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isErrorKind } from "../errors.ts";
import { openInside, pathOf } from "./open-inside.ts";

describe("a path in a directory of others", () => {
  let directory = "";
  let root = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "vk-open-inside-"));
    root = join(directory, "root");
    mkdirSync(join(root, "in/side"), { recursive: true });
    writeFileSync(join(root, "in/side/file"), "content");
    writeFileSync(join(directory, "secret"), "of the host");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const content = async (path: string): Promise<string> => {
    await using found = await openInside(root, path);
    return readFileSync(pathOf(found), "utf8");
  };

  it("is what it says, through links that stay inside", async () => {
    symlinkSync("in/side", join(root, "link"));
    symlinkSync("link/file", join(root, "name"));
    symlinkSync("../../in", join(root, "in/side/up"));
    symlinkSync(join(root, "in"), join(root, "absolute"));
    symlinkSync("..data/file", join(root, "key"));
    symlinkSync("in/side", join(root, "..data"));
    const paths = ["in/side/file", "./in//side/file", "link/file", "name", "in/side/up/side/file"];
    for (const path of [...paths, "absolute/side/file", "key"]) assert.equal(await content(path), "content", path);
  });

  it("leads nowhere out of it", async () => {
    symlinkSync("../secret", join(root, "out"));
    symlinkSync(directory, join(root, "above"));
    symlinkSync("/", join(root, "slash"));
    symlinkSync(`${root}/../secret`, join(root, "sly"));
    symlinkSync(`${root}-other`, join(root, "neighbour"));
    mkdirSync(`${root}-other`);
    const paths = ["out", "above/secret", "slash/etc/passwd", "sly", "../secret", "in/../../secret", "neighbour"];
    for (const path of paths) await assert.rejects(content(path), (error) => isErrorKind(error, "Invalid"), path);
  });

  it("is not found where a part is missing, or is a file; links in a circle end", async () => {
    symlinkSync("nowhere", join(root, "dangling"));
    for (const path of ["no", "no/file", "in/side/file/x", "dangling"])
      await assert.rejects(content(path), (error) => isErrorKind(error, "NotFound"), path);
    symlinkSync("circle", join(root, "circle"));
    await assert.rejects(content("circle"), (error) => isErrorKind(error, "Invalid"));
  });

  it("is made with the mode that is asked for, whatever the umask, and with nothing outside", async () => {
    const before = process.umask(0o077);
    try {
      await using made = await openInside(root, "a/b", { makeMode: 0o2777 });
      assert.ok((await made.stat()).isDirectory());
    } finally {
      process.umask(before);
    }
    for (const path of ["a", "a/b"]) assert.equal(statSync(join(root, path)).mode & 0o7777, 0o2777, path);
    symlinkSync("../new", join(root, "dangling"));
    await assert.rejects(openInside(root, "dangling/x", { makeMode: 0o755 }), (error) => isErrorKind(error, "Invalid"));
    assert.equal(statSync(join(directory, "new"), { throwIfNoEntry: false }), undefined);
  });

  it("has the group of a directory that hands it down", async () => {
    chmodSync(root, 0o2755);
    await using made = await openInside(root, "a", { makeMode: 0o750 });
    assert.equal((await made.stat()).mode & 0o7777, 0o2750);
  });

  it("is in the directory that is open, whatever has its name by now", async () => {
    await using handle = await open(root);
    renameSync(root, `${root}-moved`);
    symlinkSync(directory, root);
    await using found = await openInside(handle, "in/side/file");
    assert.equal(readFileSync(pathOf(found), "utf8"), "content");
    await assert.rejects(openInside(handle, "secret"), (error) => isErrorKind(error, "NotFound"));
  });

  it("is where it was looked for, or nowhere, while others replace it", async () => {
    // A directory becomes a link, and itself again, between any two steps.
    let stop = false;
    const swapping = (async () => {
      while (!stop) {
        renameSync(join(root, "in"), join(root, "away"));
        symlinkSync(directory, join(root, "in"));
        await new Promise(setImmediate);
        rmSync(join(root, "in"));
        renameSync(join(root, "away"), join(root, "in"));
        await new Promise(setImmediate);
      }
    })();
    writeFileSync(join(root, "in/secret"), "of the volume");
    const seen = new Set<string>();
    for (let turn = 0; turn < 300; turn++) seen.add(await content("in/secret").catch(() => "refused"));
    stop = true;
    await swapping;
    assert.ok(seen.has("of the volume") || seen.has("refused"));
    assert.ok(!seen.has("of the host"));
  });
});
