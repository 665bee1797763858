import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { ExecResult } from "../provider/streams.ts";
import type { Provider } from "../provider.ts";
import { openExec, until } from "../testing/exec-client.ts";
import { FakeNode, type KubeletFixture, runningPod, startKubelet } from "../testing/kubelet-fixture.ts";

const execPath = "/exec/default/web/app?input=1&output=1&error=1&command=sh&command=-c&command=secret";

const exec = (run: NonNullable<Provider["runInContainer"]>): FakeNode =>
  new FakeNode("node-a", { runInContainer: run });

test("exec: output, then success on the error channel, then an orderly close", async () => {
  const calls: (readonly string[])[] = [];
  await using kubelet = await startKubelet([
    exec(async (target, command, io) => {
      calls.push([target.owner.uid, target.container, ...command]);
      io.stdout?.write("hello");
      io.stderr?.write("oops");
      return { exitCode: 0 };
    }),
  ]);
  const session = await openExec(kubelet, execPath);
  assert.equal(await session.closed, 1000);
  assert.deepEqual(calls, [["uid-web", "app", "sh", "-c", "secret"]]);
  assert.deepEqual([session.text(1), session.text(2)], ["hello", "oops"]);
  assert.equal(session.text(3), '{"metadata":{},"status":"Success"}');
});

const outcomes: readonly [name: string, run: () => Promise<ExecResult>, status: object][] = [
  [
    "an exit code",
    async () => ({ exitCode: 3 }),
    { reason: "NonZeroExitCode", details: { causes: [{ reason: "ExitCode", message: "3" }] } },
  ],
  [
    "an error",
    () => Promise.reject(new Error("no shell")),
    { code: 500, message: "Internal error occurred: error executing command in container: no shell" },
  ],
  ["no exit code", async () => ({ exitCode: 700 }), { reason: "InternalError" }],
];
for (const [name, run, expected] of outcomes)
  test(`exec: ${name} is told as a kubelet does`, async () => {
    await using kubelet = await startKubelet([exec(run)]);
    const session = await openExec(kubelet, execPath);
    assert.equal(await session.closed, 1000);
    assert.partialDeepStrictEqual(JSON.parse(session.text(3)), { status: "Failure", ...expected });
  });

test("exec: stdin reaches the command, and the client that goes away ends it", async () => {
  const got: string[] = [];
  let ended = false;
  await using kubelet = await startKubelet([
    exec(async (_target, _command, io, { signal }) => {
      io.stdin?.on("data", (chunk) => got.push(String(chunk)));
      await once(signal, "abort");
      ended = true;
      return { exitCode: 0 };
    }),
  ]);
  const session = await openExec(kubelet, execPath);
  session.socket.send(Buffer.from("\0typed"));
  await until(() => got.join("") === "typed", "stdin");
  session.socket.terminate();
  await until(() => ended, "the provider's signal");
  const [, end] = await auditLines(kubelet);
  assert.match(String(end?.["outcome"]), /^the client (?:is gone|closed the connection)$/);
});

async function auditLines(kubelet: KubeletFixture): Promise<KubeletFixture["log"]["flat"]> {
  const lines = (): KubeletFixture["log"]["flat"] => kubelet.log.flat.filter((line) => line["audit"] === true);
  await until(() => lines().length >= 2, "two audit lines");
  return lines();
}

for (const [name, auditArguments, command] of [
  ["the program alone", undefined, ["sh"]],
  ["the arguments when asked for", true, ["sh", "-c", "secret"]],
] as const)
  test(`exec: the audit lines have who, where and ${name}`, async () => {
    await using kubelet = await startKubelet([exec(async () => ({ exitCode: 4 }))], { auditArguments });
    await (await openExec(kubelet, execPath)).closed;
    const [begin, end] = await auditLines(kubelet);
    const subject = {
      action: "exec",
      user: "admin",
      groups: ["testers"],
      node: "node-a",
      namespace: "default",
      pod: "web",
      uid: "uid-web",
      container: "app",
      protocol: "WebSocket",
      forwardedFor: "192.0.2.7",
      command,
      arguments: 2,
    };
    assert.partialDeepStrictEqual(begin, { ...subject, message: "exec begins" });
    assert.partialDeepStrictEqual(end, { ...subject, message: "exec ended", outcome: "exit 4" });
    assert.match(String(begin?.["remoteAddress"]), /^127\.0\.0\.1:\d+$/);
    assert(Number(end?.["bytesOut"]) > 100);
    assert.equal(JSON.stringify([begin, end]).includes("secret"), auditArguments === true);
  });

test("exec: a terminal has no stderr, and sizes", async () => {
  const seen: unknown[] = [];
  await using kubelet = await startKubelet([
    exec(async (_target, _command, io) => {
      seen.push(io.tty, io.stderr, io.stdin);
      for await (const { width, height } of io.resize ?? []) {
        seen.push(width, height);
        break;
      }
      return { exitCode: 0 };
    }),
  ]);
  const session = await openExec(kubelet, "/exec/default/web/app?output=1&error=1&tty=1&command=sh");
  session.socket.send(Buffer.from('\u0004{"Width":80,"Height":24}'));
  assert.equal(await session.closed, 1000);
  assert.deepEqual(seen, [true, undefined, undefined, 80, 24]);
});

const refusals: readonly [name: string, path: string, provider: Partial<Provider>, expected: RegExp][] = [
  [
    "no stream asked for",
    "/exec/default/web/app?command=sh",
    {},
    /^Error: 400 you must specify at least 1 of stdin, stdout, stderr$/,
  ],
  ["no such pod", "/exec/default/other/app?output=1&command=sh", {}, /^Error: 404 pod does not exist$/],
  ["no such pod for attach", "/attach/default/other/app?output=1", {}, /^Error: 404 pod does not exist$/],
  ["another uid", "/exec/default/web/uid-old/app?output=1&command=sh", {}, /^Error: 404 pod not found$/],
  [
    "no such container",
    "/exec/default/web/db?output=1&command=sh",
    { runInContainer: never },
    /^Error: 500 container not found \("db"\)$/,
  ],
  [
    "no such container for attach",
    "/attach/default/web/db?output=1",
    { attachToContainer: never },
    /^Error: 500 container db not found in pod web_default$/,
  ],
  ["no exec here", "/exec/default/web/app?output=1&command=sh", {}, /^Error: 501 exec is not supported/],
  ["no attach here", "/attach/default/web/app?output=1", {}, /^Error: 501 attach is not supported/],
  [
    "no command",
    "/exec/default/web/app?output=1",
    { runInContainer: never },
    /^Error: 400 you must specify a command$/,
  ],
  ["no stream at all", "/pods", {}, /^Error: 200 /],
];
async function never(): Promise<never> {
  throw new Error("not to be called");
}
for (const [name, path, provider, expected] of refusals)
  test(`refused before the upgrade: ${name}`, async () => {
    await using kubelet = await startKubelet([new FakeNode("node-a", provider)]);
    await assert.rejects(openExec(kubelet, path), expected);
    await assert.rejects(openExec(kubelet, path, "nobody"), /^Error: 401 Unauthorized$/);
    await assert.rejects(openExec(kubelet, path, "somebody"), /^Error: 403 Forbidden \(user=somebody, verb=get, /);
  });

test("exec: a container that does not run is no container, unless the backend knows better than its status", async () => {
  let running = false;
  const pod = runningPod("web", { status: { phase: "Pending" } });
  const node = new FakeNode(
    "node-a",
    {
      runInContainer: async () => ({ exitCode: 0 }),
      getPodStatus: async (owner) => ({
        owner,
        containers: [{ name: "app", state: running ? { running: {} } : { waiting: {} } }],
      }),
    },
    [pod],
  );
  await using kubelet = await startKubelet([node]);
  await assert.rejects(openExec(kubelet, execPath), /^Error: 500 container not found \("app"\)$/);
  running = true;
  assert.equal(await (await openExec(kubelet, execPath)).closed, 1000);
});

test("exec: a backend that does not answer is not waited for once the client is gone", async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const node = new FakeNode(
    "node-a",
    {
      runInContainer: never,
      getPodStatus: (_owner, { signal }) => {
        asked.resolve(signal);
        return new Promise(() => {});
      },
    },
    [runningPod("web", { status: { phase: "Pending" } })],
  );
  await using kubelet = await startKubelet([node]);
  const socket = await kubelet.tls();
  socket.on("error", () => undefined);
  socket.write(
    `GET ${execPath} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n`,
  );
  const signal = await asked.promise;
  socket.destroy();
  await until(() => signal.aborted, "the provider's signal");
});

for (const [name, end] of [
  ["the pod is deleted", (node: FakeNode) => node.all.clear()],
  [
    "another pod has its name",
    (node: FakeNode) => node.put(runningPod("web", { metadata: { uid: "new", name: "web" } })),
  ],
  ["the container has ended", (node: FakeNode) => node.put(withContainer(0, { terminated: { exitCode: 0 } }))],
  ["the container was restarted", (node: FakeNode) => node.put(withContainer(1, { running: {} }))],
] as const)
  test(`exec: ends when ${name}`, async () => {
    const node = exec(async (_target, _command, _io, { signal }) => {
      await once(signal, "abort");
      return new Promise(() => {});
    });
    await using kubelet = await startKubelet([node], { limits: { podEndGraceMs: 10 } });
    const session = await openExec(kubelet, execPath);
    end(node);
    assert.equal(await session.closed, 1000);
    assert.match(session.text(3), /"status":"Failure".*the container has ended/);
  });

function withContainer(restartCount: number, state: object): ReturnType<typeof runningPod> {
  const container = { name: "app", image: "app:1", imageID: "", ready: true };
  return runningPod("web", {
    status: { phase: "Running", containerStatuses: [{ ...container, restartCount, state }] },
  });
}

test("attach: by the container's own terminal; an error in a kubelet's words", async () => {
  const seen: unknown[] = [];
  const pod = runningPod("web", { spec: { containers: [{ name: "app", image: "app:1", tty: true }] } });
  const node = new FakeNode(
    "node-a",
    {
      attachToContainer: async (_target, io) => {
        seen.push(io.tty, io.stderr);
        throw new Error("it is deaf");
      },
    },
    [pod],
  );
  await using kubelet = await startKubelet([node]);
  const session = await openExec(kubelet, "/attach/default/web/uid-web/app?output=1&error=1");
  assert.equal(await session.closed, 1000);
  assert.deepEqual(seen, [true, undefined]);
  assert.match(session.text(3), /Internal error occurred: error attaching to container: it is deaf/);
});

test("a plain request for a stream is checked like an upgrade, then refused", async () => {
  await using kubelet = await startKubelet([exec(async () => ({ exitCode: 0 }))]);
  const plain = await kubelet.get(execPath, "admin");
  assert.deepEqual([plain.status, plain.body], [400, "Upgrade request required"]);
  assert.equal((await kubelet.get("/exec/default/other/app?output=1", "admin")).status, 404);
  assert.equal((await kubelet.get(execPath, "admin", { method: "PUT" })).headers.allow, "GET, POST");
});
