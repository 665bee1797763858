// The small shell and its commands, by what they write and how they end.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { FakeClock } from "../../../testing/fake-clock.ts";
import { Input, type Output } from "./bytes.ts";
import { commands } from "./commands.ts";
import { Files } from "./files.ts";
import { Interpreter } from "./interpreter.ts";
import type { Machine } from "./process.ts";

interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

function newMachine(capacity = 1024 ** 2): Machine {
  const clock = new FakeClock(Date.UTC(2026, 4, 3, 2, 1, 0));
  const files = new Files(capacity, { left: 2 * capacity }, () => clock.now());
  for (const path of ["/bin", "/tmp", "/root", "/etc"]) files.makeDirectory(path, true);
  files.create("/bin/cat", 0o755);
  files.create("/etc/motd");
  return { hostname: "web-0", clock, files };
}

function collector(): { readonly output: Output; readonly text: () => string } {
  const chunks: Uint8Array[] = [];
  return {
    output: {
      async write(chunk) {
        chunks.push(chunk);
        return true;
      },
    },
    text: () => Buffer.concat(chunks).toString("utf8"),
  };
}

async function run(
  command: readonly string[],
  machine: Machine = newMachine(),
  stdin = "",
  signal: AbortSignal = new AbortController().signal,
): Promise<Ran> {
  const [name = "", ...args] = command;
  const [out, err] = [collector(), collector()];
  const chunks = stdin === "" ? [] : [Buffer.from(stdin)];
  const code = await new Interpreter(machine, commands).execute(name, {
    machine,
    args,
    stdin: new Input(async () => chunks.shift()),
    stdout: out.output,
    stderr: err.output,
    environment: new Map([
      ["HOME", "/root"],
      ["NAME", "a  b"],
      ["EMPTY", ""],
    ]),
    directory: "/",
    signal,
  });
  return { out: out.text(), err: err.text(), code };
}

const sh = async (script: string, machine?: Machine, stdin?: string): Promise<Ran> =>
  await run(["sh", "-c", script], machine, stdin);

const scripts: readonly (readonly [script: string, out: string, code?: number])[] = [
  ["echo a; echo b", "a\nb\n"],
  ["echo a && echo b || echo c", "a\nb\n"],
  ["false && echo b || echo c", "c\n"],
  ["false || false", "", 1],
  ["! false", ""],
  ["echo $?; false; echo $?", "0\n1\n"],
  ["exit 300", "", 44],
  ["false; exit", "", 1],
  ["exit 3; echo never", "", 3],
  ["echo 'a  b' \"$NAME\" $NAME", "a  b a  b a b\n"],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: variables of the shell
  ["echo x${EMPTY}y ${EMPTY:-none} [$UNSET]", "xy none []\n"],
  ['echo "a\\"b" a\\ b \'$NAME\'', 'a"b a b $NAME\n'],
  ["echo a # not this\necho b", "a\nb\n"],
  ["X=1 Y=2; echo $X$Y", "12\n"],
  ["X=1 printenv X; printenv X", "1\n", 1],
  ["export X=1; printenv X; unset X; printenv X", "1\n", 1],
  ["printf x", "", 127],
  ["/bin/cat /etc/motd", ""],
  ["/bin/none", "", 127],
  ["/etc", "", 126],
  ["cd /tmp && pwd; cd /none", "/tmp\n", 1],
  ["cd /tmp | true; pwd", "/\n"],
  ["echo hello | cat | wc -c", "6\n"],
  ["yes | head -n 2", "y\ny\n"],
  ["yes | head -c 3", "y\ny"],
  ["cat /dev/zero | head -c 100k | wc -c", "102400\n"],
  ["seq 3 | tail -n 1; seq 5 | tail -n +4; echo -n abcdef | tail -c+5", "3\n4\n5\nef"],
  ["seq 100000 | tail -n 2; seq 100000 | tail -c 7; echo -n 'no end' | tail -n 1", "99999\n100000\n100000\nno end"],
  ["echo | tail -n 1; echo -e 'a\\n\\nb' | tail -n 2", "\n\nb\n"],
  ["tail -c 17M /dev/null", "", 1],
  ["seq 2 -1 0", "2\n1\n0\n"],
  ["echo a > /tmp/x; echo b >> /tmp/x; cat < /tmp/x; wc -l /tmp/x", "a\nb\n2 /tmp/x\n"],
  ["nothing 2>&1", "sh: nothing: not found\n", 127],
  ["nothing 2>/dev/null | cat", ""],
  ["echo a > /none/x", "", 1],
  ["cat < /none", "", 1],
  ["cat /etc", "", 1],
  ["sh -c 'echo $0 $1 $#' name first", "name first 1\n"],
  ["sh -c 'exit 9'; echo $?", "9\n"],
  ["test -d /tmp && [ -f /etc/motd ] && [ a = a ] && [ 2 -gt 1 ] && ! [ -e /none ]", ""],
  ["test -d /etc/motd", "", 1],
  ["mkdir -p /tmp/a/b; touch /tmp/a/b/c; ls /tmp/a /tmp/a/b; rm -r /tmp/a; ls /tmp", "/tmp/a:\nb\n/tmp/a/b:\nc\n"],
  ["echo x > /tmp/x; cp /tmp/x /tmp/y; cat /tmp/y", "x\n"],
  ["echo x | tee /tmp/x | cat; cat /tmp/x", "x\nx\n"],
  ["echo one > /tmp/x; grep n /tmp/x; grep -q z /tmp/x", "one\n", 1],
  ["hostname; uname; uname -n; id -u; tty", "web-0\nLinux\nweb-0\n0\nnot a tty\n", 1],
  ["date; date +%Y-%m-%dT%H:%M:%S", "Sun May  3 02:01:00 UTC 2026\n2026-05-03T02:01:00\n"],
  ["echo -e 'a\\tb\\x41'; echo -n", "a\tbA\n"],
  ["echo '", "", 2],
  ["stty size", "", 1],
];

for (const [script, out, code = 0] of scripts) {
  test(`sh -c ${JSON.stringify(script)}`, async () => {
    const ran = await sh(script);
    assert.deepEqual({ out: ran.out, code: ran.code }, { out, code }, ran.err);
  });
}

test("lines from stdin run one after another, and share it with what they run", async () => {
  const ran = await run(["sh"], newMachine(), "echo one\nhead -n 1\nfor head\necho 'two\nlines'\nexit 4\necho never\n");
  assert.deepEqual(ran, { out: "one\nfor head\ntwo\nlines\n", err: "", code: 4 });
});

test("checksums are those of the bytes", async () => {
  const text = "some text";
  for (const [command, algorithm] of [
    ["md5sum", "md5"],
    ["sha256sum", "sha256"],
  ] as const) {
    const { out } = await run([command], newMachine(), text);
    assert.equal(out, `${createHash(algorithm).update(text).digest("hex")}  -\n`);
  }
});

test("files are bounded: what does not fit fails as on a full disk, and removing makes room", async () => {
  const machine = newMachine(100_000);
  const full = await sh("head -c 200k /dev/zero > /tmp/x", machine);
  assert.deepEqual(full, { out: "", err: "sh: write error: No space left on device\n", code: 1 });
  const after = await sh("rm /tmp/x; head -c 50k /dev/zero > /tmp/x && wc -c /tmp/x", machine);
  assert.equal(after.out, "51200 /tmp/x\n");
});

test("sleep takes the clock's time", async () => {
  const machine = newMachine();
  let over = false;
  const sleeping = run(["sleep", "1.5"], machine).then(() => {
    over = true;
  });
  assert.ok(machine.clock instanceof FakeClock);
  await machine.clock.advance(1499);
  assert.equal(over, false);
  await machine.clock.advance(1);
  await sleeping;
});

test("whatever runs ends when it is aborted", async () => {
  for (const script of [
    "sleep 1h",
    "yes > /dev/null",
    "yes | cat | cat > /dev/null",
    "sleep 1h; echo never",
    "cat /dev/zero | sha256sum",
  ]) {
    const stop = new AbortController();
    const running = run(["sh", "-c", script], newMachine(), "", stop.signal);
    setImmediate(() => stop.abort());
    assert.equal((await running).out, "", script);
  }
});
