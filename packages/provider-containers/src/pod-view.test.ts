// How containers of the engine show as runs of a pod.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ContainerDetails } from "./engine/engine-client.ts";
import type { Found } from "./inventory.ts";
import type { PodRecord } from "./pod-record.ts";
import { sandboxView } from "./pod-view.ts";

const owner = { cluster: "c", node: "n", namespace: "default", name: "pod", uid: "uid" };
const details = (change: Partial<ContainerDetails>): ContainerDetails => ({
  ...{ id: "id", labels: {}, state: "running", name: "name", createdAt: 1000, running: true, exitCode: 0, error: "" },
  ...{ oomKilled: false, pid: 1, image: "image", imageID: "sha256:1", addresses: [], logPath: "", logDriver: "" },
  ...{ tty: false, openStdin: false, cgroupPath: "", restartCount: 0 },
  ...change,
});
const infra = (change: Partial<ContainerDetails> = {}): Found => ({
  ...{ owner, notes: { of: "label" }, revision: "1" },
  details: details({ id: "infra", addresses: ["10.0.0.1"], ...change }),
});
const run = (change: Partial<ContainerDetails>, name = "main", attempt = 0): Found => ({
  ...{ owner, notes: {}, revision: "", run: { podUid: "uid", name, attempt } },
  details: details(change),
});
const record = (change: Partial<PodRecord> = {}): PodRecord => ({
  ...{ owner, revision: "2", notes: { of: "record" }, createdAt: 500, infra: "infra", cgroupParent: "" },
  startFaults: {},
  ...change,
});
const view = (of: PodRecord | undefined, ...found: readonly Found[]) =>
  sandboxView({
    ...{ record: of, found, hostIPs: ["192.0.2.1"] },
    reference: ({ imageID }) => `name@${imageID}`,
    endReason: ({ exitCode }) => (exitCode === 137 ? "OOMKilled" : undefined),
  });

describe("a sandbox", () => {
  const shown = (of: PodRecord | undefined, ...found: readonly Found[]): readonly unknown[] => {
    const sandbox = view(of, ...found);
    return [sandbox?.ready, sandbox?.revision, sandbox?.notes["of"], sandbox?.createdAt, sandbox?.ips];
  };
  test("that is ready", () => assert.deepEqual(shown(record(), infra()), [true, "2", "record", 500, ["10.0.0.1"]]));
  test("whose infra container has ended", () =>
    assert.deepEqual(shown(record(), infra({ running: false })), [false, "2", "record", 500, []]));
  test("whose making was broken off", () =>
    assert.deepEqual(shown(record({ infra: "" }), infra()), [false, "2", "record", 500, []]));
  test("that was made with another infra container", () =>
    assert.deepEqual(shown(record({ infra: "other" }), infra()), [false, "2", "record", 500, []]));
  test("of which there is a record alone", () => assert.deepEqual(shown(record()), [false, "2", "record", 500, []]));
  test("known by labels alone", () =>
    assert.deepEqual(shown(undefined, infra(), run({ createdAt: 900 })), [true, "1", "label", 900, ["10.0.0.1"]]));
  test("of which runs alone are left", () =>
    assert.deepEqual(shown(undefined, run({ createdAt: 900 })), [false, "", undefined, 900, []]));
  test("in the host's network", () => assert.deepEqual(shown(record(), infra({ addresses: [] }))[4], ["192.0.2.1"]));
  test("that is not there", () => assert.equal(view(undefined), undefined));
});

describe("a run", () => {
  const ended = { state: "exited", running: false, startedAt: 2000, finishedAt: 3000 };
  const cases: readonly (readonly [string, Partial<ContainerDetails>, readonly unknown[]])[] = [
    ["that runs", { startedAt: 2000 }, ["running", 2000, undefined, undefined, undefined]],
    ["that is made", { state: "created", running: false }, ["created", undefined, undefined, undefined, undefined]],
    ["that has ended", { ...ended, exitCode: 3 }, ["exited", 2000, 3000, 3, undefined]],
    ["of which the host knows more", { ...ended, exitCode: 137 }, ["exited", 2000, 3000, 137, "OOMKilled"]],
    ["whose end is before its start", { ...ended, finishedAt: 1990 }, ["exited", 2000, 2000, 0, undefined]],
    [
      "whose end nobody saw",
      { state: "created", running: false, startedAt: 2000 },
      ["exited", 2000, 2000, 255, "Unknown"],
    ],
    [
      "that the engine could not start",
      { state: "created", running: false, error: "no such file" },
      ["exited", 0, 1000, 128, "StartError"],
    ],
  ];
  for (const [what, change, expected] of cases)
    test(what, () => {
      const [found] = view(record(), infra(), run(change))?.containers ?? [];
      assert.deepEqual([found?.state, found?.startedAt, found?.finishedAt, found?.exitCode, found?.reason], expected);
      assert.equal(found?.imageID, "name@sha256:1");
    });
  test("that could not begin, as it was written down", () => {
    const startFaults = { "main/0": { at: 4000, message: "no such file" } };
    const [found] = view(record({ startFaults }), infra(), run({ state: "created", running: false }))?.containers ?? [];
    assert.deepEqual(
      [found?.state, found?.finishedAt, found?.exitCode, found?.reason, found?.message],
      ["exited", 4000, 128, "StartError", "no such file"],
    );
  });
});
