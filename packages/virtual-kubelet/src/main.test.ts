// The program as a process: signals, exit codes, and what it says while the API server is away.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";

function kubeconfigFor(server: string): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server } }],
    users: [{ name: "u", user: { token: "t" } }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });
}

const noNamespaces = process.platform === "linux" ? false : "namespaces of processes are Linux's";
const deadlineMs = 120_000;
let directory = "";
const children: ChildProcess[] = [];
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "program-main-"));
  // Nothing listens on port 1.
  await writeFile(join(directory, "kubeconfig"), kubeconfigFor("https://127.0.0.1:1"));
  await writeFile(join(directory, "hangs.mjs"), "setInterval(() => {}, 1000); await new Promise(() => {});");
  await writeFile(
    join(directory, "rejects.mjs"),
    "void Promise.reject(new Error('left alone')); await new Promise((r) => setTimeout(r, 5000));",
  );
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
after(() => rm(directory, { recursive: true }));

test("whoever reads the output leaves: it ends without a word", async () => {
  const argv = [new URL("./main.ts", import.meta.url).pathname, "doctor", "--kubeconfig=kubeconfig", "--provider=mock"];
  const child = spawn(process.execPath, argv, {
    cwd: directory,
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  child.stdout.destroy();
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  await once(child, "close");
  assert.equal(said, "");
});

test("as the first process of a container it ends by SIGTERM whatever it does", { skip: noNamespaces }, async () => {
  const silent = createServer();
  const called = once(silent, "connection");
  await once(silent.listen(0, "127.0.0.1"), "listening");
  const address = silent.address();
  assert.ok(typeof address === "object" && address !== null);
  const program = [process.execPath, new URL("./main.ts", import.meta.url).pathname, "get", "pods"];
  const argv = ["--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child", ...program];
  const kubeconfig = join(directory, "silent.kubeconfig");
  await writeFile(kubeconfig, kubeconfigFor(`https://127.0.0.1:${address.port}`));
  const child = spawn("unshare", [...argv, `--kubeconfig=${kubeconfig}`], { stdio: ["ignore", "inherit", "inherit"] });
  children.push(child);
  const ended = once(child, "exit");
  const [socket]: Socket[] = await called;
  const inside = Number(await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8"));
  process.kill(inside, "SIGTERM");
  assert.deepEqual(await ended, [143, null]);
  socket?.destroy();
  silent.close();
});

interface Running {
  readonly child: ChildProcess;
  /** Resolves with the line of the log that matches, once there is one. */
  line(pattern: RegExp): Promise<string>;
  /** Exit code and everything logged. */
  readonly ended: Promise<{ readonly code: unknown; readonly log: string }>;
}

function start(...argv: readonly string[]): Running {
  const child = spawn(
    process.execPath,
    [new URL("./main.ts", import.meta.url).pathname, "--kubeconfig=kubeconfig", "--log-format=json", ...argv],
    { cwd: directory, env: { PATH: process.env["PATH"] }, stdio: ["ignore", "ignore", "pipe"] },
  );
  children.push(child);
  let log = "";
  const changed = new EventTarget();
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    log += text;
    changed.dispatchEvent(new Event("change"));
  });
  const signal = AbortSignal.timeout(deadlineMs);
  return {
    child,
    async line(pattern) {
      for (;;) {
        const found = log.split("\n").find((line) => pattern.test(line));
        if (found !== undefined) return found;
        assert.ok(!signal.aborted, `no line ${String(pattern)} in:\n${log}`);
        const { promise, resolve } = Promise.withResolvers<void>();
        changed.addEventListener("change", () => resolve(), { once: true });
        signal.addEventListener("abort", () => resolve(), { once: true });
        await promise;
      }
    },
    ended: once(child, "close", { signal }).then(([code]: unknown[]) => ({ code, log })),
  };
}

test("waits for the API server, serves its health meanwhile, and ends at SIGTERM with code 0", async () => {
  const { child, line, ended } = start("--provider=mock", "--metrics-addr=127.0.0.1:0");
  const { address } = JSON.parse(await line(/serving \/metrics/));
  await line(/does not answer yet/);
  assert.equal((await fetch(`http://${address}/healthz`)).status, 200);
  const ready = await fetch(`http://${address}/readyz`);
  assert.deepEqual([ready.status, await ready.text()], [503, "[-]started failed: starting\nreadyz check failed\n"]);
  child.kill("SIGTERM");
  const { code, log } = await ended;
  assert.equal(code, 0, log);
  assert.match(log, /"signal":"SIGTERM","message":"stopping"/);
  assert.match(log, /"message":"stopped"\}\n$/);
});

test("gives up after --startup-timeout with code 1", async () => {
  const { code, log } = await start("--provider=mock", "--metrics-addr=0", "--startup-timeout=300ms").ended;
  assert.equal(code, 1, log);
  assert.match(log, /the nodes were not ready within the start-up time-out of 0\.3 s/);
});

test("a second signal ends it at once with code 1", async () => {
  const { child, line, ended } = start("--provider=./hangs.mjs", "--metrics-addr=0");
  await line(/"starting"/);
  child.kill("SIGINT");
  await line(/"stopping"/);
  const again = setInterval(() => child.kill("SIGINT"), 50);
  const { code, log } = await ended;
  clearInterval(again);
  assert.equal(code, 1, log);
  assert.match(log, /second signal: ending at once/);
});

test("a signal that comes twice, as timeout(1) sends it, is one", async () => {
  const { child, line, ended } = start("--provider=mock", "--metrics-addr=0");
  await line(/does not answer yet/);
  child.kill("SIGTERM");
  child.kill("SIGTERM");
  const { code, log } = await ended;
  assert.equal(code, 0, log);
  assert.match(log, /"message":"stopped"\}\n$/);
});

test("a rejection that nobody handles is logged and ends it with code 1", async () => {
  const { code, log } = await start("--provider=./rejects.mjs", "--metrics-addr=0").ended;
  assert.equal(code, 1, log);
  assert.match(log, /"message":"left alone".*"message":"unhandled fault"/);
});

test("a metrics address that was asked for must be free", async () => {
  const first = start("--provider=mock", "--metrics-addr=127.0.0.1:0");
  const { address } = JSON.parse(await first.line(/serving \/metrics/));
  const { code, log } = await start("--provider=mock", `--metrics-addr=${address}`).ended;
  assert.equal(code, 1, log);
  assert.match(log, /cannot listen on 127\.0\.0\.1:\d+ \(--metrics-addr\): listen EADDRINUSE/);
});

test("faults of the configuration end it with code 2 before anything runs", async () => {
  const { code, log } = await start("--provider=mock", "--nodes=none").ended;
  assert.deepEqual(
    [code, log],
    [2, '1 fault in the configuration:\n  --nodes: "none" must be a whole number\nTry "virtual-kubelet --help".\n'],
  );
});
