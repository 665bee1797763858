import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { announceTrial, meantTrial, type RunningTrial, runningTrials, trialsDirectory } from "./running-trials.ts";

const home = mkdtempSync(join(tmpdir(), "virtual-kubelet-trials-"));
after(() => rmSync(home, { recursive: true }));
const env = { HOME: home };
const kubeconfig = join(home, "kubeconfig");
writeFileSync(kubeconfig, "");
const trial = (pid: number, startedAt: number): RunningTrial => ({
  pid,
  kubeconfig,
  server: "https://127.0.0.1:1",
  config: join(home, "config.yaml"),
  startedAt,
});

test("trials that run are found, the newest first; what others left is passed over and deleted", () => {
  assert.deepEqual(runningTrials(env), []);
  announceTrial(trial(process.pid, 1), env);
  const own = join(home, ".local/state/virtual-kubelet/trials", `${process.pid}.json`);
  assert.equal(statSync(own).mode & 0o777, 0o600);
  assert.equal(statSync(trialsDirectory(env)).mode & 0o777, 0o700);
  announceTrial(trial(process.ppid, 2), env);
  // No process has this one.
  announceTrial(trial(2 ** 22 + 1, 3), env);
  const directory = trialsDirectory(env);
  writeFileSync(join(directory, "1.json"), "{");
  writeFileSync(join(directory, "notes.txt"), "somebody's");
  assert.deepEqual(
    runningTrials(env).map(({ startedAt }) => startedAt),
    [2, 1],
  );
  assert.equal(readdirSync(directory).length, 3);
});

test("a file that others may write, or whose kubeconfig is gone, is not heeded", () => {
  announceTrial(trial(process.pid, 1), { XDG_STATE_HOME: join(home, "x") });
  const file = join(home, "x/virtual-kubelet/trials", `${process.pid}.json`);
  assert.equal(runningTrials({ XDG_STATE_HOME: join(home, "x") }).length, 1);
  chmodSync(file, 0o666);
  assert.equal(runningTrials({ XDG_STATE_HOME: join(home, "x") }).length, 0);
  announceTrial({ ...trial(process.pid, 1), kubeconfig: join(home, "gone") }, { XDG_STATE_HOME: join(home, "x") });
  assert.equal(runningTrials({ XDG_STATE_HOME: join(home, "x") }).length, 0);
});

test("one that ends leaves no directory, but another's file", () => {
  const there = { XDG_STATE_HOME: join(home, "y") };
  const [first, second] = [announceTrial(trial(process.pid, 1), there), announceTrial(trial(process.ppid, 2), there)];
  first();
  assert.deepEqual(
    runningTrials(there).map(({ pid }) => pid),
    [process.ppid],
  );
  second();
  assert.equal(existsSync(join(home, "y/virtual-kubelet")), false);
  assert.ok(existsSync(join(home, "y")));
});

test("a trial is meant only where neither a flag nor the environment says which cluster", () => {
  const there = { XDG_STATE_HOME: join(home, "z") };
  announceTrial(trial(process.pid, 1), there);
  assert.equal(meantTrial(there, undefined, undefined)?.pid, process.pid);
  assert.equal(meantTrial(there, undefined, "a context"), undefined);
  assert.equal(meantTrial({ ...there, KUBECONFIG: "mine" }), undefined);
  assert.equal(meantTrial({ ...there, KUBECONFIG: "" })?.pid, process.pid);
});
