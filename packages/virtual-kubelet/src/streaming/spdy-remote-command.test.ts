// Exec and attach over SPDY as a client sees them: the upgrade, the streams, and the end in the words of each version.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { Socket } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { type TestContext, test } from "node:test";
import { type Clock, systemClock } from "../clock.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { type SpdyUpgrade, upgradeToSpdy } from "../testing/spdy-client.ts";
import type { CommandOutcome, RemoteCommand, StreamsWanted, TerminalSize } from "./remote-command.ts";
import { SpdyFrameParser } from "./spdy-frames.ts";
import { acceptSpdyRemoteCommand, expectedStreams } from "./spdy-remote-command.ts";
import type { SpdySession } from "./spdy-session.ts";
import type { SpdyStream } from "./spdy-stream.ts";
import { UpgradeRefusal } from "./upgrade-refusal.ts";

const all: StreamsWanted = { stdin: true, stdout: true, stderr: true, tty: false };
const outputOnly: StreamsWanted = { stdin: false, stdout: true, stderr: false, tty: false };
const terminal: StreamsWanted = { stdin: true, stdout: true, stderr: true, tty: true };
const v4 = "v4.channel.k8s.io";

interface Served {
  readonly port: number;
  /** Of the next upgrade that was granted. */
  next(): Promise<RemoteCommand>;
}

async function serve(t: TestContext, wanted: StreamsWanted, clock: Clock = systemClock): Promise<Served> {
  const commands: Promise<RemoteCommand>[] = [];
  const server = createServer();
  server.on("upgrade", (request, socket, head) => {
    const limits = { idleTimeoutMs: 0, creationTimeoutMs: 30_000 };
    const accepted = acceptSpdyRemoteCommand(request, socket, head, wanted, limits, clock);
    commands.push(accepted);
    accepted.catch((error: unknown) => {
      if (!(error instanceof UpgradeRefusal)) return;
      const headers = Object.entries(error.headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.end(`HTTP/1.1 ${error.status} No\r\nConnection: close\r\n${headers.join("")}\r\n${error.message}`);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return {
    port: address.port,
    async next() {
      const command = commands.shift();
      assert.ok(command !== undefined);
      return command;
    },
  };
}

function granted(t: TestContext, upgrade: SpdyUpgrade): SpdySession {
  assert.equal(upgrade.status, 101, upgrade.body);
  assert.ok(upgrade.session !== undefined);
  t.after(() => upgrade.socket.destroy());
  return upgrade.session;
}

const open = (session: SpdySession, streamType: string): Promise<SpdyStream> =>
  session.open([["streamType", streamType]]);

interface Both {
  readonly client: SpdySession;
  /** All that comes on the error stream. */
  readonly status: Promise<string>;
  readonly socket: Socket;
  /** "data" or "fin" and the id of the stream, in the order in which they came. */
  readonly order: readonly string[];
  readonly streams: Readonly<Record<string, SpdyStream>>;
  readonly command: RemoteCommand;
}

async function start(t: TestContext, wanted: StreamsWanted, protocol: string = v4): Promise<Both> {
  const served = await serve(t, wanted);
  const upgrade = await upgradeToSpdy(served.port, "/exec", protocol);
  const client = granted(t, upgrade);
  const order: string[] = [];
  const parser = new SpdyFrameParser();
  upgrade.socket.on("data", (chunk: Buffer) => {
    parser.push(chunk);
    for (let frame = parser.next(); frame !== undefined; frame = parser.next()) {
      if (frame.type === "data") order.push(`${frame.fin ? "fin" : "data"} ${frame.streamId}`);
    }
  });
  const version = Number(/^v(\d)/.exec(protocol)?.[1] ?? 1);
  const streams: Record<string, SpdyStream> = {};
  for (const type of expectedStreams(wanted, version)) streams[type] = await open(client, type);
  const { error, ...others } = streams;
  assert.ok(error !== undefined);
  const status = text(error);
  status.catch(() => {});
  return { client, status, socket: upgrade.socket, order, streams: others, command: await served.next() };
}

function given<T>(value: T | undefined): T {
  assert.ok(value !== undefined);
  return value;
}

const negotiations: readonly {
  readonly offer: string | readonly string[];
  readonly chosen: string;
}[] = [
  { offer: v4, chosen: v4 },
  { offer: "v5.channel.k8s.io, v4.channel.k8s.io, v3.channel.k8s.io", chosen: v4 },
  { offer: ["v5.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io"], chosen: "v3.channel.k8s.io" },
  { offer: "v2.channel.k8s.io,v4.channel.k8s.io", chosen: "v2.channel.k8s.io" },
  { offer: "channel.k8s.io", chosen: "channel.k8s.io" },
  { offer: "", chosen: "" },
];

for (const { offer, chosen } of negotiations) {
  test(`a client of ${JSON.stringify(offer)} is answered ${JSON.stringify(chosen)}`, async (t) => {
    const served = await serve(t, outputOnly);
    const upgrade = await upgradeToSpdy(served.port, "/exec", offer);
    granted(t, upgrade).destroy();
    assert.equal(upgrade.headers["x-stream-protocol-version"], chosen);
    assert.equal(upgrade.headers.upgrade, "SPDY/3.1");
    assert.equal(upgrade.headers.connection, "Upgrade");
    await assert.rejects(served.next());
  });
}

const spdy = { Connection: "Upgrade", Upgrade: "SPDY/3.1" };
const refusals: readonly {
  readonly what: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly offer: string | undefined;
  readonly status: number;
}[] = [
  { what: "no protocol", headers: spdy, offer: undefined, status: 400 },
  { what: "v5, which is not for SPDY", headers: spdy, offer: "v5.channel.k8s.io", status: 403 },
  { what: "port-forward's protocol", headers: spdy, offer: "portforward.k8s.io", status: 403 },
  { what: "another upgrade", headers: { Connection: "Upgrade", Upgrade: "h2c" }, offer: v4, status: 400 },
];

for (const { what, headers, offer, status } of refusals) {
  test(`${status} for ${what}`, async (t) => {
    const served = await serve(t, outputOnly);
    const answer = await upgradeToSpdy(served.port, "/exec", offer, headers);
    t.after(() => answer.socket.destroy());
    assert.equal(answer.status, status);
    const accepted = "v4.channel.k8s.io, v3.channel.k8s.io, v2.channel.k8s.io, channel.k8s.io";
    assert.equal(answer.headers["x-accepted-stream-protocol-versions"], status === 403 ? accepted : undefined);
    await assert.rejects(served.next(), UpgradeRefusal);
  });
}

test("which streams are waited for", () => {
  const cases: readonly (readonly [StreamsWanted, number, string])[] = [
    [all, 4, "error stdin stdout stderr"],
    [outputOnly, 1, "error stdout"],
    [terminal, 4, "error stdin stdout resize"],
    [terminal, 3, "error stdin stdout resize"],
    [terminal, 2, "error stdin stdout"],
  ];
  for (const [wanted, version, expected] of cases) {
    assert.equal([...expectedStreams(wanted, version)].join(" "), expected);
  }
});

const exit: CommandOutcome = { type: "exit", exitCode: 3 };
const failure: CommandOutcome = { type: "failure", message: "no shell" };
const exitText = "command terminated with non-zero exit code: exit status 3";
const failureText = "Internal error occurred: no shell";
const endings: readonly { readonly protocol: string; readonly outcome: CommandOutcome; readonly says: unknown }[] = [
  { protocol: v4, outcome: { type: "success" }, says: { metadata: {}, status: "Success" } },
  {
    protocol: v4,
    outcome: exit,
    says: {
      metadata: {},
      status: "Failure",
      message: exitText,
      reason: "NonZeroExitCode",
      details: { causes: [{ reason: "ExitCode", message: "3" }] },
    },
  },
  {
    protocol: v4,
    outcome: failure,
    says: { metadata: {}, status: "Failure", message: failureText, reason: "InternalError", code: 500 },
  },
  ...["v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"].flatMap((protocol) => [
    { protocol, outcome: { type: "success" } as const, says: "" },
    { protocol, outcome: exit, says: exitText },
    { protocol, outcome: failure, says: failureText },
  ]),
];

for (const { protocol, outcome, says } of endings) {
  test(`${protocol} tells ${outcome.type} after all output, and closes`, async (t) => {
    const { client, status, order, streams, command } = await start(t, all, protocol);
    const output = [
      buffer(given(streams["stdout"])),
      text(given(streams["stderr"])),
      text(given(streams["stdin"])),
    ] as const;
    const big = Buffer.alloc(2_000_000, "o");
    given(command.stdout).write(big);
    given(command.stderr).write("to stderr");
    const finished = command.finish(outcome);
    const [stdout, stderr, stdin] = await Promise.all(output);
    assert.ok(stdout.equals(big));
    assert.equal(stderr, "to stderr");
    assert.equal(stdin, "");
    const told = await status;
    assert.deepEqual(protocol === v4 ? JSON.parse(told) : told, says);
    // The error stream is the first one that was opened, stdout the third.
    const beforeStatus = order.slice(0, order.indexOf(told === "" ? "fin 1" : "data 1"));
    assert.ok(beforeStatus.includes("fin 5") && beforeStatus.includes("fin 7"), order.slice(-8).join(", "));
    await client.closed;
    await finished;
    assert.equal(command.signal.aborted, false);
  });
}

test("stdin to stdout: 8 MiB come back as they were, the half-close of stdin is its end", async (t) => {
  const { status, streams, command } = await start(t, all);
  const piped = pipeline(given(command.stdin), given(command.stdout)).then(() => command.finish({ type: "success" }));
  const sent = Buffer.allocUnsafe(8 * 1024 * 1024);
  for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
  const received = buffer(given(streams["stdout"]));
  given(streams["stdin"]).end(sent);
  assert.ok((await received).equals(sent));
  assert.match(await status, /"Success"/);
  await piped;
});

test("a command that leaves its stdin unread still ends, with its output", async (t) => {
  const { status, streams, command } = await start(t, all);
  const stdin = given(streams["stdin"]);
  let writing = true;
  const flood = (): void => void (writing && stdin.writable && stdin.write(Buffer.alloc(100_000), flood));
  flood();
  await once(given(command.stdin), "readable");
  given(command.stdout).write("out");
  const output = text(given(streams["stdout"]));
  const finished = command.finish(exit);
  assert.equal(await output, "out");
  assert.match(await status, /"ExitCode"/);
  writing = false;
  await finished;
});

test("a client that reads slowly gets everything before the end", async (t) => {
  const { status, socket, streams, command } = await start(t, outputOnly);
  const big = Buffer.alloc(20_000_000, "s");
  given(command.stdout).end(big);
  const finished = command.finish({ type: "success" });
  const timer = setInterval(() => {
    socket.pause();
    setImmediate(() => socket.resume());
  }, 1);
  t.after(() => clearInterval(timer));
  assert.ok((await buffer(given(streams["stdout"]))).equals(big));
  assert.match(await status, /"Success"/);
  await finished;
});

test("a client that goes away aborts the signal; finish does not wait for it", async (t) => {
  const { client, command } = await start(t, all);
  given(command.stdout).write(Buffer.alloc(30_000_000));
  const aborted = once(command.signal, "abort");
  client.destroy();
  await aborted;
  await command.finish({ type: "success" });
  assert.ok(given(command.stdin).destroyed);
});

test("a client that goes away while the end is written holds nobody", async (t) => {
  const { client, command } = await start(t, all);
  given(command.stdout).write(Buffer.alloc(30_000_000));
  const finished = command.finish({ type: "success" });
  client.destroy();
  await finished;
  assert.ok(command.signal.aborted);
});

test("sizes of the terminal come from the resize stream, of unread ones the newest", async (t) => {
  const { streams, command } = await start(t, terminal);
  assert.equal(command.stderr, undefined);
  assert.equal(command.tty, true);
  const resize = given(streams["resize"]);
  const sizes = given(command.resize)[Symbol.asyncIterator]();
  resize.write('{"Width":80,"Heig');
  resize.write('ht":24}\n');
  assert.deepEqual(await sizes.next(), { done: false, value: { width: 80, height: 24 } satisfies TerminalSize });
  resize.end('{"Width":100,"Height":30}\n{"Width":132,"Height":43}\n');
  assert.deepEqual(await sizes.next(), { done: false, value: { width: 132, height: 43 } });
  assert.deepEqual(await sizes.next(), { done: true, value: undefined });
  const ended = command.finish({ type: "success" });
  await ended;
});

test("streams that were not asked for are taken and left empty, unknown and doubled ones refused", async (t) => {
  const served = await serve(t, outputOnly);
  const client = granted(t, await upgradeToSpdy(served.port, "/exec", v4));
  await open(client, "error");
  const stderr = await open(client, "stderr");
  assert.equal(await text(stderr), "");
  await assert.rejects(open(client, "error"));
  await assert.rejects(open(client, "stdlog"));
  await open(client, "stdout");
  const command = await served.next();
  assert.equal(command.stderr, undefined);
  await command.finish({ type: "success" });
});

test("streams that do not come in time end the connection", async (t) => {
  const clock = new FakeClock();
  const served = await serve(t, all, clock);
  const client = granted(t, await upgradeToSpdy(served.port, "/exec", v4));
  await open(client, "error");
  await clock.advance(30_000);
  await assert.rejects(served.next(), /did not open its streams in time/);
  await client.closed;
});
