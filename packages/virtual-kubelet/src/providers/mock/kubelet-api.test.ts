// Logs, commands, attach, port-forward and figures of the mock, as the kubelet API asks for them.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { PassThrough, Writable } from "node:stream";
import { test } from "node:test";
import { silentLogger } from "../../log.ts";
import type { PodRequest } from "../../provider/pods.ts";
import type { ContainerIO, ContainerLogOptions, ContainerTarget } from "../../provider/streams.ts";
import type { CallContext, Provider } from "../../provider.ts";
import { FakeClock, settle } from "../../testing/fake-clock.ts";
import { createMockProvider, type MockProvider } from "./mock-provider.ts";

const prefix = "mock.virtual-kubelet.io/";

function request(
  uid: string,
  annotations: Readonly<Record<string, string>> = {},
  container: Readonly<Record<string, unknown>> = {},
): PodRequest {
  const owner = { cluster: "c", node: "n", namespace: "d", name: uid, uid };
  const keyed = Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`${prefix}${name}`, value]));
  const metadata = { name: uid, namespace: "d", uid, resourceVersion: "1", annotations: keyed };
  return {
    owner,
    revision: "1",
    pod: { metadata, spec: { containers: [{ name: "app", image: "a:1", ...container }] } },
  };
}

function contextOf(signal: AbortSignal = new AbortController().signal): CallContext {
  return { signal, log: silentLogger };
}

interface World {
  readonly provider: MockProvider;
  readonly clock: FakeClock;
  readonly target: ContainerTarget;
}

async function make(
  annotations: Readonly<Record<string, string>> = {},
  container: Readonly<Record<string, unknown>> = {},
): Promise<World> {
  const clock = new FakeClock();
  const provider = await createMockProvider({ node: "n", config: {} }, { clock });
  const made = request("u1", annotations, container);
  await provider.createPod(made, contextOf());
  await settle();
  return { provider, clock, target: { owner: made.owner, pod: made.pod, container: "app" } };
}

async function logsOf(provider: Provider, target: ContainerTarget, options: ContainerLogOptions = {}): Promise<string> {
  const logs = await provider.getContainerLogs?.(target, options, contextOf());
  let text = "";
  for await (const chunk of logs?.data ?? []) text += Buffer.from(chunk).toString("utf8");
  return text;
}

/** Runs a command and gives back what it wrote and how it ended. */
async function exec(
  { provider, target }: Pick<World, "provider" | "target">,
  command: readonly string[],
  stdin?: string | Buffer,
): Promise<{ readonly out: string; readonly err: string; readonly code: number | undefined }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const io: ContainerIO = {
    tty: false,
    stdout,
    stderr,
    ...(stdin === undefined ? {} : { stdin: new PassThrough().end(stdin) }),
  };
  const [out, err] = [textOf(stdout), textOf(stderr)];
  const result = await provider.runInContainer?.(target, command, io, contextOf());
  stdout.end();
  stderr.end();
  return { out: await out, err: await err, code: result?.exitCode };
}

async function textOf(stream: PassThrough): Promise<string> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) text += String(chunk);
  return text;
}

test("a log is the same whoever asks, has times and both streams, and honours its options", async () => {
  const one = await make({ "log-interval": "1s" });
  const two = await make({ "log-interval": "1s" });
  await one.clock.advance(20_000);
  await two.clock.advance(20_000);
  const text = await logsOf(one.provider, one.target);
  assert.equal(await logsOf(two.provider, two.target), text);
  const lines = text.trimEnd().split("\n");
  assert.equal(lines.length, 21);
  for (const line of lines) assert.match(line, /^2026-01-01T00:00:\d\d\.\d{9}Z (stdout|stderr) F \S/);
  assert.deepEqual([...lines].sort(), lines, "in the order of their times");
  assert.equal(lines[0], "2026-01-01T00:00:00.000000000Z stdout F starting app (image a:1), run 1");
  assert.deepEqual((await logsOf(one.provider, one.target, { tailLines: 2 })).trimEnd().split("\n"), lines.slice(-2));
  assert.equal(await logsOf(one.provider, one.target, { tailLines: 0 }), "");
  const since = await logsOf(one.provider, one.target, { sinceTime: "2026-01-01T00:00:15Z" });
  assert.deepEqual(since.trimEnd().split("\n"), lines.slice(15));
  const errors = lines.filter((line) => line.includes(" stderr "));
  assert.ok(errors.length > 0 && errors.length < lines.length);
  const stderr = await logsOf(one.provider, one.target, { stream: "Stderr" });
  assert.deepEqual(stderr.trimEnd().split("\n"), errors);
});

test("a followed log goes on as time does, and ends with its run; the run before is kept", async () => {
  const { provider, clock, target } = await make({ "log-interval": "2s", "log-text": "hello", "log-format": "plain" });
  let text = "";
  let over = false;
  const logs = await provider.getContainerLogs?.(target, { follow: true, tailLines: 1 }, contextOf());
  const reading = (async () => {
    for await (const chunk of logs?.data ?? []) text += Buffer.from(chunk).toString("utf8");
    over = true;
  })();
  await clock.advance(4000);
  assert.equal(text, "starting app (image a:1), run 1\nhello\nhello\n");
  await assert.rejects(logsOf(provider, target, { previous: true }), { kind: "NotFound" });
  await provider.control.act({ action: "exit", uid: "u1", container: "app", exitCode: 3 });
  await settle(10);
  assert.equal(over, true);
  await reading;
  assert.match(text, /hello\nexiting with code 3\n$/);
  assert.equal(await logsOf(provider, target, { previous: true }), `${text}`);
  await clock.advance(1);
  assert.equal(await logsOf(provider, target), "starting app (image a:1), run 2\n");
  // A run is known by its containerID, whatever has begun since.
  for (const previous of [false, true]) {
    assert.equal(await logsOf(provider, target, { previous, containerID: "mock://u1-app-0" }), text);
    assert.match(await logsOf(provider, target, { previous, containerID: "mock://u1-app-1" }), /run 2/);
    await assert.rejects(logsOf(provider, target, { previous, containerID: "mock://u1-app-2" }), { kind: "NotFound" });
  }
});

test("a reader that leaves a followed log is not held, and nothing is left behind", async () => {
  const { provider, clock, target } = await make({ "log-interval": "1h" });
  const logs = await provider.getContainerLogs?.(target, { follow: true }, contextOf());
  const reading = logs?.data[Symbol.asyncIterator]();
  await reading?.next();
  const next = reading?.next();
  await settle();
  await reading?.return?.();
  assert.equal((await next)?.done, true);
  await settle(10);
  assert.equal(clock.pending, 0);
});

test("a log of many bytes is exactly as long as asked for", async () => {
  const { provider, target } = await make({ "log-bytes": "8Mi", "log-format": "plain" });
  const text = await logsOf(provider, target);
  const first = text.indexOf("\n") + 1;
  assert.equal(Buffer.byteLength(text) - first, 8 * 1024 ** 2);
});

test("commands: output, exit codes, environment and files", async () => {
  const world = await make({}, { env: [{ name: "GREETING", value: "hi there" }] });
  assert.deepEqual(await exec(world, ["echo", "-n", "a", "b"]), { out: "a b", err: "", code: 0 });
  assert.deepEqual(await exec(world, ["sh", "-c", "exit 7"]), { out: "", err: "", code: 7 });
  assert.deepEqual(await exec(world, ["nothing"]), { out: "", err: "sh: nothing: not found\n", code: 127 });
  assert.deepEqual(await exec(world, ["cat"], "in and out"), { out: "in and out", err: "", code: 0 });
  const { out } = await exec(world, ["env"]);
  assert.match(out, /^GREETING=hi there$/m);
  assert.match(out, /^HOSTNAME=u1$/m);
  assert.equal((await exec(world, ["sh", "-c", "echo kept > /tmp/x; cat /etc/hostname"])).out, "u1\n");
  assert.equal((await exec(world, ["cat", "/tmp/x"])).out, "kept\n", "files last as long as the run");
  await assert.rejects(exec({ ...world, target: { ...world.target, container: "other" } }, ["true"]), {
    kind: "NotFound",
  });
});

test("files go with the run, and so does a command", async () => {
  const world = await make({ "restart-delay": "1ms" });
  await exec(world, ["touch", "/tmp/x"]);
  const sleeping = exec(world, ["sleep", "1h"]);
  await settle();
  await world.provider.control.act({ action: "exit", uid: "u1", container: "app", exitCode: 0 });
  assert.equal((await sleeping).code, 137);
  await world.clock.advance(10);
  assert.equal((await exec(world, ["ls", "/tmp/x"])).code, 1);
});

test("an aborted command ends at once, whatever it does", async () => {
  const world = await make();
  for (const command of [
    ["sleep", "1h"],
    ["yes"],
    ["cat"],
    ["sh", "-c", "yes | cat > /dev/null"],
    ["cat", "/dev/zero"],
  ]) {
    const stop = new AbortController();
    const stdout = new PassThrough();
    stdout.resume();
    const io = { tty: false, stdin: new PassThrough(), stdout };
    const running = world.provider.runInContainer?.(world.target, command, io, contextOf(stop.signal));
    await settle();
    stop.abort();
    await assert.rejects(async () => await running, { kind: "Aborted" }, command.join(" "));
  }
});

test("a hundred megabytes through cat come out the same", async () => {
  const world = await make();
  const chunk = randomBytes(64 * 1024);
  const count = 1600;
  const hash = createHash("sha256");
  let bytes = 0;
  let largest = 0;
  const stdin = new PassThrough();
  const stdout = new Writable({
    write(written: Buffer, _encoding, done) {
      hash.update(written);
      bytes += written.length;
      largest = Math.max(largest, stdout.writableLength);
      setImmediate(done);
    },
  });
  const running = world.provider.runInContainer?.(world.target, ["cat"], { tty: false, stdin, stdout }, contextOf());
  const expected = createHash("sha256");
  for (let index = 0; index < count; index++) {
    expected.update(chunk);
    if (!stdin.write(chunk)) await new Promise((resolve) => stdin.once("drain", resolve));
  }
  stdin.end();
  assert.deepEqual(await running, { exitCode: 0 });
  await new Promise<void>((resolve) => stdout.end(resolve));
  assert.equal(bytes, count * chunk.length);
  assert.equal(hash.digest("hex"), expected.digest("hex"));
  assert.ok(largest < 1024 ** 2, `${largest} bytes were held`);
});
