import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RefusalPacer } from "./refusal-pacer.ts";

const minute = 60_000;

/** A controller that keeps `replicas` pods and replaces a Failed one at once; says when it made pods. */
function replacements(replicas: number, forMs: number): readonly number[] {
  const pacer = new RefusalPacer();
  const made: number[] = [];
  const failing: number[] = [];
  const make = (now: number): void => {
    made.push(now);
    failing.push(now + pacer.delay("owner", now));
  };
  for (let count = 0; count < replicas; count++) make(0);
  for (;;) {
    failing.sort((a, b) => a - b);
    const next = failing.shift();
    if (next === undefined || next > forMs) return made;
    make(next);
  }
}

describe("RefusalPacer", () => {
  it("holds 0, 10, 20, 40 s and so on, 5 min at most", () => {
    const pacer = new RefusalPacer();
    const delays = Array.from({ length: 9 }, () => pacer.delay("o", 0) / 1000);
    assert.deepEqual(delays, [0, 10, 20, 40, 80, 160, 300, 300, 300]);
    assert.equal(pacer.delay("other", 0), 0);
  });

  it("paces no pod without a controller", () => {
    const pacer = new RefusalPacer();
    for (let count = 0; count < 5; count++) assert.equal(pacer.delay(undefined, 0), 0);
    assert.equal(pacer.size, 0);
  });

  it("forgets an owner after 15 min without a refusal, not before", () => {
    const pacer = new RefusalPacer();
    pacer.delay("o", 0);
    assert.equal(pacer.delay("o", 14 * minute), 10_000);
    assert.equal(pacer.delay("o", 29 * minute), 0);
  });

  it("remembers a limited number of owners, the latest", () => {
    const pacer = new RefusalPacer();
    for (let index = 0; index < 10_000; index++) pacer.delay(`o${index}`, index);
    assert.ok(pacer.size <= 4096);
    assert.equal(pacer.delay("o9999", 10_000), 10_000);
    assert.equal(pacer.delay("o0", 10_000), 0);
  });

  it("keeps a DaemonSet's and a Deployment's controller from spinning", () => {
    assert.ok(replacements(1, 10 * minute).length <= 8, "one pod at a time");
    const made = replacements(5, 10 * minute);
    for (let start = 0; start < 10; start++) {
      const inMinute = made.filter((at) => at >= start * minute && at < (start + 1) * minute).length;
      assert.ok(inMinute <= 5 + 4, `${inMinute} pods in minute ${start}`);
    }
    assert.ok(made.length <= 30, `${made.length} pods in ten minutes`);
  });
});
