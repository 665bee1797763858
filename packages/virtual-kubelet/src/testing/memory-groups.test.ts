import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileDelivery } from "../cloud/file-delivery.ts";
import { execInShell } from "../cloud/shell-exec.ts";
import { isErrorKind } from "../errors.ts";
import type { ContainerIO } from "../provider/streams.ts";
import type { RunnerContainer, RunningGroup } from "./group-runner.ts";
import { MemoryGroups } from "./memory-groups.ts";

const signal = AbortSignal.timeout(300_000);

function container(name: string, image: string, more: Partial<RunnerContainer> = {}): RunnerContainer {
  return { name, image, env: {}, mounts: [], ...more };
}

async function run(
  group: RunningGroup,
  name: string,
  command: readonly string[],
  input?: string,
): Promise<[number, string, string]> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end(input ?? "");
  const io: ContainerIO = { stdin, stdout, stderr, tty: false };
  const code = await group.exec(name, command, io, signal);
  stdout.end();
  stderr.end();
  return [code, await text(stdout), await text(stderr)];
}

test("containers end by their image or script, are started anew, and are stopped", async () => {
  const delivery = fileDelivery([{ path: "/files", files: [], field: "spec.volumes[0]" }]);
  await using groups = new MemoryGroups({ exitAfterMs: 1 });
  const group = await groups.create({
    id: "g1",
    containers: [
      container("job", "shop/exit-3:1"),
      container("web", "web:1", { env: { A: "b", C: "d" } }),
      container("script", "busybox", { entrypoint: ["/bin/sh", "-c"], args: ["echo one; echo two && exit 4"] }),
      container("hard", "stubborn"),
      container("files", "busybox", { entrypoint: ["/bin/sh", "-c"], args: [delivery.script] }),
    ],
    volumes: [],
  });
  assert.deepEqual(group.state("job"), { state: "created", restarts: 0 });
  for (const name of ["job", "web", "script", "hard", "files"]) await group.start(name);
  assert.equal((await group.ended("job")).exitCode, 3);
  await group.start("job");
  assert.equal(group.state("job").restarts, 1);
  assert.equal((await group.ended("job")).exitCode, 3);
  assert.equal((await group.ended("script")).exitCode, 4);
  assert.deepEqual(
    (await group.logs("script")).map(({ text: line }) => line),
    ["script env=0", "one", "two"],
  );
  assert.equal((await group.ended("files")).exitCode, 0);
  assert.equal((await group.logs("web"))[0]?.text, "web env=2");
  await group.stop("web", 60_000);
  assert.equal(group.state("web").exitCode, 143);
  await group.stop("hard", 5);
  assert.equal(group.state("hard").exitCode, 137);
  await group.stop("hard", 5);
  await assert.rejects(groups.create({ id: "g1", containers: [], volumes: [] }), (error) =>
    isErrorKind(error, "Conflict"),
  );
  await group.remove();
  assert.deepEqual(groups.ids, []);
  const missing = { id: "g2", containers: [container("a", "shop/missing:1")], volumes: [] };
  await assert.rejects(groups.create(missing), (error) => isErrorKind(error, "NotFound"));
});

test("commands run in containers, see their environment and files, and can end them", async () => {
  await using groups = new MemoryGroups();
  const data = Buffer.from("of a volume\n");
  const group = await groups.create({
    id: "g1",
    containers: [
      container("web", "web", { env: { COLOUR: "red" }, mounts: [{ volume: "v", path: "/etc/v", readOnly: true }] }),
    ],
    volumes: [{ name: "v", files: [{ path: "sub/file", mode: 0o600, data }] }],
  });
  await assert.rejects(group.exec("web", ["true"], { tty: false }, signal), (error) => isErrorKind(error, "Conflict"));
  await group.start("web");
  assert.deepEqual(await run(group, "web", ["sh", "-c", "echo $COLOUR; echo bad >&2; exit 7"]), [7, "red\n", "bad\n"]);
  assert.deepEqual(await run(group, "web", ["cat"], "typed"), [0, "typed", ""]);
  assert.deepEqual(await run(group, "web", ["cat", "/etc/v/sub/file"]), [0, "of a volume\n", ""]);
  assert.equal((await run(group, "web", ["no-such-command"]))[0], 127);
  const sleeping = run(group, "web", ["sleep", "60"]);
  await run(group, "web", ["sh", "-c", "kill -TERM 1"]);
  assert.equal((await group.ended("web")).exitCode, 143);
  assert.equal((await sleeping)[0], 137);
});

/** As over a terminal of a cloud: with a shell and nothing else. */
async function inShell(
  group: RunningGroup,
  command: readonly string[],
  input: string,
  tty = false,
): Promise<[number, string, string]> {
  const [typed, shown, shell] = [new PassThrough(), new PassThrough(), new AbortController()];
  const running = group
    .exec("web", ["/bin/sh"], { stdin: typed, stdout: shown, tty: true }, shell.signal)
    .catch(() => undefined)
    .finally(() => shown.end());
  const terminal = {
    write: async (bytes: Uint8Array) => void typed.write(bytes),
    output: shown,
    close: () => shell.abort(),
  };
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  if (tty) stdin.write(input);
  else stdin.end(input);
  const io = { stdin, stdout, ...(tty ? {} : { stderr }), tty };
  const { exitCode } = await execInShell(terminal, command, io, { signal });
  stdout.end();
  stderr.end();
  await running;
  return [exitCode, await text(stdout), await text(stderr)];
}

test("a shell on a terminal runs what clouds type into it", async () => {
  await using groups = new MemoryGroups();
  const group = await groups.create({ id: "g1", containers: [container("web", "web")], volumes: [] });
  await group.start("web");
  const script = "cat; echo bad >&2; exit 9";
  assert.deepEqual(await inShell(group, ["sh", "-c", script], "a\r\n\0\u00ff"), [9, "a\r\n\0\u00ff", "bad\n"]);
  assert.deepEqual(await inShell(group, ["sh", "-c", "tty; head -n 1; exit 4"], "typed\n", true), [
    4,
    "/dev/pts/0\r\ntyped\r\ntyped\r\n",
    "",
  ]);
  assert.equal((await inShell(group, ["no-such-command", "it's"], ""))[0], 127);
});

test("who is attached reads what is written from now on, and is read where the container has stdin", async () => {
  await using groups = new MemoryGroups();
  const group = await groups.create({ id: "g1", containers: [container("web", "web", { stdin: true })], volumes: [] });
  await group.start("web");
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const attached = group.attach("web", { stdin, stdout, tty: false }, signal);
  stdin.write("hello\n");
  await new Promise((resolve) => stdout.once("readable", resolve));
  await group.stop("web", 1_000);
  await attached;
  stdout.end();
  assert.equal(await text(stdout), "hello\n");
  assert.ok((await group.stats("web")).cpuNanoseconds >= 0);
});
