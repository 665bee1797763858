// What happened to a pod, in order.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, container, factsOf, now } from "../testing/why-facts.ts";
import { timeline } from "./why-timeline.ts";

test("the timeline is in order, with both forms of events, and bounded", () => {
  const facts = factsOf({
    status: {
      conditions: [{ type: "PodScheduled", status: "True", lastTransitionTime: at(299) }],
      containerStatuses: [
        container({
          state: { running: { startedAt: at(1) } },
          lastState: { terminated: { exitCode: 3, startedAt: at(30), finishedAt: at(20) } },
        }),
      ],
    },
    events: [
      { reason: "BackOff", message: "b", series: { count: 7, lastObservedTime: at(2) }, eventTime: at(19) },
      { reason: "Pulled", message: "p", type: "Normal", lastTimestamp: at(31), firstTimestamp: at(31), count: 1 },
    ],
  });
  assert.deepEqual(
    timeline(facts).map(({ time, what }) => [(now - time) / 1000, what]),
    [
      [300, "created"],
      [299, "bound to node vk"],
      [31, "Pulled: p"],
      [30, "container c started"],
      [20, "container c ended with 3"],
      [2, "! BackOff: b (7 times, first 00:09:41)"],
      [1, "container c started"],
    ],
  );
  const inOneSecond = factsOf({
    status: {
      conditions: [{ type: "Ready", status: "True", lastTransitionTime: at(300) }],
      containerStatuses: [container({ state: { running: { startedAt: at(300) } } })],
    },
    events: [{ reason: "Scheduled", message: "s", eventTime: at(299.5) }],
  });
  assert.deepEqual(
    timeline(inOneSecond).map(({ what }) => what),
    ["created", "! Scheduled: s", "container c started", "Ready=True"],
    "an event with a fraction of a second is not told after what follows from it",
  );
  const many = factsOf({
    events: Array.from({ length: 200 }, (_, n) => ({ reason: `R${n}`, lastTimestamp: at(200 - n) })),
  });
  const told = timeline(many);
  assert.equal(told.length, 40);
  assert.equal(told[0]?.what, "created");
  assert.match(told.at(-1)?.what ?? "", /R199/);
});
