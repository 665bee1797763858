import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isErrorKind } from "../errors.ts";
import { openHostPath } from "./host-path.ts";

describe("a path of the host", () => {
  let directory = "";
  let allowed = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "vk-host-path-"));
    allowed = join(directory, "allowed");
    mkdirSync(join(allowed, "tree"), { recursive: true });
    writeFileSync(join(allowed, "file"), "");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const look = async (path: string, hostPathType = "", roots: readonly string[] = [allowed]): Promise<void> => {
    await using found = await openHostPath({ name: "v", type: "hostPath", path, hostPathType }, roots);
    await found.stat();
  };

  it("is what its type says, or tells what it is not", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(allowed, "socket"), resolve));
    try {
      const fits: readonly (readonly [string, string])[] = [
        ["tree", ""],
        ["file", ""],
        ["tree", "Directory"],
        ["tree", "DirectoryOrCreate"],
        ["file", "File"],
        ["file", "FileOrCreate"],
        ["socket", "Socket"],
      ];
      for (const [path, type] of fits) await look(join(allowed, path), type);
      await look("/dev/null", "CharDevice", ["/"]);
      const faults: readonly (readonly [string, string, string])[] = [
        ["file", "Directory", "a directory"],
        ["no", "Directory", "a directory"],
        ["file", "DirectoryOrCreate", "a directory"],
        ["tree", "File", "a file"],
        ["tree", "FileOrCreate", "a file"],
        ["file", "Socket", "a socket file"],
        ["file", "CharDevice", "a character device"],
        ["file", "BlockDevice", "a block device"],
      ];
      for (const [path, type, what] of faults)
        await assert.rejects(
          look(join(allowed, path), type),
          (error) =>
            isErrorKind(error, "Unavailable") &&
            String(error).endsWith(`hostPath type check failed: ${join(allowed, path)} is not ${what}`),
          `${type} ${path}`,
        );
      await assert.rejects(look(join(allowed, "no")), (error) => isErrorKind(error, "Unavailable"));
    } finally {
      server.close();
    }
  });

  it("is made where its type asks for that", async () => {
    await look(join(allowed, "a/b"), "DirectoryOrCreate");
    await look(join(allowed, "new"), "FileOrCreate");
    for (const [path, mode] of Object.entries({ a: 0o755, "a/b": 0o755, new: 0o644 }))
      assert.equal(statSync(join(allowed, path)).mode & 0o7777, mode, path);
    // A file's directory is not made.
    await assert.rejects(look(join(allowed, "no/file"), "FileOrCreate"), (error) => isErrorKind(error, "Unavailable"));
  });

  it("is within the directories that pods may have, also where a link of theirs says otherwise", async () => {
    mkdirSync(join(directory, "other"));
    symlinkSync(join(directory, "other"), join(allowed, "out"));
    symlinkSync("tree", join(allowed, "link"));
    await look(allowed, "Directory");
    await look(`${allowed}/`, "Directory");
    await look(join(allowed, "link"), "Directory");
    const paths = [directory, join(directory, "other"), `${allowed}2`, `${allowed}/tree/../../other`];
    for (const path of [...paths, join(allowed, "out"), join(allowed, "out/new")])
      await assert.rejects(
        look(path, "DirectoryOrCreate"),
        (error) => isErrorKind(error, "Unsupported") && String(error).includes("not allowed"),
        path,
      );
    assert.equal(statSync(join(directory, "other/new"), { throwIfNoEntry: false }), undefined);
    await look(join(allowed, "out"), "Directory", ["/"]);
  });
});
