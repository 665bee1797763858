// The shells of init containers, run by a real one: who waits begins after the success of the one before, and heeds TERM.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { turnScript } from "./start-order.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-nomad-order-"));
});
after(() => rm(directory, { recursive: true, force: true }));

async function allocation(name: string): Promise<string> {
  const path = join(directory, name);
  await mkdir(join(path, "data"), { recursive: true });
  return path;
}

function run(at: string, script: string, ...command: readonly string[]): ChildProcess {
  return spawn("/bin/sh", ["-c", script, "vk", ...command], { env: { PATH: "/usr/bin:/bin", NOMAD_ALLOC_DIR: at } });
}

async function codeOf(child: ChildProcess): Promise<unknown> {
  const [code, signal]: unknown[] = await once(child, "exit");
  return code ?? signal;
}

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
    const begun = "trap 'exit 9' TERM; echo begun; while :; do sleep 0.05; done";
    const running = run(at, turnScript({ tells: 0 }), "sh", "-c", begun);
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
});
