// On real shells on real terminals, which `script` of Debian's bsdutils makes.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import fc from "fast-check";
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import { eventually } from "../testing/eventually.ts";
import { execInShell, type ShellExecOptions, type ShellTerminal } from "./shell-exec.ts";

const signal = AbortSignal.timeout(300_000);

/** `shell` on a terminal of its own. */
function terminalOf(shell: string): ShellTerminal & { readonly gone: Promise<unknown> } {
  const child = spawn("script", ["-qec", shell, "/dev/null"], { stdio: ["pipe", "pipe", "ignore"] });
  const gone = once(child, "exit");
  child.stdin.on("error", () => {});
  return {
    write: async (bytes) => {
      if (!child.stdin.write(bytes)) await Promise.race([once(child.stdin, "drain"), gone]);
    },
    output: child.stdout,
    close: () => void child.kill("SIGKILL"),
    gone,
  };
}

/** The next line, however it is cut; the stream goes on. */
async function lineOf(stream: PassThrough): Promise<string> {
  let line = "";
  while (!line.endsWith("\n")) {
    const chunk: unknown = stream.read(1);
    if (chunk === null) await once(stream, "readable");
    else line += String(chunk);
  }
  return line;
}

interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  shell: string,
  command: readonly string[],
  {
    input,
    tty = false,
    ...options
  }: Partial<ShellExecOptions> & { readonly input?: Uint8Array | PassThrough; readonly tty?: boolean } = {},
): Promise<Outcome> {
  const terminal = terminalOf(shell);
  const [stdout, stderr] = [new PassThrough({ highWaterMark: 1_000 }), new PassThrough()];
  const texts = Promise.all([buffer(stdout), buffer(stderr)]);
  const stdin = input instanceof Uint8Array ? new PassThrough().end(input) : input;
  const io = { stdout, ...(tty ? {} : { stderr }), ...(stdin === undefined ? {} : { stdin }), tty };
  try {
    const { exitCode } = await execInShell(terminal, command, io, { signal, ...options });
    stdout.end();
    stderr.end();
    const [out, err] = await texts;
    return { exitCode, stdout: out.toString("latin1"), stderr: err.toString("latin1") };
  } finally {
    stdout.end();
    stderr.end();
    await terminal.gone;
  }
}

for (const shell of ["/bin/sh", "/bin/bash --norc"])
  test(`${shell}: commands have arguments, output, errors and an exit code`, async () => {
    const words = ["it's", "", "a  b\n", "$HOME `x` \\ %d !1", "\u00e9\t\u0003", "-n", "x".repeat(3_000)];
    const print = await run(shell, ["printf", "%s|", ...words]);
    assert.deepEqual(print, { exitCode: 0, stdout: Buffer.from(`${words.join("|")}|`).toString("latin1"), stderr: "" });
    const mixed = await run(shell, ["sh", "-c", "echo out; echo bad >&2; printf end; exit 7"]);
    assert.deepEqual(mixed, { exitCode: 7, stdout: "out\nend", stderr: "bad\n" });
    const missing = await run(shell, ["no-such-command"]);
    assert.equal(missing.exitCode, 127);
    assert.match(missing.stderr, /not found/);
    assert.equal((await run(shell, ["cat"])).stdout, "");
  });

test("input of any bytes arrives, with its end, and output of any bytes comes back", async () => {
  const input = Buffer.from(Array.from({ length: 20_000 }, (_, index) => (index * 31 + (index >> 8)) & 255));
  const { exitCode, stdout } = await run("/bin/sh", ["cat"], { input, writeBytes: 300 });
  assert.equal(exitCode, 0);
  assert.ok(Buffer.from(stdout, "latin1").equals(input));
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 600 }), async (bytes) => {
      const back = await run("/bin/sh", ["cat"], { input: bytes });
      assert.deepEqual(Buffer.from(back.stdout, "latin1"), Buffer.from(bytes));
    }),
    { numRuns: 5 },
  );
});

test("a command that leaves its input alone ends all the same, and one is answered line by line", async () => {
  const open = new PassThrough();
  open.write("never read\n");
  assert.equal((await run("/bin/sh", ["true"], { input: open })).exitCode, 0);
  const [stdin, seen] = [new PassThrough(), new PassThrough()];
  const terminal = terminalOf("/bin/sh");
  const running = execInShell(
    terminal,
    ["sh", "-c", "while read l; do echo got $l; done"],
    { stdin, stdout: seen, tty: false },
    { signal },
  );
  for (const line of ["one", "two"]) {
    stdin.write(`${line}\n`);
    assert.equal(await lineOf(seen), `got ${line}\n`);
  }
  stdin.end();
  assert.equal((await running).exitCode, 0);
  await terminal.gone;
});

test("with a terminal the command has one, of the size that is asked for, and interrupts are its own", async () => {
  const { exitCode, stdout } = await run("/bin/bash --norc", ["sh", "-c", "stty size; test -t 0 && echo yes; exit 5"], {
    ...{ tty: true, size: { width: 97, height: 31 } },
  });
  assert.deepEqual([exitCode, stdout], [5, "31 97\r\nyes\r\n"]);
  const stdin = new PassThrough();
  const seen: string[] = [];
  const stdout2 = new Writable({
    write(chunk, _encoding, done) {
      seen.push(String(chunk));
      done();
    },
  });
  const terminal = terminalOf("/bin/bash --norc");
  const io = { stdin, stdout: stdout2, tty: true };
  // Again and again, as people do: dash forgets one that comes while it forks.
  const typing = setInterval(() => seen.join("").includes("ready") && stdin.write("\u0003"), 100).unref();
  assert.equal((await execInShell(terminal, ["sh", "-c", "echo ready; sleep 50"], io, { signal })).exitCode, 130);
  clearInterval(typing);
  assert.doesNotMatch(seen.join(""), /VK-/);
  await terminal.gone;
});

test("without a shell it is said that the image needs one; who does not answer or goes away is unavailable", async () => {
  await assert.rejects(run("/no/such/sh", ["true"]), (error: unknown) => {
    return (
      error instanceof VirtualKubeletError &&
      error.kind === "Unsupported" &&
      /needs \/bin\/sh \(.*no\/such\/sh/.test(error.message)
    );
  });
  await assert.rejects(run("sleep 50", ["true"], { beginMs: 200 }), (error) => isErrorKind(error, "Unavailable"));
  const dying = run("/bin/sh", ["sh", "-c", "kill -9 $PPID; sleep 1"]);
  await assert.rejects(dying, (error) => isErrorKind(error, "Unavailable"));
});

test("with its terminal a command ends, with and without input, and leaves no file", async () => {
  for (const stdin of [undefined, new PassThrough()]) {
    const directory = mkdtempSync(join(tmpdir(), "vk-shell-exec-"));
    const [stdout, stderr, leaving] = [new PassThrough(), new PassThrough(), new AbortController()];
    const terminal = terminalOf(`env TMPDIR=${directory} /bin/sh`);
    const io = { stdout, stderr, ...(stdin === undefined ? {} : { stdin }), tty: false };
    const running = execInShell(terminal, ["sh", "-c", "echo $$; exec sleep 50"], io, { signal: leaving.signal });
    const pid = Number(await lineOf(stdout));
    leaving.abort();
    await assert.rejects(running, (error) => isErrorKind(error, "Aborted"));
    await eventually("the command has ended", 10_000, () => !existsSync(`/proc/${pid}`));
    assert.deepEqual(readdirSync(directory), []);
    rmSync(directory, { recursive: true });
  }
});
