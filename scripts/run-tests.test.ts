import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-run-tests-"));
after(() => rmSync(directory, { recursive: true }));

let count = 0;
function file(text: string): string {
  const path = join(directory, `${count++}.test.ts`);
  writeFileSync(path, `import { test } from "node:test";\n${text}\n`);
  return path;
}

function runTests(options: {
  readonly ci?: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}): {
  code: number | null;
  lines: string[];
  output: string;
} {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=source", join(import.meta.dirname, "run-tests.ts"), ...options.args],
    { encoding: "utf8", env: { ...env, ...options.env, CI: options.ci ?? "" } },
  );
  return { code: status, lines: stdout.trimEnd().split("\n"), output: stdout + stderr };
}

const good = file("test('good', () => {});");
const nested = file("test('outer', async (t) => { await t.test('inner', () => {}); });");
const bad = file("test('bad', () => { throw new Error('the reason'); });\ntest('good', () => {});");
const skipping = file("test('skipped', { skip: 'no such thing here' }, () => {});\ntest('good', () => {});");
const leaking = file("test('good', () => {});\nsetInterval(() => {}, 1000);");
const hanging = file(
  "import { createServer } from 'node:net';\ntest('good', () => {});\n" +
    "test('hangs', () => new Promise(() => createServer().listen(0, '127.0.0.1')));",
);
const rejecting = file("test('good', () => {});\nPromise.reject(new Error('floating'));");
const crashing = file("console.error('last words');\nprocess.exit(3);");
const empty = file("console.log(typeof test);");

const cases: readonly {
  readonly what: string;
  readonly args: readonly string[];
  readonly ci?: string;
  readonly last: string;
  readonly code: number;
  readonly says?: RegExp;
}[] = [
  { what: "several files", args: [good, nested], last: "3 passed, 0 failed", code: 0 },
  {
    what: "a failing test",
    args: [good, bad],
    last: "2 passed, 1 failed",
    code: 1,
    says: /bad\n.*at .*:2:1\nError: the reason/,
  },
  {
    what: "a skipped test",
    args: [skipping],
    last: "1 passed, 0 failed, 1 skipped",
    code: 0,
    says: /skipped: no such thing/,
  },
  {
    what: "a skipped test in CI",
    args: [skipping],
    ci: "1",
    last: "1 passed, 1 failed",
    code: 1,
    says: /no such thing/,
  },
  { what: "CI=false", args: [skipping], ci: "false", last: "1 passed, 0 failed, 1 skipped", code: 0 },
  {
    what: "something left open",
    args: [leaking, "--file-deadline", "20"],
    last: "1 passed, 1 failed",
    code: 1,
    says: /did not end within 2\.0 s of its last test: something was left open\nopen: .*Timeout/,
  },
  {
    what: "a test that hangs",
    args: [hanging, "--file-deadline", "12"],
    last: "1 passed, 1 failed",
    code: 1,
    says: /nothing happened for 4\.8 s, in: hangs\nopen: .*\nserver: .*"port":\d+/,
  },
  { what: "a promise rejected unseen", args: [rejecting], last: "1 passed, 1 failed", code: 1, says: /floating/ },
  { what: "a crash", args: [crashing], last: "0 passed, 1 failed", code: 1, says: /file itself failed\nlast words/ },
  { what: "a file without tests", args: [empty], last: "0 passed, 1 failed", code: 1, says: /holds no tests/ },
  { what: "chosen tests", args: [good, bad, "--test", "^good$"], last: "2 passed, 0 failed", code: 0 },
];
for (const { what, args, ci, last, code, says } of cases) {
  test(`summary of ${what}`, () => {
    const result = runTests({ args: ["--unit", ...args], ...(ci === undefined ? {} : { ci }) });
    assert.equal(result.lines.at(-1), last, result.output);
    assert.equal(result.code, code);
    if (says !== undefined) assert.match(result.output, says);
    assert.equal(result.lines.filter((line) => /^\d+ passed, \d+ failed/.test(line)).length, 1);
  });
}

test("names and versions that do not exist are refused", () => {
  const nothing = runTests({ args: ["--unit", "no-such-file"] });
  assert.equal(nothing.code, 1);
  assert.match(nothing.output, /no test file matches no-such-file/);
  const version = runTests({ args: ["--unit", good, "--kubernetes", "1.2.3"] });
  assert.equal(version.code, 1);
  assert.match(version.output, /no Kubernetes 1\.2\.3 here/);
});

test("a machine with nothing but Node is told what is left out, and in CI fails for it", () => {
  const env = { PATH: "", KUBEBUILDER_ASSETS: "", XDG_CACHE_HOME: join(directory, "cache") };
  const args = ["--e2e", "e2e/scheduling.test.ts"];
  const here = runTests({ args, env });
  assert.equal(here.lines.at(-1), "0 passed, 0 failed, 1 skipped", here.output);
  assert.equal(here.code, 0);
  assert.match(here.output, /on the development cluster: scheduling: there is no kubectl on the PATH/);
  const inCi = runTests({ args, env, ci: "1" });
  assert.equal(inCi.lines.at(-1), "0 passed, 1 failed", inCi.output);
});
