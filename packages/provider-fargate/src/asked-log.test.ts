// Which part of which log a container's run has, and how that is kept in a tag.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ContainerReport, isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import { askedLog } from "./asked-log.ts";
import { factsOf, factsText } from "./container-facts.ts";
import { type ContainerRuns, parseRuns, runsText } from "./container-runs.ts";
import { containerTag } from "./names.ts";

const running: ContainerReport = { name: "web", state: { running: {} }, containerID: "fargate://b" };
const waits: ContainerReport = { ...running, state: { waiting: { reason: "CrashLoopBackOff" } } };
const starts: ContainerReport = { name: "web", state: { waiting: { reason: "ContainerCreating" } } };

function ask(
  previous: boolean,
  runs: ContainerRuns | undefined,
  {
    report = running,
    hasEnded = false,
    task,
    containerID,
  }: {
    readonly report?: ContainerReport;
    readonly hasEnded?: boolean;
    readonly task?: string;
    readonly containerID?: string;
  } = {},
): object {
  const asked = askedLog({ name: "web", report, runs, hasEnded, task }, { previous, containerID });
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
}

const here: ContainerRuns = { count: 2, runtimeId: "b", since: 50, before: { from: 20, to: 60 } };
const there: ContainerRuns = { count: 1, runtimeId: "b", before: { task: "t1", from: 20 } };

describe("the log of a run", () => {
  it("is a part of its task's", () => {
    assert.deepEqual(ask(false, undefined), { isOver: false });
    assert.deepEqual(ask(false, { count: 0, runtimeId: "b" }), { isOver: false });
    assert.deepEqual(ask(false, here), { from: 50, isOver: false });
    assert.deepEqual(ask(true, here), { from: 20, to: 60, isOver: true });
    assert.deepEqual(ask(true, there), { task: "t1", from: 20, isOver: true });
  });

  it("is that of the last one between two", () => {
    assert.deepEqual(ask(true, here, { report: waits, hasEnded: true }), { from: 50, isOver: false });
    assert.deepEqual(ask(true, there, { report: starts }), { task: "t1", from: 20, isOver: true });
  });

  it("is in the task that it ended in for good", () => {
    const ended = { ...running, state: { terminated: { exitCode: 0 } } };
    const done: ContainerRuns = { count: 1, runtimeId: "b", since: 50, before: { task: "t1", to: 60 } };
    assert.deepEqual(ask(false, done, { report: ended, task: "t1" }), { task: "t1", from: 50, isOver: true });
    assert.deepEqual(ask(true, done, { report: ended, task: "t1" }), { task: "t1", to: 60, isOver: true });
  });

  it("is that of the run that is named, whatever has begun since", () => {
    assert.deepEqual(ask(false, here, { containerID: "fargate://a" }), { from: 20, to: 60, isOver: true });
    assert.deepEqual(ask(true, here, { containerID: "fargate://b" }), { from: 50, isOver: false });
  });

  it("is not there without a run before, and cannot be told where nobody saw that run's end", () => {
    assert.throws(
      () => ask(true, { count: 0, runtimeId: "b" }),
      (error) => isErrorKind(error, "NotFound"),
    );
    assert.throws(
      () => ask(true, { count: 3, runtimeId: "b", since: 50 }),
      (error) => isErrorKind(error, "Unsupported") && /nobody saw when container web/.test(String(error)),
    );
  });
});

describe("a container's tag", () => {
  const all: ContainerRuns = {
    ...{ count: 3, runtimeId: `${"0a".repeat(16)}-1234567890`, lastEnd: { exitCode: 137, isOutOfMemory: true } },
    ...{ since: 1_793_000_000_000, before: { task: "f".repeat(32), from: 1_792_000_000_000, to: 1_793_000_000_000 } },
  };

  it("keeps what is known of runs, and what older programs kept", () => {
    const each: readonly ContainerRuns[] = [
      all,
      { count: 0 },
      { count: 1, runtimeId: "a", before: { from: 7 } },
      { count: 1, runtimeId: "a", since: 9 },
      { count: 2, lastEnd: { exitCode: 1, isOutOfMemory: false }, before: { task: "t1" } },
    ];
    for (const runs of each) assert.deepEqual(parseRuns(runsText(runs)), runs);
    assert.deepEqual(parseRuns("4 a-1 137/OOMKilled"), {
      ...{ count: 4, runtimeId: "a-1", lastEnd: { exitCode: 137, isOutOfMemory: true } },
    });
    for (const text of ["", "x a -", "1 a", "1 a - b", "1 a - z9"]) assert.equal(parseRuns(text), undefined, text);
  });

  it("has room for all that there may be, and does without where the logs are before it is too long", () => {
    const end = { exitCode: 255, isOutOfMemory: true };
    const finished = { end, task: "f".repeat(32), startedAt: 1_792_000_000, finishedAt: 1_793_000_000 };
    const facts = { kind: "sidecar", policy: "OnFailure", check: "readiness", finished };
    const read = (text: string) => factsOf("web", { [containerTag("web")]: text });
    const most = { ...facts, runs: { ...all, count: 99_999 } };
    assert.ok(factsText(most).length <= 256);
    assert.match(factsText(most), /^[\w+\-=.:/@ ]+$/, "characters of a tag");
    assert.deepEqual(read(factsText(most)), most);
    const long = { ...facts, runs: { ...all, runtimeId: "a".repeat(120) } };
    assert.ok(factsText(long).length <= 256);
    const { since: _, before: __, ...counted } = long.runs;
    assert.deepEqual(read(factsText(long)), { ...long, runs: counted });
  });
});
