// Waiting with a deadline, for tests: for what comes, and that something holds all the time.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { errorText } from "../errors.ts";

/** Deadlines are given as for a machine that does nothing else: one that is busy is late, not wrong. */
const allowance = 5;

/**
 * Waits until `check` answers something other than undefined or false; what it throws counts as "not yet". `deadlineMs`: of a
 * quiet machine; five times that are waited. Assert on times where they are what is tested.
 */
export async function eventually<T>(
  description: string,
  deadlineMs: number,
  check: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = Date.now() + deadlineMs * allowance;
  for (let wait = 25; ; wait = Math.min(250, wait * 1.3)) {
    let last = "";
    try {
      const found = await check();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = errorText(error);
    }
    assert.ok(
      Date.now() < deadline,
      `not within ${deadlineMs * allowance} ms: ${description}${last === "" ? "" : ` (${last})`}`,
    );
    await sleep(wait);
  }
}

/** Watches for `durationMs` that `check` holds all the time: for what must not happen. */
export async function throughout(
  description: string,
  durationMs: number,
  check: () => Promise<boolean> | boolean,
): Promise<void> {
  for (const end = Date.now() + durationMs; Date.now() < end; await sleep(200)) assert.ok(await check(), description);
}
