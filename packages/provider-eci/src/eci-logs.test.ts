// Which run's log is read, and what is asked for it.
import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { type CallContext, type ContainerReport, isErrorKind, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import type { GroupContainer } from "@virtual-kubelet/virtual-kubelet/cloud";
import { FakeClock } from "@virtual-kubelet/virtual-kubelet/testing";
import type { EciClient } from "./eci-client.ts";
import { isPrevious, readLogs } from "./eci-logs.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const owner = { cluster: "c1", node: "vk", namespace: "shop", name: "web", uid: "uid-web" };
const id = (run: number): string => `eci://eci-1/web/${run}`;
const running = { state: { running: {} }, restartCount: 2, containerID: id(2) };
const before = { lastState: { terminated: { exitCode: 1, containerID: id(2) } } };

function target(report: Partial<ContainerReport>): GroupContainer {
  const containers = [{ name: "web", state: { waiting: {} }, ...report }];
  return { container: "web", group: { owner, id: "eci-1", stage: "running", containers } };
}

describe("the run", () => {
  it("is the present one, unless the one before is meant", () => {
    assert.equal(isPrevious(target({ ...running, ...before }), {}), false);
    assert.equal(isPrevious(target({ ...running, ...before }), { previous: true }), true);
    assert.equal(isPrevious(target({ ...running, ...before }), { containerID: id(2), previous: true }), false);
    assert.equal(isPrevious(target({ ...running, ...before }), { containerID: id(1) }), true);
  });

  it("before is that of a container that waits to start anew", () => {
    assert.equal(isPrevious(target({ state: { waiting: { reason: "CrashLoopBackOff" } }, ...before }), {}), true);
  });

  const none: readonly (readonly [string, Partial<ContainerReport>, object])[] = [
    ["that is older than what is kept", { ...running, ...before }, { containerID: id(0) }],
    ["before the first", running, { previous: true }],
    ["of a container that has not begun", { state: { waiting: { reason: "ErrImagePull" } } }, {}],
  ];
  for (const [what, report, options] of none)
    it(`${what} is NotFound`, () => {
      assert.throws(
        () => isPrevious(target(report), options),
        (error) => isErrorKind(error, "NotFound"),
      );
    });
});

describe("what is asked for", () => {
  const asked: Parameters<EciClient["log"]>[2][] = [];
  const reader = {
    clock: new FakeClock(0),
    followEveryMs: 10,
    client: {
      describe: async () => [],
      log: async (_id: string, _container: string, options: Parameters<EciClient["log"]>[2]) => {
        asked.push(options);
        return "2026-01-01T00:00:00Z line\n";
      },
    },
  };

  it("is what the cloud gives at most, with times; or as many lines as are wanted", async () => {
    const all = await readLogs(reader, target(running), {}, context);
    assert.deepEqual(
      [all.format, all.applied, await text(all.data)],
      ["timestamped", [], "2026-01-01T00:00:00Z line\n"],
    );
    const some = await readLogs(
      reader,
      target(running),
      { tailLines: 7, sinceTime: "2026-01-01T00:00:00.5Z" },
      context,
    );
    assert.deepEqual(some.applied, ["tailLines"]);
    await readLogs(reader, target({ ...running, ...before }), { previous: true }, context);
    await readLogs(reader, target(running), { sinceTime: "2026-01-01T00:00:07.9Z" }, context);
    assert.deepEqual(asked, [
      { tail: 2000, timestamps: true },
      { tail: 7, timestamps: true },
      { tail: 2000, timestamps: true, previous: true },
      { tail: 2000, startTime: "2026-01-01T00:00:07Z", timestamps: true },
    ]);
  });

  it("is nothing where no line is wanted", async () => {
    const before = asked.length;
    const { data } = await readLogs(reader, target(running), { tailLines: 0 }, context);
    assert.equal(await text(data), "");
    assert.equal(asked.length, before);
  });
});
