// What pods come to by answers of a real agent, as they were recorded: testdata/recorded says of which version.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import * as v from "valibot";
import { attemptsOf } from "./attempts.ts";
import * as answers from "./http/answers.ts";
import { jobReport } from "./job-report.ts";

const recording = v.object({ agent: v.literal("2.0.6-dev"), job: v.unknown(), allocations: v.unknown() });
const owner = { cluster: "c", node: "n", namespace: "default", name: "p", uid: "u" };

function groupOf(name: string): CloudGroup {
  const file = join(import.meta.dirname, "testdata/recorded", `${name}.json`);
  const recorded = v.parse(recording, JSON.parse(readFileSync(file, "utf8")));
  const job = answers.jobAnswer(recorded.job);
  const attempts = attemptsOf(answers.allocations(recorded.allocations), job);
  const network = { mode: "host", podIP: "allocation" as const };
  const { allocation } = attempts;
  return jobReport({ job, owner, network, attempts, allocation, unplaced: undefined }).group;
}

const containerOf = (group: CloudGroup, name = "main") => {
  const found = group.containers.find((each) => each.name === name);
  assert.ok(found !== undefined);
  return found;
};

describe("answers of a real agent", () => {
  it("of an image that is not there leave the pod waiting", () => {
    const group = groupOf("image-missing");
    assert.deepEqual([group.stage, group.failure], ["starting", undefined]);
    const { state, restartCount } = containerOf(group);
    assert.deepEqual([state.waiting?.reason, restartCount], ["ImagePullBackOff", 0]);
    assert.match(state.waiting?.message ?? "", /^Failed to pull `registry\.example\/none:1`/);
  });

  it("of a command that is not there leave the pod waiting", () => {
    const group = groupOf("command-missing");
    assert.deepEqual([group.stage, group.failure], ["starting", undefined]);
    assert.equal(containerOf(group).state.waiting?.reason, "CreateContainerError");
  });

  it("of such a command beside a container that ran end the pod, with Nomad's words", () => {
    const group = groupOf("sibling-unstarted");
    assert.deepEqual([group.stage, group.failure?.reason], ["ended", "FailedToStart"]);
    assert.match(group.failure?.message ?? "", /stat \/nonexistent: no such file or directory/);
    const { terminated } = containerOf(group, "good").state;
    assert.deepEqual([terminated?.exitCode, terminated?.message], [0, `Task's sibling "bad" failed`]);
  });

  it("of a container that ends again and again count its runs, with the code of the last", () => {
    const { state, lastState, restartCount = 0 } = containerOf(groupOf("crash-loop"));
    assert.ok(restartCount > 5);
    assert.ok(state.waiting?.reason === "CrashLoopBackOff" || state.running !== undefined, JSON.stringify(state));
    assert.equal(lastState?.terminated?.exitCode, 3);
  });

  it("of a container that was restarted from outside tell its run before", () => {
    const { lastState, restartCount = 0 } = containerOf(groupOf("restarted"));
    assert.ok(restartCount > 5);
    assert.equal(lastState?.terminated?.exitCode, 0);
  });

  it("of a pod that runs have all of it", () => {
    const group = groupOf("running");
    assert.equal(group.stage, "running");
    assert.deepEqual(
      group.containers.map(({ name, state }) => [name, state.terminated?.exitCode, state.running !== undefined]),
      [
        ["first", 0, false],
        ["second", 0, false],
        ["main", undefined, true],
      ],
    );
    assert.deepEqual(group.podIPs, ["127.0.0.1"]);
  });
});
