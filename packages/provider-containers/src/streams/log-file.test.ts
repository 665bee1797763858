import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, suite, test } from "node:test";
import { readLogFile } from "./log-file.ts";

suite("a log file", () => {
  let directory: string;
  let path: string;
  let running: boolean;
  const isRunning = async (): Promise<boolean> => running;
  const { signal } = new AbortController();

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "log-file-"));
    path = join(directory, "ctr.log");
    running = true;
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** Reads until so much is there, or to the end. */
  function reader(follow: boolean): (enough?: string) => Promise<string> {
    const pieces = readLogFile(path, { follow, signal, isRunning })[Symbol.asyncIterator]();
    let text = "";
    return async (enough) => {
      while (enough === undefined || !text.endsWith(enough)) {
        const { done, value } = await pieces.next();
        if (done === true) break;
        text += Buffer.from(value).toString();
      }
      return text;
    };
  }

  test("is read as far as it goes, and no further", async () => {
    writeFileSync(path, "a\nb\n");
    const read = reader(false);
    await read("b\n");
    appendFileSync(path, "c\n");
    assert.equal(await read(), "a\nb\n");
  });

  test("that is not there is empty", async () => {
    assert.equal(await reader(false)(), "");
  });

  test("is followed from before it is there until nobody writes it any more", async () => {
    const read = reader(true);
    const first = read("a\n");
    writeFileSync(path, "a\n");
    await first;
    appendFileSync(path, "b\n");
    await read("b\n");
    appendFileSync(path, "c\n");
    running = false;
    assert.equal(await read(), "a\nb\nc\n");
  });

  test("that another takes the place of is read to its end, then the other", async () => {
    writeFileSync(path, "a\n");
    const read = reader(true);
    await read("a\n");
    appendFileSync(path, "b\n");
    writeFileSync(`${path}.new`, "c\n");
    renameSync(`${path}.new`, path);
    await read("c\n");
    running = false;
    assert.equal(await read(), "a\nb\nc\n");
  });

  test("that was cut short begins anew", async () => {
    writeFileSync(path, "first\n");
    const read = reader(true);
    await read("first\n");
    truncateSync(path, 0);
    appendFileSync(path, "b\n");
    await read("b\n");
    running = false;
    assert.equal(await read(), "first\nb\n");
  });

  test("is let go of while nothing comes", async () => {
    writeFileSync(path, "a\n");
    const pieces = readLogFile(path, { follow: true, signal, isRunning })[Symbol.asyncIterator]();
    await pieces.next();
    const waiting = pieces.next();
    await pieces.return?.();
    assert.equal((await waiting).done, true);
  });
});
