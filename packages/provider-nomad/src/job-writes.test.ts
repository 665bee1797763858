// Nothing of a job is written once it goes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { JobWrites } from "./job-writes.ts";

test("a job is left when what is being written of it has ended, well or not; nothing is written after it", async () => {
  const writes = new JobWrites();
  const written: string[] = [];
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  const writing = [
    writes.write("a", () => first.promise),
    assert.rejects(
      writes.write("a", () => second.promise),
      /no path/,
    ),
  ];
  let isLeft = false;
  const leaving = writes.leave("a").then(() => {
    isLeft = true;
  });
  await writes.write("a", async () => {
    written.push("a");
  });
  await writes.write("b", async () => {
    written.push("b");
  });
  first.resolve();
  await new Promise(setImmediate);
  assert.ok(!isLeft);
  second.reject(new Error("no path to client"));
  await Promise.all([...writing, leaving]);
  assert.deepEqual(written, ["b"]);
  assert.deepEqual([writes.isGoing("a"), writes.isGoing("b")], [true, false]);
});

test("a job that comes back is written again", async () => {
  const writes = new JobWrites();
  const written: string[] = [];
  await writes.leave("a");
  writes.begin("a");
  await writes.write("a", async () => {
    written.push("a");
  });
  assert.deepEqual(written, ["a"]);
});

test("of jobs that are long gone nothing is remembered", async () => {
  const writes = new JobWrites();
  for (let index = 0; index <= 1000; index++) await writes.leave(`job-${index}`);
  assert.deepEqual([writes.isGoing("job-0"), writes.isGoing("job-1"), writes.isGoing("job-1000")], [false, true, true]);
});
