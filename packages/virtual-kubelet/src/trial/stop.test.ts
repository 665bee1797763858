import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-stop-"));
after(() => rmSync(directory, { recursive: true }));

/** Never ends by itself, as a clean-up that hangs. */
const script = `
const { Stop } = await import(${JSON.stringify(new URL("./stop.ts", import.meta.url).href)});
const stop = new Stop();
stop.removeAtExit(process.argv[1]);
stop.signal.addEventListener("abort", () => console.log("asked"));
setInterval(() => {}, 1000);
console.log("ready");
`;

async function run(file: string): Promise<ChildProcess> {
  writeFileSync(file, "");
  const child = spawn(process.execPath, ["--input-type=module", "-e", script, file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.equal(await line(child), "ready");
  return child;
}

async function line(child: ChildProcess): Promise<string> {
  assert.ok(child.stdout !== null);
  const [data]: unknown[] = await once(child.stdout, "data");
  return String(data).trim();
}

test("a second Ctrl-C ends it at once; files go nevertheless; one that comes twice is one", async () => {
  const file = join(directory, "file");
  const child = await run(file);
  const ended = once(child, "exit");
  child.kill("SIGINT");
  child.kill("SIGINT");
  assert.equal(await line(child), "asked");
  await sleep(600);
  assert.equal(child.exitCode, null);
  assert.ok(existsSync(file));
  child.kill("SIGINT");
  const [code]: unknown[] = await ended;
  assert.equal(code, 130);
  assert.ok(!existsSync(file));
});

test("SIGTERM and a terminal that closes ask only, however often", async () => {
  const child = await run(join(directory, "other"));
  child.kill("SIGTERM");
  assert.equal(await line(child), "asked");
  await sleep(600);
  child.kill("SIGTERM");
  child.kill("SIGHUP");
  await sleep(100);
  assert.equal(child.exitCode, null);
  child.kill("SIGKILL");
  await once(child, "exit");
});
