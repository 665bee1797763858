import assert from "node:assert/strict";
import { test } from "node:test";
import { withAllOutput } from "./lost-output.ts";

for (const [what, dropping, times] of [
  ["never", 0, 1],
  ["once", 1, 2],
  ["always", 9, 3],
] as const)
  test(`a kubectl that drops output ${what} runs ${times} times`, async () => {
    let run = 0;
    const ended = await withAllOutput(async () => ({
      stderr: run++ < dropping ? "E1126 websocket.go:297] Unknown stream id 1, discarding message\n" : "",
      run,
    }));
    assert.deepEqual([ended.run, run], [times, times]);
  });
