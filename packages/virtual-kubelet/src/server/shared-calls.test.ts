// One call for all who wait, turns in order, time limits, and nobody's leaving hurts another.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { SharedCalls } from "./shared-calls.ts";

interface Work {
  readonly name: string;
  readonly signal: AbortSignal;
  /** Begun for nobody. */
  readonly late: boolean;
  readonly answer: (value: string) => void;
  readonly fail: (error: Error) => void;
}

function bench(options: { readonly running?: number; readonly limit?: number } = {}): {
  readonly clock: FakeClock;
  readonly calls: SharedCalls<string>;
  readonly begun: Work[];
  readonly call: (key: string, signal?: AbortSignal) => Promise<string>;
} {
  const clock = new FakeClock();
  const { running = 100, limit = 1000 } = options;
  const calls = new SharedCalls<string>({ clock, what: "review", deadlineMs: 10_000, running, limit });
  const begun: Work[] = [];
  const call = (key: string, signal = new AbortController().signal): Promise<string> =>
    calls.call(key, signal, (shared) => {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      begun.push({ name: key, signal: shared, late: shared.aborted, answer: resolve, fail: reject });
      return promise;
    });
  return { clock, calls, begun, call };
}

const kind =
  (wanted: string) =>
  (error: unknown): boolean =>
    error instanceof VirtualKubeletError && error.kind === wanted;

describe("shared calls", () => {
  it("are made once for all who ask the same, and again for who asks later", async () => {
    const { calls, begun, call } = bench();
    const asked = Array.from({ length: 1000 }, () => call("a"));
    await settle();
    assert.equal(begun.length, 1);
    begun[0]?.answer("yes");
    assert.deepEqual(new Set(await Promise.all(asked)), new Set(["yes"]));
    assert.equal(calls.size, 0);
    const again = call("a");
    await settle();
    begun[1]?.answer("no");
    assert.equal(await again, "no");
  });

  it("fail for all who ask the same, and are forgotten", async () => {
    const { begun, call } = bench();
    const asked = [call("a"), call("a")];
    await settle();
    begun[0]?.fail(new VirtualKubeletError("Unavailable", "down"));
    for (const each of asked) await assert.rejects(each, kind("Unavailable"));
    const again = call("a");
    await settle();
    begun[1]?.answer("yes");
    assert.equal(await again, "yes");
  });

  it("go on when one of those who wait leaves, and end with the last one", async () => {
    const { calls, begun, call } = bench();
    const [first, second] = [new AbortController(), new AbortController()];
    const one = call("a", first.signal);
    const two = call("a", second.signal);
    await settle();
    first.abort();
    await assert.rejects(one, kind("Aborted"));
    assert.equal(begun[0]?.signal.aborted, false);
    second.abort();
    await assert.rejects(two, kind("Aborted"));
    assert.equal(begun[0]?.signal.aborted, true);
    assert.equal(calls.size, 0);
  });

  it("are begun anew for who comes in the moment in which the last one leaves", async () => {
    const { begun, call } = bench();
    const leaving = new AbortController();
    const one = call("a", leaving.signal);
    await settle();
    leaving.abort();
    const left = one.catch(() => call("a"));
    await settle();
    begun.at(-1)?.answer("yes");
    assert.equal(await left, "yes");
    assert.equal(begun.length, 2);
  });

  it("are not begun for who has left before", async () => {
    const { begun, call } = bench();
    await assert.rejects(call("a", AbortSignal.abort()), kind("Aborted"));
    assert.equal(begun.length, 0);
  });

  it("end at the deadline, even when the work does not listen", async () => {
    const { clock, calls, begun, call } = bench();
    const asked = assert.rejects(
      call("a"),
      (error: unknown) => kind("Unavailable")(error) && /10 s/.test(String(error)),
    );
    await clock.advance(10_000);
    await asked;
    assert.equal(begun[0]?.signal.aborted, true);
    assert.equal(calls.size, 0);
    assert.equal(clock.pending, 0);
  });

  it("leave no timer behind", async () => {
    const { clock, begun, call } = bench();
    const asked = call("a");
    await settle();
    begun[0]?.answer("yes");
    await asked;
    assert.equal(clock.pending, 0);
  });

  it("run so many at once, in the order in which they came; one too many is refused", async () => {
    const { calls, begun, call } = bench({ running: 2, limit: 4 });
    const asked = ["a", "b", "c", "d"].map((key) => call(key));
    await settle();
    assert.deepEqual(
      begun.map(({ name }) => name),
      ["a", "b"],
    );
    await assert.rejects(call("e"), kind("Unavailable"));
    const same = call("d");
    begun[1]?.answer("B");
    await settle();
    assert.equal(begun[2]?.name, "c");
    begun[0]?.fail(new VirtualKubeletError("Unavailable", "down"));
    await assert.rejects(asked[0] ?? Promise.resolve(), kind("Unavailable"));
    await settle();
    assert.equal(begun[3]?.name, "d");
    begun[2]?.answer("C");
    begun[3]?.answer("D");
    assert.deepEqual(await Promise.all([...asked.slice(1), same]), ["B", "C", "D", "D"]);
    assert.equal(calls.size, 0);
  });

  it("that leave the line take no turn with them; a call that hangs holds the line up until its deadline", async () => {
    const { clock, begun, call } = bench({ running: 1 });
    const leaving = new AbortController();
    const hangs = assert.rejects(call("a"), kind("Unavailable"));
    await clock.advance(1);
    const left = assert.rejects(call("b", leaving.signal), kind("Aborted"));
    const next = call("c");
    await settle();
    leaving.abort();
    await left;
    await clock.advance(9_999);
    await hangs;
    assert.deepEqual(
      begun.map(({ name }) => name),
      ["a", "c"],
    );
    begun[1]?.answer("yes");
    assert.equal(await next, "yes");
  });

  it("hand a turn on that came as its caller left, and are begun for nobody", async () => {
    for (let ticks = 0; ticks < 30; ticks++) {
      const { begun, call } = bench({ running: 1 });
      const leaving = new AbortController();
      const first = call("a");
      const left = assert.rejects(call("b", leaving.signal), kind("Aborted"));
      const third = call("c");
      await settle();
      begun[0]?.answer("A");
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      leaving.abort();
      await left;
      await first;
      await settle();
      assert.ok(begun.every(({ late }) => !late));
      begun.at(-1)?.answer("C");
      assert.equal(await third, "C");
    }
  });
});
