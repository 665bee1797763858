// What stands behind fakes of clouds runs real containers, and leaves nothing.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import { execInShell } from "../packages/virtual-kubelet/src/cloud/shell-exec.ts";
import { isErrorKind } from "../packages/virtual-kubelet/src/errors.ts";
import type { RunnerContainer, RunningGroup } from "../packages/virtual-kubelet/src/testing/group-runner.ts";
import { PodmanGroups } from "./cloud/podman-groups.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

function shell(name: string, script: string, more: Partial<RunnerContainer> = {}): RunnerContainer {
  return { name, image: benchImage, entrypoint: ["/bin/sh", "-c", script], env: {}, mounts: [], ...more };
}

const signal = AbortSignal.timeout(600_000);

async function run(
  group: RunningGroup,
  name: string,
  command: readonly string[],
  tty = false,
): Promise<[number, string, string]> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const code = await group.exec(name, command, { stdout, ...(tty ? {} : { stderr }), tty }, signal);
  stdout.end();
  stderr.end();
  return [code, await text(stdout), await text(stderr)];
}

describe("groups of real containers", () => {
  it("run, share network and volumes, end, start anew, log and run commands", async () => {
    await using bench = await PodmanBench.start();
    await using groups = new PodmanGroups(bench);
    const shared = { volume: "shared", path: "/shared", readOnly: false };
    const group = await groups.create({
      id: "g1",
      containers: [
        shell("job", "echo one; echo two >&2; printf $COLOUR > /shared/colour; exit 3", {
          ...{ env: { COLOUR: "red" }, mounts: [shared] },
        }),
        shell("web", "trap 'exit 0' TERM; nc -l -p 8080 -e cat /shared/motd & while :; do sleep 0.1; done", {
          mounts: [shared],
        }),
        shell("echo", "cat", { stdin: true }),
        shell("eater", "x=a; while :; do x=$x$x; done", { memoryLimit: 16 * 1024 ** 2 }),
      ],
      volumes: [{ name: "shared", files: [{ path: "motd", mode: 0o640, data: Buffer.from("hello\n") }] }],
    });
    assert.deepEqual(group.state("job"), { state: "created", restarts: 0 });
    for (const name of ["job", "web", "echo", "eater"]) await group.start(name);
    const { exitCode, startedAt = 0, finishedAt = 0 } = await group.ended("job");
    assert.equal(exitCode, 3);
    assert.ok(startedAt > 0 && finishedAt >= startedAt);
    await group.start("job");
    assert.equal((await group.ended("job")).restarts, 1);
    const lines = await group.logs("job");
    assert.deepEqual(lines.map(({ stream, text: line }) => `${stream} ${line}`).sort(), [
      ...["stderr two", "stderr two", "stdout one", "stdout one"],
    ]);
    assert.ok(lines.every(({ time }) => time >= BigInt(startedAt) * 1_000_000n));

    assert.deepEqual(await run(group, "web", ["sh", "-c", "cat /shared/colour; echo bad >&2; exit 7"]), [
      7,
      "red",
      "bad\n",
    ]);
    assert.deepEqual(await run(group, "web", ["sh", "-c", "test -t 1 && echo terminal; exit 4"], true), [
      4,
      "terminal\r\n",
      "",
    ]);
    assert.equal((await run(group, "web", ["no-such-command"]))[0], 127);
    assert.deepEqual(await inShell(group, "web", ["sh", "-c", "cat; echo bad >&2; exit 9"], "a\r\n\0\u00ff"), [
      ...[9, "a\r\n\0\u00ff", "bad\n"],
    ]);
    await eventually("the group answers on its address", 10_000, () => answers(group.ip, 8080, "hello\n"));

    const [stdin, stdout] = [new PassThrough(), new PassThrough()];
    const attached = group.attach("echo", { stdin, stdout, tty: false }, signal);
    stdin.write("typed\n");
    await new Promise((resolve) => stdout.once("readable", resolve));
    assert.equal(String(stdout.read()), "typed\n");
    await group.stop("echo", 0);
    await attached;
    assert.equal(group.state("echo").exitCode, 137);

    const eaten = await group.ended("eater");
    assert.deepEqual([eaten.exitCode, eaten.oomKilled], [137, true]);
    assert.ok((await group.stats("web")).cpuNanoseconds > 0);
    await group.stop("web", 10_000);
    assert.equal(group.state("web").exitCode, 0);
    await group.remove();
    assert.deepEqual([await bench.containers(), groups.ids], [[], []]);

    const missing = { id: "g2", containers: [shell("a", "true", { image: "localhost/no-such:1" })], volumes: [] };
    await assert.rejects(groups.create(missing), (error) => isErrorKind(error, "NotFound"));
  });
});

/** As over a terminal of a cloud. */
async function inShell(
  group: RunningGroup,
  name: string,
  command: readonly string[],
  input: string,
): Promise<[number, string, string]> {
  const [typed, shown] = [new PassThrough(), new PassThrough()];
  const shell = new AbortController();
  const running = group.exec(name, ["/bin/sh"], { stdin: typed, stdout: shown, tty: true }, shell.signal);
  const ended = running.then(() => void shown.end()).catch(() => void shown.end());
  const terminal = {
    write: async (bytes: Uint8Array) => void typed.write(bytes),
    output: shown,
    close: () => shell.abort(),
  };
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(input);
  const { exitCode } = await execInShell(terminal, command, { stdin, stdout, stderr, tty: false }, { signal });
  stdout.end();
  stderr.end();
  await ended;
  return [exitCode, await text(stdout), await text(stderr)];
}

async function answers(host: string, port: number, expected: string): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    return (await text(socket)) === expected;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
