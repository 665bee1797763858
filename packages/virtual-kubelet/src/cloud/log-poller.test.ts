import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import { FakeClock, settle } from "../testing/fake-clock.ts";
import { overlap, type PolledLine } from "./log-overlap.ts";
import { followedByPolling, type PolledLog } from "./log-poller.ts";

const at = (second: number, text: string): PolledLine => ({ time: `2026-01-01T00:00:0${second}Z`, text });

/** Follows a script of answers, one a read; the last but one is final. */
async function followed(
  answers: readonly (PolledLog | Error)[],
  more: { readonly tailLines?: number } = {},
): Promise<{ readonly text: string; readonly since: (string | undefined)[]; readonly error: unknown }> {
  const clock = new FakeClock();
  const since: (string | undefined)[] = [];
  let reads = 0;
  const stream = followedByPolling({
    read: async (from) => {
      since.push(from);
      const answer = answers[Math.min(reads++, answers.length - 1)] ?? { lines: [] };
      if (answer instanceof Error) throw answer;
      return answer;
    },
    ended: async () => reads >= answers.length - 1,
    ...{ everyMs: 1_000, clock, signal: new AbortController().signal, ...more },
  });
  let text = "";
  let error: unknown;
  const reading = (async () => {
    for await (const chunk of stream) text += Buffer.from(chunk).toString("utf8");
  })().catch((thrown: unknown) => {
    error = thrown;
  });
  await clock.advance(120_000);
  await reading;
  return { text: text.replaceAll("2026-01-01T00:00:0", ""), since, error };
}

test("lines are told once and in order, whatever part of the log each answer holds", async () => {
  const { text, since } = await followed([
    { lines: [at(1, "a"), at(1, "a"), at(2, "b")] },
    { lines: [at(1, "a"), at(2, "b"), at(2, "b")] },
    { lines: [at(2, "b"), at(2, "b"), at(3, "c")] },
    { lines: [] },
  ]);
  assert.equal(text, "1Z a\n1Z a\n2Z b\n2Z b\n3Z c\n");
  assert.deepEqual(since.slice(0, 3), [undefined, "2026-01-01T00:00:02Z", "2026-01-01T00:00:02Z"]);
});

test("a gap that cannot be closed is told, with and without times", async () => {
  const timed = await followed([{ lines: [at(1, "a")] }, { lines: [at(3, "b")] }]);
  assert.match(timed.text, /^1Z a\n3Z \[lines written in the last 1 s may be missing here.*\]\n3Z b\n$/);
  const plain = await followed([{ lines: [{ text: "a" }] }, { lines: [{ text: "b" }] }]);
  assert.match(plain.text, /^a\n\[lines .* may be missing here.*\]\nb\n$/);
});

test("a line that the cloud puts between others later is told, and the others not again", async () => {
  const { text } = await followed([
    { lines: [at(1, "a"), at(3, "c"), at(4, "d")] },
    { lines: [at(1, "a"), at(2, "b"), at(3, "c"), at(4, "d")] },
    { lines: [at(1, "a"), at(2, "b"), at(3, "c"), at(4, "d"), at(5, "e")] },
    { lines: [at(4, "d"), at(5, "e")] },
  ]);
  assert.equal(text, "1Z a\n3Z c\n4Z d\n2Z b\n5Z e\n");
});

test("an unfinished line is waited for, and told as it is at the end", async () => {
  const { text } = await followed([
    { lines: [at(1, "a"), at(2, "unfin")], isOpen: true },
    { lines: [at(1, "a"), at(2, "unfinished"), at(3, "las")], isOpen: true },
    { lines: [at(2, "unfinished"), at(3, "last")], isOpen: true },
    { lines: [at(2, "unfinished"), at(3, "last")], isOpen: true },
  ]);
  assert.equal(text, "1Z a\n2Z unfinished\n3Z last\n");
});

test("only the end of what is there at first is told, where that is asked for", async () => {
  const answers = [{ lines: [at(1, "a"), at(2, "b"), at(3, "c")] }, { lines: [at(3, "c"), at(4, "d")] }];
  assert.equal((await followed(answers, { tailLines: 1 })).text, "3Z c\n4Z d\n");
  assert.equal((await followed(answers, { tailLines: 0 })).text, "4Z d\n");
});

test("a cloud that fails for a moment is asked again, others' errors and lasting ones are thrown", async () => {
  const down = new VirtualKubeletError("Unavailable", "down");
  const { text, error } = await followed([{ lines: [at(1, "a")] }, down, down, { lines: [at(1, "a"), at(2, "b")] }]);
  assert.deepEqual([text, error], ["1Z a\n2Z b\n", undefined]);
  assert.ok(isErrorKind((await followed([{ lines: [at(1, "a")] }, down])).error, "Unavailable"));
  assert.ok(isErrorKind((await followed([new VirtualKubeletError("NotFound", "none")])).error, "NotFound"));
});

test("who leaves is not held up, and nothing is left behind", async () => {
  const clock = new FakeClock();
  const stream = followedByPolling({
    read: async () => ({ lines: [at(1, "a")] }),
    ended: async () => false,
    ...{ everyMs: 1_000, clock, signal: new AbortController().signal },
  });
  for await (const chunk of stream) {
    assert.ok(chunk.length > 0);
    break;
  }
  await settle();
  assert.equal(clock.pending, 0);
});

test("whatever is written between reads, what the answers reach is told once, and what they do not is told as a gap", () => {
  const batch = fc.array(fc.record({ second: fc.nat(2), text: fc.constantFrom("a", "b") }), { maxLength: 6 });
  fc.assert(
    fc.property(
      fc.array(batch, { maxLength: 10 }),
      fc.integer({ min: 1, max: 12 }),
      fc.boolean(),
      (batches, kept, timed) => {
        const written: PolledLine[] = [];
        const told: PolledLine[] = [];
        let time = 0;
        let lost = 0;
        for (const each of batches) {
          for (const { second, text } of each) {
            time += second;
            written.push(
              timed
                ? { time: `t${String(time).padStart(4, "0")}`, text: `${text}${written.length}` }
                : { text: `${text}${written.length}` },
            );
          }
          // The cloud keeps the last lines alone.
          const { fresh, isGap } = overlap(told.slice(-2 * kept), written.slice(-kept));
          if (each.length >= kept && told.length > 0) {
            lost += each.length > kept ? 1 : 0;
            if (!timed) assert.ok(isGap);
          } else assert.ok(!isGap);
          told.push(...fresh);
        }
        if (lost === 0) assert.deepEqual(told.slice(-kept), written.slice(-kept));
        assert.equal(new Set(told.map(({ text }) => text)).size, told.length, "told twice");
      },
    ),
  );
});

test("lines that are the same again and again are counted right while the answers are longer than what was written", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(4), { maxLength: 12 }), (counts) => {
      const written: PolledLine[] = [];
      const told: PolledLine[] = [];
      for (const count of counts) {
        for (let index = 0; index < count; index++) written.push(at(1, "same"));
        told.push(...overlap(told, written).fresh);
      }
      assert.equal(told.length, written.length);
    }),
  );
});
