// The program is killed at any moment; processes go on, and the next one takes them up. Needs root on Linux.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomInt, randomUUID } from "node:crypto";
import { once } from "node:events";
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isErrorKind } from "../../errors.ts";
import { bootId, isAlive, statOf } from "../../host/process-table.ts";
import { silentLogger } from "../../log.ts";
import { benchRange, ProcessBench, quiet, until } from "../../testing/process-bench.ts";
import { ProcessRuntime } from "./process-runtime.ts";

class Victim {
  readonly #child: ChildProcess;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  constructor(bench: ProcessBench) {
    const main = join(import.meta.dirname, "../../testing/process-crash-main.ts");
    const config = JSON.stringify({ ...bench.config, user: { ...bench.config.user } });
    this.#child = spawn(process.execPath, ["--conditions=source", main, config], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    // It may be killed before it has read.
    this.#child.stdin?.on("error", () => {});
    assert.ok(this.#child.stdout !== null);
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  async open(): Promise<void> {
    assert.equal((await this.#answers.next()).value, "open");
  }

  /** Resolves when it has answered, with true; or been killed, with false. */
  async call(call: string, rest: object = {}): Promise<boolean> {
    this.#child.stdin?.write(`${JSON.stringify({ call, ...rest })}\n`);
    return (await this.#answers.next()).done !== true;
  }

  async kill(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await ended;
  }
}

describe("after the program was killed", () => {
  for (const isolation of ["namespaces", "none"]) {
    it(`running containers are the same, ended ones have their exit codes, logs are complete (isolation ${isolation})`, async () => {
      await using bench = new ProcessBench({ isolation });
      const victim = new Victim(bench);
      await victim.open();
      const uid = randomUUID();
      await victim.call("pod", { uid });
      const container = async (name: string, script: string): Promise<void> => {
        await victim.call("create", { uid, name, attempt: 0, script });
        await victim.call("start", { uid, name, attempt: 0 });
      };
      await container("writer", "i=0; while :; do i=$((i+1)); echo line $i; sleep 0.01; done");
      await container("short", "echo begun; sleep 1; echo over; exit 5");
      await container("past", "exit 4");
      await victim.call("create", { uid, name: "created", attempt: 0, script: "echo later" });
      await sleep(300);
      await victim.kill();
      const before = bench.processes().length;
      assert.ok(before > 0, "processes go on");
      const ending = (): boolean => bench.processes().some(({ command }) => /echo begun|exit 4/.test(command));
      await until(() => !ending(), "the ends without us");

      await bench.open();
      const ref = (name: string): { podUid: string; name: string; attempt: number } => ({
        podUid: uid,
        name,
        attempt: 0,
      });
      assert.equal((await bench.container(ref("writer"))).state, "running");
      assert.equal((await bench.container(ref("short"))).exitCode, 5);
      assert.equal((await bench.container(ref("past"))).exitCode, 4);
      assert.equal((await bench.container(ref("created"))).state, "created");
      assert.deepEqual(await bench.log(ref("short")), ["stdout F begun", "stdout F over"]);
      for (const name of ["writer", "short", "past"]) await bench.runtime.startContainer(ref(name), quiet);
      assert.equal((await bench.container(ref("short"))).exitCode, 5, "a run never begins twice");
      await bench.runtime.startContainer(ref("created"), quiet);
      await bench.ended(ref("created"));
      assert.deepEqual(await bench.log(ref("created")), ["stdout F later"]);
      await until(async () => (await bench.log(ref("writer"))).length > 50, "more than 50 lines");
      await bench.runtime.stopContainer(ref("writer"), { gracePeriodSeconds: 0 }, quiet);
      const lines = await bench.log(ref("writer"));
      assert.deepEqual(
        lines,
        lines.map((_, index) => `stdout F line ${index + 1}`),
        "no line is lost or doubled",
      );
    });
  }

  it("at random moments of making and starting: nothing twice, nothing lost", async () => {
    await using bench = new ProcessBench();
    const uid = randomUUID();
    const count = join(bench.directory, "count");
    writeFileSync(count, "", { mode: 0o666 });
    rmSync(count);
    const refs = Array.from({ length: 6 }, (_, index) => ({ podUid: uid, name: `c${index}`, attempt: 0 }));
    for (let turn = 0; turn < 8; turn++) {
      const victim = new Victim(bench);
      await victim.open();
      const work = (async () => {
        if (!(await victim.call("pod", { uid }))) return;
        for (const { name } of refs) {
          if (!(await victim.call("create", { uid, name, attempt: 0, script: "echo once; exit 9" }))) return;
          if (!(await victim.call("start", { uid, name, attempt: 0 }))) return;
        }
      })();
      await sleep(randomInt(0, 400));
      await victim.kill();
      await work;
    }
    await bench.open();
    if ((await bench.runtime.get(uid, quiet)) === undefined)
      await bench.pod({ owner: { cluster: "c", node: "node-a", namespace: "n", name: "p", uid } });
    for (const ref of refs) {
      const known = (await bench.runtime.get(uid, quiet))?.containers.some(({ name }) => name === ref.name);
      if (known !== true) continue;
      await bench.runtime.startContainer(ref, quiet);
      assert.equal((await bench.ended(ref)).exitCode, 9, ref.name);
      assert.deepEqual(await bench.log(ref), ["stdout F once"], ref.name);
    }
  });

  it("at random moments of making networks: no address twice, no link too many", async () => {
    await using bench = new ProcessBench({ network: "private", podCIDR: `${benchRange()}.0/28` });
    const uids = Array.from({ length: 6 }, () => randomUUID());
    for (let turn = 0; turn < 6; turn++) {
      const victim = new Victim(bench);
      await victim.open();
      const work = (async () => {
        for (const uid of uids) if (!(await victim.call("pod", { uid }))) return;
      })();
      await sleep(randomInt(0, 300));
      await victim.kill();
      await work;
    }
    await bench.open();
    const addresses: string[] = [];
    for (const uid of uids) {
      await bench.pod({ owner: { cluster: "c", node: "node-a", namespace: "n", name: "p", uid } });
      const [address = ""] = (await bench.runtime.get(uid, quiet))?.ips ?? [];
      addresses.push(address);
      const ref = await bench.run(uid, "cat /proc/net/fib_trie");
      assert.equal((await bench.ended(ref)).exitCode, 0);
      assert.ok(
        (await bench.log(ref)).some((line) => line.endsWith(`-- ${address}`)),
        `${address} is the pod's`,
      );
    }
    assert.equal(new Set(addresses).size, uids.length, addresses.join());
    assert.equal(bench.links().length, uids.length);
  });

  it("control groups of pods that were just removed go, too; those of others stay", async () => {
    await using bench = new ProcessBench({ cgroups: "required" });
    await bench.open();
    const podUid = await bench.pod();
    await bench.run(podUid, "sleep 1000");
    const groups = (uid: string): readonly string[] =>
      globSync([
        `/sys/fs/cgroup/${bench.config.cgroupParent}/*/${uid}`,
        `/sys/fs/cgroup/*/${bench.config.cgroupParent}/*/${uid}`,
      ]);
    const present = groups(podUid);
    assert.ok(present.length > 0);
    for (const group of present) mkdirSync(join(group, "..", "removed", "main.0"), { recursive: true });
    assert.equal(groups("removed").length, present.length);
    await bench.reopen();
    assert.deepEqual([groups("removed"), groups(podUid)], [[], present]);
  });

  it("two programs do not share a directory", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const { config, node } = bench;
    const options = { config, node, log: silentLogger, hostIPs: [] };
    await assert.rejects(ProcessRuntime.open(options), (error) => isErrorKind(error, "Conflict"));
  });
});

describe("after the supervisor of a run was killed", () => {
  for (const isolation of ["namespaces", "none"]) {
    it(`the run goes on, its end is unknown, its log is whole, and nothing is left (isolation ${isolation})`, async () => {
      await using bench = new ProcessBench({ isolation });
      await bench.open();
      const ref = await bench.run(await bench.pod(), "echo up; while read line; do echo got $line; done", {
        stdin: true,
      });
      await until(async () => (await bench.log(ref)).length > 0, "the first line");
      const run = join(bench.config.stateDirectory, "node-a", "pods", ref.podUid, "containers", "main", "0");
      const beside = `${readFileSync(join(run, "carriers"), "utf8")} ${readFileSync(join(run, "holder"), "utf8")}`
        .trim()
        .split(/\s+/)
        .map(Number);
      const identities = beside.flatMap((pid) => statOf(pid) ?? []);
      assert.equal(identities.length, 3);
      process.kill(Number(readFileSync(join(run, "claim"), "utf8").split(" ")[0]), "SIGKILL");
      assert.equal((await bench.container(ref)).state, "running");
      await bench.runtime.stopContainer(ref, { gracePeriodSeconds: 0 }, quiet);
      assert.equal((await bench.ended(ref)).state, "unknown");
      assert.deepEqual(await bench.log(ref), ["stdout F up"]);
      await until(() => identities.every((one) => !isAlive(one)), "the end of what was beside it");
    });
  }
});

describe("after the host was restarted", () => {
  it("runs that were going on are of unknown end, those that had ended keep theirs, the pod is not ready", async () => {
    await using bench = new ProcessBench();
    await bench.open();
    const podUid = await bench.pod({ volumes: [{ name: "scratch", type: "emptyDir", medium: "" }] });
    const going = await bench.run(podUid, "sleep 1000", { name: "going" });
    const over = await bench.run(podUid, "exit 3", { name: "over" });
    await bench.ended(over);
    const directory = join(bench.config.stateDirectory, "node-a", "pods", podUid);
    await bench.runtime[Symbol.asyncDispose]();
    // What a restart leaves: no process, another boot.
    const run = join(directory, "containers", "going", "0");
    const [pid] = readFileSync(join(run, "pid"), "utf8").split(" ");
    const [supervisor] = readFileSync(join(run, "claim"), "utf8").split(" ");
    process.kill(Number(supervisor), "SIGSTOP");
    process.kill(Number(pid), "SIGKILL");
    process.kill(Number(supervisor), "SIGKILL");
    await until(() => bench.processes().every(({ command }) => command.startsWith("cat")), "the end of all processes");
    const other = "00000000-0000-4000-8000-000000000000";
    for (const file of [
      join(run, "claim"),
      join(directory, "containers", "over", "0", "claim"),
      join(directory, "sandbox.json"),
    ])
      writeFileSync(file, readFileSync(file, "utf8").replace(bootId(), other));

    await bench.open();
    const lost = await bench.container(going);
    assert.equal(lost.state, "unknown");
    assert.equal((await bench.container(over)).exitCode, 3);
    assert.equal((await bench.runtime.get(podUid, quiet))?.ready, false);
    assert.deepEqual((await bench.runtime.get(podUid, quiet))?.ips, []);
    // The pod is made ready again; its runs are kept.
    await bench.pod({ owner: { cluster: "c", node: "node-a", namespace: "n", name: "p", uid: podUid }, revision: "2" });
    const again = await bench.runtime.get(podUid, quiet);
    assert.deepEqual([again?.ready, again?.revision, again?.containers.length], [true, "2", 2]);
    const next = await bench.run(podUid, "echo new; exit 0", { name: "going", attempt: 1 });
    assert.equal((await bench.ended(next)).exitCode, 0);
  });

  it("a pid that is another process's by now is not taken for ours", () => {
    const own = statOf(process.pid);
    assert.ok(own !== undefined);
    assert.equal(isAlive(own), true);
    assert.equal(isAlive({ pid: own.pid, start: String(Number(own.start) - 1) }), false);
  });
});
