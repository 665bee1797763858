// The comparison of histories can fail.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { departure, statusLine } from "./status-history.ts";

describe("departure", () => {
  const golden = `
      a
    ? b
    ? b
      c
    ? d`;
  for (const lines of ["a c", "a b c", "a b b c", "a c d"])
    it(`is none for ${lines}`, () => assert.equal(departure(lines.split(" "), golden), undefined));
  for (const lines of ["a", "c", "a b", "a b b b c", "a c c", "a c d d", "b a c", "a d c", "a c e"])
    it(`is told for ${lines}`, () => assert.match(departure(lines.split(" "), golden) ?? "", /golden/));
  it("is told for nothing at all", () => assert.match(departure([], golden) ?? "", /too soon/));
});

it("a status in a line", () => {
  const conditions = ["Initialized", "PodScheduled", "ContainersReady"].map((type) => ({ type, status: "True" }));
  const common = { image: "i", imageID: "" };
  const end = { terminated: { exitCode: 3, reason: "Error" } };
  const containerStatuses = [
    { ...common, name: "a", ready: true, started: true, restartCount: 2, state: { running: {} }, lastState: end },
    { ...common, name: "b", ready: false, started: true, restartCount: 0, state: { running: {} } },
    { ...common, name: "c", ready: false, started: false, restartCount: 0, state: { waiting: { reason: "Why" } } },
  ];
  assert.equal(
    statusLine({ status: { phase: "Running", conditions, containerStatuses } }),
    "Running init ContainersReady=true | a:running+ready#2<exited(3,Error) b:running+started c:waiting(Why)",
  );
});
