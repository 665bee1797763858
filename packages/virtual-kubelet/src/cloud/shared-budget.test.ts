import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "../log.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import type { CallBudgetOptions } from "./call-budget.ts";
import { sharedBudget } from "./shared-budget.ts";

test("nodes of one account share their calls; other accounts and limits have their own", async () => {
  const clock = new FakeClock();
  const common = { clock, random: () => 0, log: silentLogger };
  const of = (perSecond: number): CallBudgetOptions => ({
    ...common,
    ...{ limits: { get: { perSecond, burst: 2 } }, fallback: { perSecond: 1, burst: 1 } },
  });
  const budgets = [sharedBudget("a", of(1)), sharedBudget("a", of(1))] as const;
  assert.equal(budgets[0], budgets[1]);
  assert.notEqual(sharedBudget("b", of(1)), budgets[0]);
  assert.notEqual(sharedBudget("a", of(2)), budgets[0]);

  const { signal } = new AbortController();
  let done = 0;
  const calls = budgets.flatMap((budget) =>
    [1, 2].map(() =>
      budget.run(
        "get",
        "now",
        async () => {
          done += 1;
        },
        { signal },
      ),
    ),
  );
  await clock.advance(0);
  assert.equal(done, 2, "the burst is for both together");
  await clock.advance(1000);
  assert.equal(done, 3);
  await clock.advance(1000);
  await Promise.all(calls);
  assert.equal(done, 4);
});
