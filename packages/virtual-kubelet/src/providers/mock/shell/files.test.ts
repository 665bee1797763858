// The files of a simulated container: paths, links, bounds; what is written is what is read.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Budget, Files } from "./files.ts";

function newFiles(capacity = 10_000_000, budget: Budget = { left: 2 * capacity }): Files {
  return new Files(capacity, budget, () => 0);
}

function contentOf(files: Files, path: string): Buffer {
  return Buffer.concat([...files.read(path)]);
}

test("a file has the bytes appended to it, however they were cut", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100_000 }), { maxLength: 8 }), (chunks) => {
      const files = newFiles();
      files.create("/x");
      for (const chunk of chunks) assert.equal(files.append("/x", chunk), undefined);
      assert.deepEqual(contentOf(files, "/x"), Buffer.concat(chunks));
      assert.equal(files.stat("/x")?.size, Buffer.concat(chunks).length);
    }),
    { numRuns: 50 },
  );
});

test("a reader keeps what it was given while the file is written on", () => {
  const files = newFiles();
  files.create("/x");
  files.append("/x", Buffer.from("one"));
  const [read] = [...files.read("/x")];
  files.append("/x", Buffer.from("two"));
  files.create("/x");
  files.append("/x", Buffer.from("zzzzzz"));
  assert.equal(Buffer.from(read ?? []).toString("utf8"), "one");
});

test("everything held is within the run's capacity and the budget of all, and is given back", () => {
  const budget = { left: 50_000 };
  const [one, two] = [newFiles(40_000, budget), newFiles(40_000, budget)];
  one.create("/x");
  assert.equal(one.append("/x", new Uint8Array(39_000)), undefined);
  assert.equal(one.append("/x", new Uint8Array(1000)), "No space left on device", "the run's own");
  two.create("/x");
  assert.equal(two.append("/x", new Uint8Array(20_000)), "No space left on device", "that of all");
  one.remove("/x", false);
  assert.equal(two.append("/x", new Uint8Array(20_000)), undefined);
  one.close();
  two.close();
  assert.equal(budget.left, 50_000);
  let made = 0;
  const names = newFiles(100_000);
  while (names.create(`/${made}`) === undefined) made += 1;
  assert.ok(made > 100 && made < 200, `${made} empty files cost something too`);
});

test("links are followed, but not in circles", () => {
  const files = newFiles();
  files.makeDirectory("/a/b", true);
  files.create("/a/b/c");
  files.link("/to", "a/b");
  files.link("/a/up", "../to/c");
  files.link("/self", "self");
  assert.equal(files.stat("/to/c")?.kind, "file");
  assert.equal(files.stat("/a/up")?.kind, "file");
  assert.equal(files.stat("/a/up", true)?.target, "../to/c");
  assert.deepEqual(files.list("/to"), ["c"]);
  assert.equal(files.stat("/self"), undefined);
  assert.equal(files.create("/self"), "Too many levels of symbolic links");
});

test("what is no directory has nothing in it", () => {
  const files = newFiles();
  files.create("/x");
  assert.equal(files.create("/x/y"), "Not a directory");
  assert.equal(files.create("/none/y"), "No such file or directory");
  assert.equal(files.makeDirectory("/x", true), "File exists");
  assert.equal(files.makeDirectory("/n/o", false), "No such file or directory");
  assert.equal(files.list("/x"), undefined);
  assert.equal(files.remove("/", true), "No such file or directory");
  files.makeDirectory("/d/e", true);
  assert.equal(files.remove("/d", false), "Is a directory");
  assert.equal(files.remove("/d", true), undefined);
  assert.deepEqual(files.list("/"), ["x"]);
});
