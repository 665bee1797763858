// Attaching to a container: what its own process writes from now on, and what it does with what is typed.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { silentLogger } from "../../log.ts";
import type { ContainerTarget } from "../../provider/streams.ts";
import type { CallContext } from "../../provider.ts";
import { FakeClock, settle } from "../../testing/fake-clock.ts";
import { createMockProvider, type MockProvider } from "./mock-provider.ts";

interface Attached {
  readonly provider: MockProvider;
  readonly clock: FakeClock;
  readonly stdin: PassThrough;
  readonly out: () => string;
  readonly err: () => string;
  readonly ended: Promise<void>;
  readonly isOver: () => boolean;
  readonly stop: AbortController;
  /** State of the container. */
  readonly exitCode: () => Promise<number | undefined>;
}

async function attach(
  container: Readonly<Record<string, unknown>>,
  wanted: { readonly stdin?: boolean; readonly stdout?: boolean; readonly tty?: boolean } = {},
): Promise<Attached> {
  const clock = new FakeClock();
  const provider = await createMockProvider({ node: "n" }, { clock });
  const owner = { cluster: "c", node: "n", namespace: "d", name: "web", uid: "u1" };
  const metadata = { name: "web", namespace: "d", uid: "u1", resourceVersion: "1" };
  const containers = [{ name: "app", image: "a:1", ...container }];
  const pod = { metadata, spec: { restartPolicy: "Never", containers } };
  const stop = new AbortController();
  const context: CallContext = { signal: stop.signal, log: silentLogger };
  await provider.createPod({ owner, pod, revision: "1" }, context);
  await settle();
  const target: ContainerTarget = { owner, pod, container: "app" };
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const io = {
    tty: wanted.tty === true,
    ...(wanted.stdin === false ? {} : { stdin }),
    ...(wanted.stdout === false ? {} : { stdout, ...(wanted.tty === true ? {} : { stderr }) }),
  };
  const [out, err] = [collect(stdout), collect(stderr)];
  let over = false;
  const ended = Promise.resolve(provider.attachToContainer?.(target, io, context)).finally(() => {
    over = true;
  });
  ended.catch(() => {});
  await settle();
  const exitCode = async (): Promise<number | undefined> => {
    const report = await provider.getPodStatus(owner, { ...context, signal: new AbortController().signal });
    return report.containers[0]?.state.terminated?.exitCode;
  };
  return { provider, clock, stdin, out, err, ended, isOver: () => over, stop, exitCode };
}

function collect(stream: PassThrough): () => string {
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  return () => text;
}

test("output comes from now on, on its own stream, until the run ends", async () => {
  const { provider, clock, out, err, ended, isOver } = await attach({}, { stdin: false });
  await clock.advance(60_000);
  assert.equal(out().split("\n").length - 1, 11);
  assert.match(out(), /^request 1: /);
  assert.match(err(), /^warning: slow request 10: .*\n$/);
  assert.equal(isOver(), false);
  await provider.control.act({ action: "exit", uid: "u1", container: "app", exitCode: 2 });
  await settle(10);
  assert.equal(isOver(), true);
  await ended;
  assert.match(err(), /exiting with code 2\n$/);
});

test("what is typed is sent back when the container has stdin, and goes nowhere when not", async () => {
  const withStdin = await attach({ stdin: true });
  withStdin.stdin.write("hello\n");
  await settle(10);
  assert.equal(withStdin.out(), "hello\n");
  withStdin.stdin.end("bye\n");
  await withStdin.ended;
  assert.equal(withStdin.out(), "hello\nbye\n");
  assert.equal(await withStdin.exitCode(), undefined);
  const once = await attach({ stdin: true, stdinOnce: true });
  once.stdin.end("hello\n");
  await settle(10);
  assert.deepEqual([once.out(), once.isOver()], ["hello\n", false], "output goes on");
  once.stop.abort();
  await assert.rejects(once.ended, { kind: "Aborted" });
  const without = await attach({});
  without.stdin.write("hello\n");
  await settle(10);
  assert.equal(without.out(), "");
  without.stop.abort();
  await assert.rejects(without.ended, { kind: "Aborted" });
});

test("with stdin alone it is over when that ends", async () => {
  const { stdin, ended } = await attach({ stdin: true }, { stdout: false });
  stdin.end("x");
  await ended;
});

test("cat ends, and its container with it, when a stdin for once is closed", async () => {
  const { stdin, out, ended, exitCode } = await attach({ stdin: true, stdinOnce: true, command: ["/bin/cat"] });
  stdin.end("all of it");
  await ended;
  assert.equal(out(), "all of it");
  assert.equal(await exitCode(), 0);
});

test("a shell in a terminal: its exit is the container's", async () => {
  const { stdin, out, ended, exitCode } = await attach({ stdin: true, tty: true }, { tty: true });
  stdin.write("echo hi\r");
  await settle(10);
  assert.equal(out(), "$ echo hi\r\nhi\r\n$ ");
  stdin.write("exit 5\r");
  await ended;
  assert.equal(await exitCode(), 5);
});

test("a user who hangs up leaves the shell's container running", async () => {
  for (const leave of ["end", "abort"] as const) {
    const { stdin, stop, ended, exitCode } = await attach({ stdin: true, tty: true, command: ["sh"] }, { tty: true });
    if (leave === "end") {
      stdin.end();
      await ended;
    } else {
      stop.abort();
      await assert.rejects(ended, { kind: "Aborted" });
    }
    assert.equal(await exitCode(), undefined, leave);
  }
});

test("in a terminal, lines of the log return to its left edge", async () => {
  const { clock, out, stop } = await attach({ tty: true }, { tty: true, stdin: false });
  await clock.advance(5000);
  assert.match(out(), /^request 1: .*[^\r]\r\n$/);
  stop.abort();
});
