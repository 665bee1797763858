import assert from "node:assert/strict";
import { test } from "node:test";
import type { CloudEvent } from "./cloud-backend.ts";
import { ToldEvents } from "./told-events.ts";

const event = (key: string, time = 0): CloudEvent => ({ key, time, eventType: "Normal", reason: "R", message: key });
const keys = (events: readonly CloudEvent[]): readonly string[] => events.map(({ key }) => key);

test("each is told once, the oldest first, also when an answer between leaves it out or has none at all", () => {
  const told = new ToldEvents(true);
  assert.deepEqual(keys(told.news([event("b", 2), event("a", 1)])), ["a", "b"]);
  assert.deepEqual(keys(told.news([])), []);
  assert.deepEqual(keys(told.news(undefined)), []);
  assert.deepEqual(keys(told.news([event("a", 1), event("b", 2), event("c", 3), event("c", 3)])), ["c"]);
});

test("of a group that was found, what the first answer with events shows is history", () => {
  const told = new ToldEvents(false);
  assert.deepEqual(keys(told.news(undefined)), []);
  assert.deepEqual(keys(told.news([event("a")])), []);
  assert.deepEqual(keys(told.news([event("a"), event("b")])), ["b"]);
});

test("no more is kept than what is shown and some that was", () => {
  const told = new ToldEvents(true);
  for (let index = 0; index < 1000; index++) told.news([event(`${index}`)]);
  assert.deepEqual(keys(told.news([event("999"), event("850")])), [], "still known");
  assert.deepEqual(keys(told.news([event("1")])), ["1"], "forgotten");
});
