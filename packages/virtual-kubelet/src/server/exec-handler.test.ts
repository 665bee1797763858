import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import type { ExecResult, Provider } from "../provider.ts";
import { FakeNode, type KubeletFixture, runningPod, startKubelet } from "../testing/kubelet-fixture.ts";

interface Session {
  readonly socket: WebSocket;
  /** Text of a channel so far. */
  text(channel: number): string;
  /** Code of the close frame, and everything before it. */
  readonly closed: Promise<number>;
}

const execPath = "/exec/default/web/app?input=1&output=1&error=1&command=sh&command=-c&command=secret";

/** Opens a stream as `admin`; rejects with status and body when it is refused. */
async function open(kubelet: KubeletFixture, path: string, user = "admin"): Promise<Session> {
  const socket = new WebSocket(`wss://127.0.0.1:${kubelet.port()}${path}`, ["v4.channel.k8s.io"], {
    ca: kubelet.ca.certificate,
    headers: { Authorization: `Bearer ${user}`, "X-Forwarded-For": "192.0.2.7" },
  });
  const contents = new Map<number, string>();
  socket.on("message", (data) => {
    assert(Buffer.isBuffer(data));
    const channel = data[0] ?? -1;
    contents.set(channel, (contents.get(channel) ?? "") + data.subarray(1).toString());
  });
  const closed = new Promise<number>((resolve) => socket.on("close", resolve));
  const refused = new Promise<never>((_resolve, reject) => {
    socket.on("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += String(chunk);
      });
      response.on("end", () => reject(new Error(`${response.statusCode} ${body}`)));
    });
  });
  socket.on("error", () => undefined);
  await Promise.race([once(socket, "open"), refused]);
  return { socket, closed, text: (channel) => contents.get(channel) ?? "" };
}

const exec = (run: NonNullable<Provider["runInContainer"]>): FakeNode =>
  new FakeNode("node-a", { runInContainer: run });

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 10_000; !condition(); await delay(5))
    assert(Date.now() < deadline, `not in time: ${what}`);
}

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
  const session = await open(kubelet, execPath);
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
    const session = await open(kubelet, execPath);
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
  const session = await open(kubelet, execPath);
  session.socket.send(Buffer.from("\0typed"));
  await until(() => got.join("") === "typed", "stdin");
  session.socket.terminate();
  await until(() => ended, "the provider's signal");
  const [, end] = await auditLines(kubelet);
  assert.match(String(end?.["outcome"]), /^the client (?:is gone|closed the connection)$/);
});

async function auditLines(kubelet: KubeletFixture): Promise<KubeletFixture["log"]["lines"]> {
  const lines = (): KubeletFixture["log"]["lines"] => kubelet.log.lines.filter((line) => line["audit"] === true);
  await until(() => lines().length >= 2, "two audit lines");
  return lines();
}

for (const [name, auditArguments, command] of [
  ["the program alone", undefined, ["sh"]],
  ["the arguments when asked for", true, ["sh", "-c", "secret"]],
] as const)
  test(`exec: the audit lines have who, where and ${name}`, async () => {
    await using kubelet = await startKubelet([exec(async () => ({ exitCode: 4 }))], { auditArguments });
    await (await open(kubelet, execPath)).closed;
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
  const session = await open(kubelet, "/exec/default/web/app?output=1&error=1&tty=1&command=sh");
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
    await assert.rejects(open(kubelet, path), expected);
    await assert.rejects(open(kubelet, path, "nobody"), /^Error: 401 Unauthorized$/);
    await assert.rejects(open(kubelet, path, "somebody"), /^Error: 403 Forbidden \(user=somebody, verb=get, /);
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
  await assert.rejects(open(kubelet, execPath), /^Error: 500 container not found \("app"\)$/);
  running = true;
  assert.equal(await (await open(kubelet, execPath)).closed, 1000);
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
    const session = await open(kubelet, execPath);
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
  const session = await open(kubelet, "/attach/default/web/uid-web/app?output=1&error=1");
  assert.equal(await session.closed, 1000);
  assert.deepEqual(seen, [true, undefined]);
  assert.match(session.text(3), /Internal error occurred: error attaching to container: it is deaf/);
});

test("run: the output is the answer; an exit code is an error", async () => {
  const commands: unknown[] = [];
  const node = exec(async (_target, command, io) => {
    commands.push(command);
    io.stdout?.write("out");
    io.stderr?.write("err");
    return { exitCode: command[0] === "false" ? 1 : 0 };
  });
  await using kubelet = await startKubelet([node]);
  const run = (path: string): ReturnType<KubeletFixture["get"]> => kubelet.get(path, "admin", { method: "POST" });
  const good = await run("/run/default/web/app?cmd=echo%20a%20b");
  assert.deepEqual([good.status, good.body, commands[0]], [200, "outerr", ["echo", "a", "b"]]);
  const bad = await run("/run/default/web/uid-web/app?cmd=false");
  assert.deepEqual([bad.status, bad.body], [500, "command 'false' exited with 1: err"]);
  assert.equal((await run("/run/default/other/app?cmd=true")).body, "pod does not exist");
  assert.equal((await kubelet.get("/run/default/web/app?cmd=true", "admin")).headers.allow, "POST");
  const lines = kubelet.log.lines.filter((line) => line["action"] === "run");
  assert.deepEqual(
    lines.map((line) => line["outcome"]),
    [undefined, "ok", undefined, "exit 1"],
  );
});

test("run: a command that never stops writing is ended", async () => {
  const node = exec(async (_target, _command, io, { signal }) => {
    const chunk = Buffer.alloc(256 * 1024);
    while (!signal.aborted) {
      io.stdout?.write(chunk);
      await delay(0);
    }
    return { exitCode: 0 };
  });
  await using kubelet = await startKubelet([node]);
  const answer = await kubelet.get("/run/default/web/app?cmd=yes", "admin", { method: "POST" });
  assert.deepEqual([answer.status, answer.body], [500, "the output has more than 4194304 bytes"]);
});

test("a plain request for a stream is checked like an upgrade, then refused", async () => {
  await using kubelet = await startKubelet([exec(async () => ({ exitCode: 0 }))]);
  const plain = await kubelet.get(execPath, "admin");
  assert.deepEqual([plain.status, plain.body], [400, "Upgrade request required"]);
  assert.equal((await kubelet.get("/exec/default/other/app?output=1", "admin")).status, 404);
  assert.equal((await kubelet.get(execPath, "admin", { method: "PUT" })).headers.allow, "GET, POST");
});
