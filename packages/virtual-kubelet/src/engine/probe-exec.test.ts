import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { Deadline } from "./probe-deadline.ts";
import { execInRun, execProbe } from "./probe-exec.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";
import type { RunTarget } from "./probe-results.ts";

const never = new AbortController().signal;

type Exec = RunTarget["exec"];

async function probe(exec: Exec, command = ["check", "it"]): Promise<ProbeOutcome> {
  using deadline = new Deadline(new FakeClock(), 1000, never);
  return await execProbe(command, { exec }, 1000, deadline, silentLogger);
}

/** Writes, then ends with a code. */
const says =
  (exitCode: number, out = "", err = ""): Exec =>
  async (_command, io) => {
    io.stderr?.write(err);
    io.stdout?.write(out);
    return { exitCode };
  };

test("exit codes, and what was printed", async () => {
  assert.deepEqual(await probe(says(0, "fine")), { type: "success" });
  assert.deepEqual(await probe(says(1, "out\n", "err\n")), { type: "failure", output: "out\nerr\n" });
  assert.deepEqual(await probe(says(127)), { type: "failure", output: "" });
});

test("what the container is asked to run", async () => {
  let seen: unknown;
  await probe(async (command, io, { signal }) => {
    seen = [command, io.tty, io.stdin, signal.aborted];
    return { exitCode: 0 };
  });
  assert.deepEqual(seen, [["check", "it"], false, undefined, false]);
});

test("10 KiB of the output are kept, and any amount is taken", async () => {
  const outcome = await probe(async (_command, { stdout, stderr }) => {
    for (let count = 0; count < 1000; count++) {
      if (stdout?.write(Buffer.alloc(100_000, "o")) === false) await once(stdout, "drain");
      stderr?.write("e");
    }
    return { exitCode: 1 };
  });
  assert.deepEqual(outcome, { type: "failure", output: "o".repeat(10 * 1024) });
  const small = await probe(says(1, "o".repeat(10_000), "e".repeat(10_000)));
  assert.deepEqual(small, { type: "failure", output: "o".repeat(10_000) + "e".repeat(240) });
});

test("a backend that cannot run it says nothing of the container", async () => {
  const outcome = await probe(async () => {
    throw new VirtualKubeletError("Unavailable", "no connection");
  });
  assert.deepEqual(outcome, { type: "error", state: "unknown", message: "no connection" });
  const thrown = await probe(() => {
    throw new Error("at once");
  });
  assert.deepEqual(thrown, { type: "error", state: "unknown", message: "at once" });
});

test("a command that takes too long has failed, whether it stops or not", async () => {
  const obedient: Exec = (_command, _io, { signal }) =>
    new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
  const deaf: Exec = () => new Promise(() => {});
  const writesOn: Exec = (_command, { stdout }, { signal }) =>
    new Promise(() => signal.addEventListener("abort", () => setImmediate(() => stdout?.write("more"))));
  for (const exec of [obedient, deaf, writesOn]) {
    const clock = new FakeClock();
    using deadline = new Deadline(clock, 2000, never);
    const pending = execProbe(["sleep", "9"], { exec }, 2000, deadline, silentLogger);
    await clock.advance(2000);
    assert.deepEqual(await pending, {
      type: "failure",
      output: 'command timed out: "sleep 9" timed out after 2s',
    });
  }
});

test("one that is no longer wanted ends at once", async () => {
  const controller = new AbortController();
  using deadline = new Deadline(new FakeClock(), undefined, controller.signal);
  const pending = execInRun(["x"], { exec: () => new Promise(() => {}) }, deadline, silentLogger);
  controller.abort();
  await assert.rejects(pending, { kind: "Aborted" });
});
