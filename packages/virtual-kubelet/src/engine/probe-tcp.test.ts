import assert from "node:assert/strict";
import { createServer } from "node:net";
import { test } from "node:test";
import { systemClock } from "../clock.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { listening } from "../testing/probe-bench.ts";
import { Deadline } from "./probe-deadline.ts";
import { tcpProbe } from "./probe-tcp.ts";

const never = new AbortController().signal;

test("an open port is success, and nothing stays open", async () => {
  let received = 0;
  await using server = await listening(createServer((socket) => socket.on("data", () => received++)));
  using deadline = new Deadline(systemClock, 20_000, never);
  assert.deepEqual(await tcpProbe("127.0.0.1", server.port, deadline), { type: "success" });
  assert.deepEqual(await tcpProbe("localhost", server.port, deadline), { type: "success" });
  await server.idle();
  assert.equal(received, 0);
});

test("a closed one is not", async () => {
  const server = await listening(createServer());
  await server[Symbol.asyncDispose]();
  using deadline = new Deadline(systemClock, 20_000, never);
  const output = `dial tcp 127.0.0.1:${server.port}: connect: connection refused`;
  assert.deepEqual(await tcpProbe("127.0.0.1", server.port, deadline), { type: "failure", output });
});

test("a time that is up before the connection is there, and the end of interest", async () => {
  await using server = await listening(createServer((socket) => socket.resume()));
  const clock = new FakeClock();
  using late = new Deadline(clock, 1000, never);
  await clock.advance(1000);
  const output = `dial tcp 127.0.0.1:${server.port}: i/o timeout`;
  assert.deepEqual(await tcpProbe("127.0.0.1", server.port, late), { type: "failure", output });
  using unwanted = new Deadline(clock, 1000, AbortSignal.abort());
  await assert.rejects(tcpProbe("127.0.0.1", server.port, unwanted), { kind: "Aborted" });
  await server.idle();
});
