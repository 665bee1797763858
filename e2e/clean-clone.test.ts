// What a newcomer does: clone, then the commands of the README, on the Node 20 that came with the system.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";

const root = join(import.meta.dirname, "..");

/** The first directory on the PATH whose Node is a 20 and has an npm beside it. */
function findNode20(): string | undefined {
  return (process.env["PATH"] ?? "").split(delimiter).find((directory) => {
    const node = join(directory, "node");
    if (!existsSync(node) || !existsSync(join(directory, "npm"))) return false;
    return spawnSync(node, ["--version"], { encoding: "utf8" }).stdout.startsWith("v20.");
  });
}

const node20 = findNode20();

/** Seconds of the processor that all who ended below this process have had: others may be at work on this machine, too. */
function processorSeconds(): number {
  // Linux tells them in hundredths, behind the name of the program.
  const stat = readFileSync("/proc/self/stat", "utf8").replace(/^.*\) /s, "");
  const [user, system] = stat.split(" ").slice(13, 15);
  return (Number(user) + Number(system)) / 100;
}

describe("a clean clone on Node 20", { skip: node20 === undefined ? "no Node 20 with npm on the PATH" : false }, () => {
  const clone = mkdtempSync(join(tmpdir(), "virtual-kubelet-clone-"));
  const temporary = mkdtempSync(join(tmpdir(), "vk-clone-"));
  before(() => {
    execFileSync("git", ["clone", "--quiet", "--no-local", root, clone]);
  });
  after(() => {
    for (const directory of [clone, temporary]) rmSync(directory, { recursive: true, force: true });
  });

  /** As typed in a shell: without this checkout's programs and without what npm and the test runner pass on. */
  function npm(...args: string[]): { code: number | null; stdout: string; output: string } {
    return npmOn((process.env["PATH"] ?? "").split(delimiter), ...args);
  }

  function npmOn(directories: readonly string[], ...args: string[]): ReturnType<typeof npm> {
    const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_)/.test(name));
    const path = directories.filter((directory) => !directory.startsWith(root));
    const env = { ...Object.fromEntries(kept), PATH: [node20 ?? "", ...path].join(delimiter), TMPDIR: temporary };
    const { status, stdout, stderr } = spawnSync(join(node20 ?? "", "npm"), args, {
      cwd: clone,
      env,
      encoding: "utf8",
      timeout: 450_000,
    });
    return { code: status, stdout, output: stdout + stderr };
  }

  test("npm start, without Go: installs what is missing, shows pods run within a minute, ends by itself and leaves nothing", () => {
    assert.ok(!existsSync(join(clone, "node_modules")));
    const withoutGo = (process.env["PATH"] ?? "")
      .split(delimiter)
      .filter((directory) => directory === node20 || !existsSync(join(directory, "go")));
    const before = processorSeconds();
    const { code, stdout, output } = npmOn(withoutGo, "start", "--", "--exit-after-ready", "--time-limit=5m");
    const seconds = processorSeconds() - before;
    assert.equal(code, 0, output);
    assert.match(output, /Stopped, nothing is left\.\n/);
    assert.match(output, /Installing the packages/);
    assert.match(stdout, /^node\/vk-1 {2}Ready /m);
    assert.equal(stdout.match(/^sample-web-\S+ +Running +1\/1 +0 +\S+ +[\d.]+ m?s +10\.\S+$/gm)?.length, 3, output);
    assert.match(stdout, /^job\/sample-job {2}4\/4 succeeded/m);
    assert.deepEqual(readdirSync(temporary), []);
    assert.ok(seconds > 1 && seconds < 60, `${seconds} s`);
  });

  test("npm test runs on the pinned Node", () => {
    const first = npm("test", "--", "--unit", "src/errors", "testing/pki");
    assert.match(first.stdout.trimEnd(), /\n[1-9]\d* passed, 0 failed$/, first.output);
    assert.equal(first.code, 0);
    const pinned = execFileSync(join(clone, "node_modules/.bin/node"), ["--version"], { encoding: "utf8" });
    assert.equal(pinned, "v24.21.0\n");
  });

  test("the second time nothing is installed, and the exit code of a failure comes through", () => {
    const second = npm("test", "--", "--unit", "no-such-file");
    assert.equal(second.code, 1, second.output);
    assert.match(second.output, /no test file matches no-such-file/);
    assert.doesNotMatch(second.output, /Installing/);
  });

  test("npm start explains itself, and names all that is wrong with its options", () => {
    assert.match(npm("start", "--", "--help").stdout, /Usage: npm start -- .*--exit-after-ready/s);
    const { code, output } = npm("start", "--", "--exit-after-redy", "--time-limit=soon");
    assert.equal(code, 2, output);
    assert.match(output, /did you mean --exit-after-ready.*"soon" is no time.*npm start -- --help/s);
  });

  test("all of it passes the checks", () => {
    const { code, output } = npm("test", "--", "--checks");
    assert.equal(code, 0, output);
  });
});
