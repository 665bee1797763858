import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Movement } from "./movement.ts";

const never = new AbortController().signal;

test("it is quiet when nothing has come for so long, and not while what came is not taken", async () => {
  const movement = new Movement();
  let held = true;
  let quiet = false;
  const waiting = movement.quiet({ quietMs: 100, isHeld: () => held, signal: never }).then(() => {
    quiet = true;
  });
  await sleep(300);
  assert.equal(quiet, false);
  held = false;
  await waiting;
});

test("who never ends is not waited for, nor is anybody when the signal aborts", async () => {
  const movement = new Movement();
  const talking = setInterval(movement.moved, 5);
  await movement.quiet({ quietMs: 1000, longestMs: 200, signal: never });
  const end = new AbortController();
  const waiting = movement.quiet({ quietMs: 1000, signal: end.signal });
  end.abort();
  await waiting;
  clearInterval(talking);
});

test("what came while the process stood still is read first", async () => {
  const server = createServer((socket) => socket.end("the last word"));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const movement = new Movement();
  let heard = "";
  const socket = connect(address.port, "127.0.0.1");
  socket.on("data", (chunk) => {
    heard += String(chunk);
    movement.moved();
  });
  const closed = once(socket, "close");
  const waiting = movement.quiet({ quietMs: 100, signal: never });
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
  await waiting;
  assert.equal(heard, "the last word");
  await closed;
  server.close();
});
