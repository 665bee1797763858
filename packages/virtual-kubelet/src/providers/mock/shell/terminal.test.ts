// What a user of a terminal sees, byte by byte.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { silentLogger } from "../../../log.ts";
import type { ContainerTarget, ExecResult, TerminalSize } from "../../../provider/streams.ts";
import { createMockProvider } from "../mock-provider.ts";

const owner = { cluster: "c", node: "n", namespace: "d", name: "web", uid: "u1" };
const metadata = { name: "web", namespace: "d", uid: "u1", resourceVersion: "1" };
const pod = { metadata, spec: { containers: [{ name: "app", image: "a:1" }] } };
const target: ContainerTarget = { owner, pod, container: "app" };
const provider = await createMockProvider({ node: "n" });
await provider.createPod({ owner, pod, revision: "1" }, { signal: new AbortController().signal, log: silentLogger });

interface Screen {
  readonly stdin: PassThrough;
  readonly stop: AbortController;
  readonly ended: Promise<ExecResult | undefined>;
  /** Waits until what was shown since the last call is this. */
  shows(text: string): Promise<void>;
}

function open(command: readonly string[], resize?: AsyncIterable<TerminalSize>): Screen {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const stop = new AbortController();
  let shown = "";
  let wake: (() => void) | undefined;
  stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    wake?.();
  });
  const io = { tty: true, stdin, stdout, resize };
  const ended = Promise.resolve(
    provider.runInContainer?.(target, command, io, { signal: stop.signal, log: silentLogger }),
  );
  return {
    stdin,
    stop,
    ended,
    async shows(text) {
      const deadline = Date.now() + 20_000;
      while (shown.length < text.length && Date.now() < deadline) {
        const timer = setTimeout(() => wake?.(), 20_000);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        clearTimeout(timer);
      }
      assert.equal(shown, text);
      shown = "";
    },
  };
}

test("a shell prompts, echoes what is typed, and ends with its code", async () => {
  const { stdin, shows, ended } = open(["sh"]);
  await shows("$ ");
  stdin.write("echo hi\r");
  await shows("echo hi\r\nhi\r\n$ ");
  stdin.write("exit 3\r");
  await shows("exit 3\r\n");
  assert.deepEqual(await ended, { exitCode: 3 });
});

test("a line can be edited: backspace, word and line; arrow keys do nothing", async () => {
  const { stdin, shows, ended } = open(["sh"]);
  await shows("$ ");
  stdin.write("echo hü\x7fi\x1b[A\r");
  await shows("echo hü\b \bi\r\nhi\r\n$ ");
  stdin.write("ab cd\x17x\x15tty\r");
  await shows(`ab cd${"\b \b".repeat(2)}x${"\b \b".repeat(4)}tty\r\n/dev/pts/0\r\n$ `);
  stdin.write("\x7f\x04");
  assert.deepEqual(await ended, { exitCode: 0 });
});

test("a quote that is open asks for more", async () => {
  const { stdin, shows, stop, ended } = open(["sh"]);
  await shows("$ ");
  stdin.write("echo 'a\r");
  await shows("echo 'a\r\n> ");
  stdin.write("b'\r");
  await shows("b'\r\na\r\nb\r\n$ ");
  stop.abort();
  await assert.rejects(ended, { kind: "Aborted" });
});

test("ctrl-C drops the line, or ends what runs, but not the shell", async () => {
  const { stdin, shows, ended } = open(["sh"]);
  await shows("$ ");
  stdin.write("half\x03");
  await shows("half^C\r\n$ ");
  for (const command of ["sleep 1h", "cat", "yes > /dev/null", "sleep 1h | cat"]) {
    stdin.write(`${command}\r`);
    await shows(`${command}\r\n`);
    stdin.write("\x03");
    await shows("^C\r\n$ ");
  }
  stdin.write("echo $?\r");
  await shows("echo $?\r\n130\r\n$ ");
  stdin.write("exit 9\r");
  assert.deepEqual(await ended, { exitCode: 9 });
});

test("ctrl-C ends a command that is no shell with 130; ctrl-D ends what it reads", async () => {
  const one = open(["cat"]);
  one.stdin.write("a\r");
  await one.shows("a\r\na\r\n");
  one.stdin.write("\x03");
  assert.deepEqual(await one.ended, { exitCode: 130 });
  const two = open(["cat"]);
  two.stdin.write("b\r\x04");
  assert.deepEqual(await two.ended, { exitCode: 0 });
});

test("a shell ends when the client's side does", async () => {
  const { stdin, shows, ended } = open(["sh"]);
  await shows("$ ");
  stdin.end();
  assert.deepEqual(await ended, { exitCode: 0 });
});

test("the size is the newest that the client told", async () => {
  let tell: (size: TerminalSize) => void = () => {};
  const sizes = (async function* () {
    yield { width: 100, height: 30 };
    yield await new Promise<TerminalSize>((resolve) => {
      tell = resolve;
    });
  })();
  const { stdin, shows, ended } = open(["sh"], sizes);
  await shows("$ ");
  stdin.write("stty size\r");
  await shows("stty size\r\n30 100\r\n$ ");
  tell({ width: 120, height: 40 });
  stdin.write("stty size\r");
  await shows("stty size\r\n40 120\r\n$ ");
  stdin.end();
  await ended;
});
