// What is told of processes that have gone, and how often while nobody takes it up.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { ProcessWatch } from "./process-watch.ts";

test("a process that has gone is told of at once, and less often while nothing comes of it", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const child = spawn("sleep", ["100"], { stdio: "ignore" });
  await once(child, "spawn");
  let told = 0;
  const watch = new ProcessWatch(() => {
    told += 1;
  });
  t.after(() => watch.close());
  watch.keep("a", child.pid ?? 0);
  t.mock.timers.tick(100);
  assert.equal(told, 0);
  child.kill("SIGKILL");
  await once(child, "exit");
  t.mock.timers.tick(50);
  assert.equal(told, 1);
  t.mock.timers.tick(60_000);
  assert.ok(told > 30 && told < 60, `told ${told} times in a minute`);
  watch.forget("a");
  const before = told;
  t.mock.timers.tick(60_000);
  assert.equal(told, before);
});
