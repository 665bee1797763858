import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ProcessGroup } from "./processes.ts";

const parent = mkdtempSync(join(tmpdir(), "virtual-kubelet-processes-test-"));
after(() => rmSync(parent, { recursive: true }));

/** Zombies count as gone: whose parent has not looked yet does not run any more. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return !existsSync(`/proc/${pid}/stat`) || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !holds(); await sleep(20)) {
    assert.ok(Date.now() < deadline, `${what} within a minute`);
  }
}

test("close kills what runs, also what ignores SIGTERM, and deletes the directory", async () => {
  const group = new ProcessGroup({ parent, prefix: "close-" });
  const stubborn = await group.start("stubborn", "/bin/sh", ["-c", "trap '' TERM; echo up; while :; do sleep 1; done"]);
  await until("output", () => readFileSync(stubborn.logFile, "utf8") === "up\n");
  assert.ok(stubborn.running);
  await group.close();
  assert.deepEqual(await stubborn.ended, { code: null, signal: "SIGKILL" });
  assert.ok(!isRunning(stubborn.pid));
  assert.ok(!existsSync(group.directory));
  await group.close();
  await assert.rejects(group.start("late", "/bin/true", []), { kind: "Aborted" });
});

test("an ended process tells its exit code and its last lines", async () => {
  await using group = new ProcessGroup({ parent, prefix: "tail-" });
  const failing = await group.start("failing", "/bin/sh", ["-c", "seq 1 5000; echo the reason >&2; exit 3"]);
  assert.deepEqual(await failing.ended, { code: 3, signal: null });
  assert.equal(failing.running, false);
  assert.equal(await failing.logTail(20), "5000\nthe reason");
  await assert.rejects(group.start("missing", "/nowhere/program", []), /cannot start missing/);
});

test("a directory with files in it is refused, since it would be deleted", () => {
  const directory = mkdtempSync(join(parent, "full-"));
  writeFileSync(join(directory, "precious"), "");
  assert.throws(() => new ProcessGroup({ directory, parent, prefix: "" }), { kind: "Invalid" });
  assert.ok(existsSync(join(directory, "precious")));
});

for (const [how, end] of [
  ["is killed with SIGKILL", "setInterval(() => {}, 1000)"],
  ["exits without closing", "process.exit(0)"],
  ["crashes", "throw new Error('crash')"],
] as const) {
  test(`nothing is left when the owner ${how}`, async () => {
    const program = `
      import { ProcessGroup } from ${JSON.stringify(new URL("./processes.ts", import.meta.url).href)};
      const group = new ProcessGroup({ parent: ${JSON.stringify(parent)}, prefix: "owner-" });
      const gone = await group.start("gone", "/bin/true", []);
      await gone.ended;
      const sleeping = await group.start("sleeping", "/bin/sleep", ["600"]);
      console.log(JSON.stringify({ directory: group.directory, pid: sleeping.pid }));
      ${end};`;
    const owner = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const ended = once(owner, "exit");
    const [line]: unknown[] = await once(createInterface(owner.stdout), "line");
    const { directory, pid }: { directory: string; pid: number } = JSON.parse(String(line));
    if (how.includes("SIGKILL")) {
      assert.ok(isRunning(pid));
      assert.ok(existsSync(directory));
      owner.kill("SIGKILL");
    }
    await ended;
    await until("the process gone", () => !isRunning(pid));
    await until("the directory gone", () => !existsSync(directory));
  });
}
