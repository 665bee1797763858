// Files of the state directory, after writes that failed or were broken off.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { writeWhole } from "./state-files.ts";

describe("a file that is written as a whole", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "vk-state-files-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("leaves nothing beside it, when it cannot be written either", async () => {
    await writeWhole(join(directory, "a"), "1");
    mkdirSync(join(directory, "b/c"), { recursive: true });
    await assert.rejects(writeWhole(join(directory, "b"), "1"));
    assert.deepEqual(readdirSync(directory).sort(), ["a", "b"]);
    assert.equal(statSync(join(directory, "a")).mode & 0o777, 0o600);
  });

  it("minds nothing that a killed program of the same pid has left", async () => {
    for (let count = 0; count < 50; count++) writeFileSync(join(directory, `.${process.pid}.${count}.tmp`), "longer");
    await writeWhole(join(directory, "a"), "1");
    assert.equal(readFileSync(join(directory, "a"), "utf8"), "1");
  });
});
