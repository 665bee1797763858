import assert from "node:assert/strict";
import { test } from "node:test";
import type { RuntimeContainer } from "./container-runtime.ts";
import { chosenRun, runByID } from "./run-choice.ts";

const run = (name: string, attempt: number, state: RuntimeContainer["state"]): RuntimeContainer => ({
  ...{ podUid: "u1", name, attempt, state, id: `${name}-${attempt}` },
  ...{ image: "a:1", imageID: "", createdAt: 0, notes: {} },
});
const runs = [run("main", 0, "exited"), run("main", 2, "created"), run("main", 1, "exited"), run("side", 0, "running")];

test("the last run and the one before it are those that have begun", () => {
  assert.deepEqual(chosenRun(runs, "main", "last"), { podUid: "u1", name: "main", attempt: 1 });
  assert.deepEqual(chosenRun(runs, "main", "previous"), { podUid: "u1", name: "main", attempt: 0 });
  assert.deepEqual(chosenRun(runs, "side", "running"), { podUid: "u1", name: "side", attempt: 0 });
  for (const [container, which] of [
    ["main", "running"],
    ["side", "previous"],
    ["nobody", "last"],
  ] as const)
    assert.throws(() => chosenRun(runs, container, which), { kind: "NotFound" });
});

test("a run is found by what was reported of it, in its own container", () => {
  assert.deepEqual(runByID(runs, "main", "test://main-0"), { podUid: "u1", name: "main", attempt: 0 });
  for (const [container, id] of [
    ["main", "test://main-7"],
    ["side", "test://main-0"],
  ] as const)
    assert.throws(() => runByID(runs, container, id), { kind: "NotFound" });
});
