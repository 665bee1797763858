import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultPace, firstLookMs, nextLookMs, type PollState } from "./poll-schedule.ts";

const now = 1_000_000_000;
const state: PollState = {
  ...{ stage: "running", since: now - 3_600_000, awaited: false, pushed: false, failures: 0 },
  ...{ steadyCalls: 1, changingCalls: 1, freshCalls: 1 },
};

for (const [what, change, expected] of [
  ["runs for long", {}, 20_000],
  ["has just begun to run", { since: now - 1000 }, 4000],
  ["has begun to run ten seconds ago", { since: now - 10_000 }, 10_000],
  ["has begun to run with some others", { since: now - 1000, freshCalls: 50, steadyCalls: 200 }, 15_000],
  ["has begun to run with many others", { since: now - 1000, freshCalls: 100, steadyCalls: 1000 }, 40_000],
  ["runs while many others begin to", { freshCalls: 100, steadyCalls: 1000 }, 400_000],
  ["runs with few others, while some begin to", { freshCalls: 30, steadyCalls: 50 }, 20_000],
  ["runs while the cloud pushes", { pushed: true }, 120_000],
  ["is waited for", { awaited: true }, 2000],
  ["is waited for, and has ended", { stage: "ended", awaited: true }, 2000],
  ["has ended", { stage: "ended" }, undefined],
  ["has ended, and failed to be looked at", { stage: "ended", failures: 3 }, undefined],
  ["starts", { stage: "starting", since: now }, 2000],
  ["starts for a minute", { stage: "starting", since: now - 60_000 }, 4000],
  ["starts with a hundred others", { stage: "starting", since: now, changingCalls: 100 }, 10_000],
  ["is waited for with a hundred others", { awaited: true, changingCalls: 100 }, 10_000],
  ["is waited for with a thousand others", { awaited: true, changingCalls: 1000 }, 30_000],
  ["starts for ever", { stage: "starting" }, 10_000],
  ["could not be looked at once", { stage: "starting", since: now, failures: 1 }, 4000],
  ["could not be looked at for long", { failures: 50 }, 60_000],
  ["is one of a thousand, each a call", { steadyCalls: 1000, freshCalls: 0 }, 200_000],
  ["is one of a thousand, in batches of a hundred", { steadyCalls: 10 }, 20_000],
] as const satisfies readonly (readonly [string, Partial<PollState>, number | undefined])[])
  test(`a group that ${what}`, () => {
    assert.equal(nextLookMs({ ...state, ...change }, now, defaultPace), expected);
  });

test("what was just made is looked at a moment later, with many others after more", () => {
  assert.equal(firstLookMs({ changingCalls: 1 }, defaultPace), 1000);
  assert.equal(firstLookMs({ changingCalls: 150 }, defaultPace), 15_000);
});
