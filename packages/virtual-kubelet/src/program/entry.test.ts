// The program's entry as npm links it (bin/virtual-kubelet.js), in packages that are whole, not built, or built from older sources.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";

const entry = join(import.meta.dirname, "../../bin/virtual-kubelet.js");
/** Files with their times, in seconds. */
type Files = Readonly<Record<string, number>>;

async function run(
  files: Files,
  { at = "", options = [] }: { readonly at?: string; readonly options?: readonly string[] } = {},
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const root = mkdtempSync(join(tmpdir(), "vk entry-"));
  const directory = join(root, at);
  try {
    const all: Files = { "package.json": 1, "bin/virtual-kubelet.js": 1, ...files };
    for (const [name, time] of Object.entries(all)) {
      const path = join(directory, name);
      mkdirSync(join(path, ".."), { recursive: true });
      if (name === "package.json") writeFileSync(path, '{"type":"module"}');
      else if (name.startsWith("bin/")) copyFileSync(entry, path);
      else writeFileSync(path, `console.log("runs ${name}");`);
      utimesSync(path, time, time);
    }
    return await promisify(execFile)(process.execPath, [...options, join(directory, "bin/virtual-kubelet.js")]);
  } finally {
    rmSync(root, { recursive: true });
  }
}

const outdated = "virtual-kubelet: this build is older than its sources; build it again: npm run build\n";
const built: Files = { "dist/main.js": 10, "dist/.tsbuildinfo": 20, "src/main.ts": 15 };
const cases: readonly [string, Files, string, string][] = [
  ["installed", { "dist/main.js": 10 }, "dist/main.js", ""],
  ["a clone that is not built", { "src/main.ts": 15 }, "src/main.ts", ""],
  ["a clone that is built", { ...built, "src/node/node.ts": 19, "src/node/node.test.ts": 30 }, "dist/main.js", ""],
  ["a clone with newer sources", { ...built, "src/node/node.ts": 30 }, "dist/main.js", outdated],
];
for (const [name, files, runs, said] of cases)
  test(name, async () => assert.deepEqual(await run(files), { stdout: `runs ${runs}\n`, stderr: said }));

test("neither built nor a clone", async () => {
  await assert.rejects(run({}), /virtual-kubelet is not complete: its dist\/main\.js is missing/);
});

test("an older Node.js is told where the one is that npm has installed", async () => {
  const older = 'Object.defineProperty(process, "versions", { value: { node: "20.1.0" } })';
  const options = ["--import", `data:text/javascript,${encodeURIComponent(older)}`];
  await assert.rejects(run({}, { options }), /needs Node\.js 24\.11 or later; this is v.*Install it from/);
  const at = "packages/virtual-kubelet";
  await assert.rejects(
    run({ "../../node_modules/.bin/node": 1 }, { at, options }),
    /There is one in \/.*vk entry-\w+\/node_modules\/\.bin\/: start this by npx/,
  );
  await assert.rejects(
    run({ "../../.bin/node": 1 }, { at: "node_modules/@virtual-kubelet/virtual-kubelet", options }),
    /node_modules\/\.bin\/: start/,
  );
});
