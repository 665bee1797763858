// The log of a container of Nomad, run by run.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import { JobWrites } from "./job-writes.ts";
import { RunLogs } from "./run-logs.ts";
import type { NomadFile, NomadVariable } from "./wire.ts";

const context = { signal: new AbortController().signal, log: silentLogger };
const target = { id: "vk-u", allocation: "a", task: "main" };
const owner = { cluster: "c", node: "n", namespace: "ns", name: "p", uid: "u" };

class Files {
  readonly variables = new Map<string, NomadVariable>();
  all: readonly NomadFile[] = [];
  asked = 0;
  fails = false;

  async logFiles(): Promise<readonly NomadFile[]> {
    this.asked += 1;
    if (this.fails) throw new VirtualKubeletError("Unavailable", "no path to client");
    return this.all;
  }

  async variable(path: string): Promise<NomadVariable | undefined> {
    return this.variables.get(path);
  }

  async putVariable(variable: NomadVariable): Promise<void> {
    this.variables.set(variable.Path, variable);
  }

  sizes(stdout: Readonly<Record<number, number>>, stderr = 0): void {
    this.all = [
      ...Object.entries(stdout).map(([file, Size]) => ({ Name: `main.stdout.${file}`, Size })),
      { Name: "main.stderr.0", Size: stderr },
      ...[".main.stdout.fifo", "main.stdout.old", "other.stdout.0"].map((Name) => ({ Name, Size: 7000 })),
    ];
  }
}

const files = new Files();
const runs = new RunLogs(files, owner, silentLogger, new JobWrites());
after(() => runs[Symbol.asyncDispose]());

function waiting(restartCount: number, code: number): CloudGroup {
  const lastState = { terminated: { exitCode: code } };
  const state = { waiting: { reason: "CrashLoopBackOff" } };
  return {
    ...{ owner, id: "vk-u", stage: "starting", annotations: { "backend.virtual-kubelet.io/nomad-allocation": "a" } },
    containers: [{ name: "main", state, lastState, restartCount }],
  };
}

describe("runs in a log", () => {
  it("are the whole log before anything was seen", async () => {
    assert.deepEqual(await runs.range({ ...target, run: 2 }, context), { stdout: { from: 0 }, stderr: { from: 0 } });
  });

  it("begin where the one before has ended, also across files, and are known to a later program", async () => {
    files.sizes({ 0: 100 }, 5);
    await runs.ended({ ...target, run: 0 }, context);
    files.sizes({ 0: 1000, 1: 50 }, 9);
    runs.look(waiting(1, 3));
    runs.look(waiting(1, 3));
    const later = new RunLogs(files, owner, silentLogger, new JobWrites());
    for (const each of [runs, later]) {
      while (!files.variables.get("nomad/jobs/vk-u/runs")?.Items["main"]?.includes('"run":1'))
        await new Promise(setImmediate);
      const of = (run: number) => each.range({ ...target, run }, context);
      assert.deepEqual(await of(0), { stdout: { from: 0, to: 100 }, stderr: { from: 0, to: 5 } });
      assert.deepEqual(await of(1), { stdout: { from: 100, to: 1050 }, stderr: { from: 5, to: 9 } });
      assert.deepEqual(await of(2), { stdout: { from: 1050 }, stderr: { from: 9 } });
    }
    const { asked } = files;
    runs.look(waiting(1, 3));
    assert.equal(files.asked, asked, "a run ends once");
  });

  it("lose what Nomad drops of them", async () => {
    files.sizes({ 1: 1000, 2: 10 }, 9);
    assert.deepEqual(await runs.range({ ...target, run: 1 }, context), {
      stdout: { from: 0, to: 50 },
      stderr: { from: 5, to: 9 },
    });
  });

  it("without a known end are told with those after them", async () => {
    await runs.ended({ ...target, run: 4 }, context);
    assert.deepEqual((await runs.range({ ...target, run: 2 }, context)).stdout, { from: 50, to: 1010 });
    files.fails = true;
    await runs.ended({ ...target, run: 5 }, context);
    files.fails = false;
    assert.deepEqual((await runs.range({ ...target, run: 6 }, context)).stdout, { from: 1010 });
  });

  it("of a job that goes are noted no more, and what is being noted is waited for", async () => {
    const writes = new JobWrites();
    await using leaving = new RunLogs(files, owner, silentLogger, writes);
    const path = "nomad/jobs/vk-going/runs";
    const going = { ...target, id: "vk-going" };
    await leaving.ended({ ...going, run: 0 }, context);
    // Its files have been looked at, and nothing was written yet: a restart that the deletion overtakes.
    const overtaken = leaving.ended({ ...going, run: 1 }, context);
    await writes.leave("vk-going");
    files.variables.delete(path);
    leaving.keep(new Set());
    await overtaken;
    await leaving.ended({ ...going, run: 2 }, context);
    const { asked } = files;
    leaving.look({ ...waiting(2, 3), id: "vk-going" });
    assert.equal(files.asked, asked);
    assert.ok(!files.variables.has(path));
  });

  it("are forgotten with their job, and read again", async () => {
    runs.keep(new Set());
    files.variables.set("nomad/jobs/vk-u/runs", { Path: "nomad/jobs/vk-u/runs", Items: { main: "[{]" } });
    assert.deepEqual((await runs.range({ ...target, run: 5 }, context)).stdout, { from: 0 });
  });
});
