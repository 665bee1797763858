// Texts that were looked at once and are held since: golden files, written anew with UPDATE_GOLDEN=1.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

/** Throws where the text is not that of the file. `file`: an absolute path. */
export async function assertGolden(file: string, text: string): Promise<void> {
  if (process.env["UPDATE_GOLDEN"] === "1") {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  assert.equal(text, await readFile(file, "utf8"));
}
