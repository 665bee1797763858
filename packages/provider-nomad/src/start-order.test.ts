// The shells of init containers, run by a real one: who waits begins after the success of the one before, and heeds TERM.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { turnScript } from "./start-order.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-nomad-order-"));
});
const begun: ChildProcess[] = [];
after(async () => {
  for (const { pid } of begun)
    try {
      process.kill(-(pid ?? Number.NaN), "SIGKILL");
    } catch {
      // It has ended, and all that it began.
    }
  await rm(directory, { recursive: true, force: true });
});

async function allocation(name: string): Promise<string> {
  const path = join(directory, name);
  await mkdir(join(path, "data"), { recursive: true });
  return path;
}

function run(at: string, script: string, ...command: readonly string[]): ChildProcess {
  const child = spawn("/bin/sh", ["-c", script, "vk", ...command], {
    ...{ env: { PATH: "/usr/bin:/bin", NOMAD_ALLOC_DIR: at }, detached: true },
  });
  begun.push(child);
  return child;
}

async function codeOf(child: ChildProcess): Promise<unknown> {
  const [code, signal]: unknown[] = await once(child, "exit");
  return code ?? signal;
}

const heeds = "trap 'exit 9' TERM; echo begun; while :; do sleep 0.05; done";

describe("init containers", () => {
  it("begin one after another", async () => {
    const at = await allocation("chain");
    const log = join(at, "log");
    const second = run(at, turnScript({ after: 0 }), "sh", "-c", `echo second >> ${log}`);
    const first = run(at, turnScript({ tells: 0 }), "sh", "-c", `sleep 0.2; echo first >> ${log}`);
    assert.deepEqual(await Promise.all([codeOf(first), codeOf(second)]), [0, 0]);
    assert.equal(await readFile(log, "utf8"), "first\nsecond\n");
  });

  it("leave no word of a failure, and its code", async () => {
    const at = await allocation("failure");
    assert.equal(await codeOf(run(at, turnScript({ tells: 0 }), "sh", "-c", "exit 7")), 7);
    assert.equal(existsSync(join(at, "data/.vk-init-0")), false);
  });

  it("end by TERM while they wait and while they run", async () => {
    const at = await allocation("term");
    const waiting = run(at, turnScript({ after: 0 }), "true");
    const running = run(at, turnScript({ tells: 0 }), "sh", "-c", heeds);
    assert.ok(running.stdout !== null);
    await once(running.stdout, "data");
    const codes = Promise.all([codeOf(waiting), codeOf(running)]);
    running.kill("SIGTERM");
    waiting.kill("SIGTERM");
    assert.deepEqual(
      (await codes).map((code) => (code === "SIGTERM" ? 143 : code)),
      [143, 9],
    );
  });

  it("leave nothing behind, whenever TERM comes", async () => {
    const at = await allocation("early");
    const ended = Array.from({ length: 30 }, async (_, delayMs) => {
      const child = run(at, turnScript({ tells: 0 }), "sh", "-c", heeds);
      // Of all that have its pipes.
      const closed = once(child, "close");
      await sleep(delayMs);
      child.kill("SIGTERM");
      const [code, signal]: unknown[] = await closed;
      return code ?? signal;
    });
    for (const code of await Promise.all(ended))
      assert.ok(
        [9, 143, "SIGTERM"].some((each) => each === code),
        `${code}`,
      );
  });
});
