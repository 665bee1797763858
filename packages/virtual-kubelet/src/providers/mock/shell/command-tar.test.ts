// tar, as `kubectl cp` uses it: there and back again, against the system's own tar, and with archives that mean harm.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { FakeClock } from "../../../testing/fake-clock.ts";
import { encode, Input } from "./bytes.ts";
import { commands } from "./commands.ts";
import { Files } from "./files.ts";
import { Interpreter } from "./interpreter.ts";
import { readHeader, readRecords, writeHeader } from "./tar-format.ts";

const directory = mkdtempSync(join(tmpdir(), "mock-tar-"));
after(() => rmSync(directory, { recursive: true }));

function newFiles(): Files {
  const files = new Files(64 * 1024 ** 2, { left: 64 * 1024 ** 2 }, () => Date.UTC(2026, 0, 1));
  files.makeDirectory("/tmp", true);
  return files;
}

async function tar(
  files: Files,
  args: readonly string[],
  stdin: Uint8Array = new Uint8Array(),
): Promise<{ readonly out: Buffer; readonly err: string; readonly code: number }> {
  const machine = { hostname: "h", clock: new FakeClock(), files };
  const [out, err]: [Uint8Array[], Uint8Array[]] = [[], []];
  let left: Uint8Array | undefined = stdin;
  const take = (chunks: Uint8Array[]) => ({
    write: async (chunk: Uint8Array) => {
      chunks.push(chunk);
      return true;
    },
  });
  const code = await new Interpreter(machine, commands).execute("tar", {
    machine,
    args,
    stdin: new Input(async () => {
      const chunk = left?.subarray(0, 1000);
      left = left !== undefined && left.length > 1000 ? left.subarray(1000) : undefined;
      return chunk;
    }),
    stdout: take(out),
    stderr: take(err),
    environment: new Map(),
    directory: "/",
    signal: new AbortController().signal,
  });
  return { out: Buffer.concat(out), err: Buffer.concat(err).toString("utf8"), code };
}

function contentOf(files: Files, path: string): string {
  return Buffer.concat([...files.read(path)]).toString("utf8");
}

const longName = `${"d".repeat(60)}/${"f".repeat(90)}.txt`;

test("what one packs, the system's tar unpacks, long names and links too", async () => {
  const files = newFiles();
  files.makeDirectory(`/tmp/x/${"d".repeat(60)}`, true);
  for (const [name, text] of [
    ["a.txt", "hello"],
    ["empty", ""],
    [longName, "long"],
    ["ünïcode", "x".repeat(70_000)],
  ] as const) {
    files.create(`/tmp/x/${name}`);
    files.append(`/tmp/x/${name}`, encode(text));
  }
  files.link("/tmp/x/link", "a.txt");
  const { out, code } = await tar(files, ["cf", "-", "/tmp/x"]);
  assert.equal(code, 0);
  execFileSync("tar", ["xf", "-", "-C", directory], { input: out });
  const unpacked = join(directory, "tmp/x");
  assert.equal(readFileSync(join(unpacked, "a.txt"), "utf8"), "hello");
  assert.equal(readFileSync(join(unpacked, "link"), "utf8"), "hello");
  assert.equal(readFileSync(join(unpacked, "empty"), "utf8"), "");
  assert.equal(readFileSync(join(unpacked, longName), "utf8"), "long");
  assert.equal(readFileSync(join(unpacked, "ünïcode"), "utf8").length, 70_000);
  for (const format of ["ustar", "pax", "gnu", "posix"]) {
    const packed = execFileSync("tar", [`--format=${format}`, "-cf", "-", "-C", unpacked, "."]);
    const again = newFiles();
    again.makeDirectory("/dest", true);
    assert.deepEqual((await tar(again, ["-xmf", "-", "-C", "/dest"], packed)).code, 0);
    assert.equal(contentOf(again, "/dest/a.txt"), "hello");
    assert.equal(contentOf(again, "/dest/link"), "hello");
    assert.equal(contentOf(again, `/dest/${longName}`), "long");
    assert.equal(contentOf(again, "/dest/ünïcode").length, 70_000);
  }
});

test("members from a directory, listed and packed by their own names", async () => {
  const files = newFiles();
  files.create("/tmp/a");
  files.append("/tmp/a", encode("1"));
  const { out } = await tar(files, ["-c", "-f", "-", "-C", "/tmp", "a"]);
  assert.equal((await tar(files, ["tf", "-"], out)).out.toString("utf8"), "a\n");
  assert.equal((await tar(files, ["cf", "/tmp/a.tar", "-C", "/tmp", "a"])).code, 0);
  assert.equal((await tar(files, ["tvf", "/tmp/a.tar"])).out.toString("utf8"), "a\n");
});

test("what cannot be done is said, with exit code 2", async () => {
  const files = newFiles();
  for (const [args, message] of [
    [["xf", "/none.tar"], /No such file/],
    [["cf", "-", "/none"], /Cannot stat/],
    [["xzf", "-"], /-z: not supported/],
    [["xf", "-", "-C", "/none"], /No such file/],
    [["xf", "-", "--strip-components=1"], /not supported/],
    [["cf", "-"], /empty archive/],
    [["f", "-"], /one of c, x and t/],
  ] as const) {
    const { code, err, out } = await tar(files, args);
    assert.equal(code, 2, err);
    assert.match(err, message);
    assert.equal(out.length, 0, "no archive, which a reader could take for a whole one");
  }
  assert.match((await tar(files, ["xf", "-"], Buffer.alloc(600, "x"))).err, /does not look like/);
});

function archive(
  ...members: readonly { readonly name: string; readonly type?: string; readonly linkName?: string }[]
): Buffer {
  const text = encode("evil");
  return Buffer.concat([
    ...members.flatMap(({ name, type = "0", linkName = "" }) => {
      const size = type === "0" ? text.length : 0;
      const header = writeHeader({ name, type, mode: 0o644, size, modified: 0, linkName });
      return size === 0 ? [header] : [header, text, new Uint8Array(512 - size)];
    }),
    Buffer.alloc(1024),
  ]);
}

test("no member lands outside of the directory, neither by its name nor through a link of the archive", async () => {
  const files = newFiles();
  files.makeDirectory("/dest", true);
  files.create("/tmp/target");
  const harm = archive(
    { name: "../../etc/passwd" },
    { name: "/abs" },
    { name: "link", type: "2", linkName: "/tmp/target" },
    { name: "link" },
  );
  assert.equal((await tar(files, ["xf", "-", "-C", "/dest"], harm)).code, 0);
  assert.equal(files.stat("/etc/passwd"), undefined);
  assert.equal(contentOf(files, "/dest/etc/passwd"), "evil");
  assert.equal(contentOf(files, "/dest/abs"), "evil");
  assert.equal(contentOf(files, "/tmp/target"), "");
  assert.equal(contentOf(files, "/dest/link"), "evil");
});

test("an archive that breaks off fails", async () => {
  const whole = archive({ name: "a" });
  const files = newFiles();
  assert.match((await tar(files, ["xf", "-"], whole.subarray(0, 514))).err, /Unexpected EOF/);
});

test("any header comes back as it was, and any block is read or refused", () => {
  const number = fc.integer({ min: 0, max: 8 ** 11 - 1 });
  const name = fc.string({ minLength: 1, maxLength: 30 }).filter((text) => !text.includes("\0") && !text.endsWith("/"));
  fc.assert(
    fc.property(name, number, number, fc.integer({ min: 0, max: 0o7777 }), (text, size, modified, mode) => {
      const header = { name: text, type: "0", mode, size, modified, linkName: "" };
      fc.pre(Buffer.byteLength(text) <= 100);
      assert.deepEqual(readHeader(writeHeader(header)), header);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 600 }), (bytes) => {
      readHeader(bytes);
      readRecords(bytes);
    }),
  );
});
