// Connections that are carried to a pod's address: either side may end first.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { forwardTcp } from "./tcp-forward.ts";

const signal = AbortSignal.timeout(300_000);

async function serving(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, serve);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address !== "string");
  return address.port;
}

function forwarded(port: number): { readonly client: Duplex; readonly done: Promise<void> } {
  const [client, stream] = duplexPair();
  return { client, done: forwardTcp("127.0.0.1", port, stream, signal) };
}

test("a client that has said all reads the answer, however late", async (t) => {
  const port = await serving(t, (socket) => {
    text(socket).then(
      (said) => setTimeout(() => socket.end(`heard ${said}`), 1500),
      () => socket.destroy(),
    );
  });
  const { client, done } = forwarded(port);
  client.end("this");
  assert.equal(await text(client), "heard this");
  await done;
});

test("a pod that ends first ends the connection, though the client waits for that to end its own", async (t) => {
  const port = await serving(t, (socket) => socket.end("all"));
  const { client, done } = forwarded(port);
  assert.equal(await text(client), "all");
  await done;
  assert.equal(client.writableEnded, false);
});

test("nobody answers there", async () => {
  const [, stream] = duplexPair();
  await assert.rejects(forwardTcp("127.0.0.1", 1, stream, signal), { kind: "Unavailable" });
});
