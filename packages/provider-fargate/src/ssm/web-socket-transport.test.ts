import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { silentLogger, systemClock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type WebSocket, WebSocketServer } from "ws";
import { openSsmSession } from "./open-session.ts";
import { webSocketTransport } from "./web-socket-transport.ts";

describe("the connection of a session", () => {
  let server: WebSocketServer;
  let url: string;

  async function listen(options: { readonly autoPong?: boolean; readonly status?: number } = {}): Promise<void> {
    const { autoPong = true, status } = options;
    server = new WebSocketServer({
      ...{ host: "127.0.0.1", port: 0, autoPong },
      ...(status === undefined ? {} : { verifyClient: (_info, done) => done(false, status) }),
    });
    await once(server, "listening");
    const address: AddressInfo | string | null = server.address();
    url = `ws://127.0.0.1:${address !== null && typeof address === "object" ? address.port : 0}/`;
  }

  beforeEach(() => listen());
  afterEach(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });

  const connect = async (
    keepAliveMs = 10_000,
  ): Promise<{ peer: WebSocket; closed: Promise<VirtualKubeletError>; seen: string[] }> => {
    const closed = Promise.withResolvers<VirtualKubeletError>();
    const seen: string[] = [];
    const peer = Promise.withResolvers<WebSocket>();
    server.once("connection", (socket) => peer.resolve(socket));
    const events = { message: (data: Uint8Array) => seen.push(Buffer.from(data).toString()), closed: closed.resolve };
    await webSocketTransport(url, { clock: systemClock, keepAliveMs })(events, new AbortController().signal);
    return { peer: await peer.promise, closed: closed.promise, seen };
  };

  it("tells how it was ended", async () => {
    const { peer, closed } = await connect();
    peer.close(1011, "gone");
    const error = await closed;
    assert.equal(error.kind, "Unavailable");
    assert.match(error.message, /1011: gone/);
  });

  it("is at its end when the other side answers no more", async () => {
    server.close();
    await listen({ autoPong: false });
    const { closed } = await connect(20);
    const error = await closed;
    assert.equal(error.kind, "Unavailable");
    assert.match(error.message, /no longer answers/);
  });

  it("stays while the other side answers, and gives binary messages alone", async () => {
    const { peer, closed, seen } = await connect(10);
    peer.send("text");
    peer.send(Buffer.from("bytes"));
    for (let pings = 0; pings < 5; pings += 1) await once(peer, "ping");
    assert.deepEqual(seen, ["bytes"]);
    peer.terminate();
    await closed;
  });

  for (const [status, kind] of [
    [403, "Unauthorized"],
    [503, "Unavailable"],
  ] as const)
    it(`is ${kind} when the service answers with ${status}`, async () => {
      server.close();
      await listen({ status });
      const options = { signal: new AbortController().signal, log: silentLogger };
      await assert.rejects(openSsmSession({ streamUrl: url, tokenValue: "s3cret" }, options), (error) => {
        assert.ok(error instanceof VirtualKubeletError);
        assert.deepEqual([error.kind, error.httpStatus], [kind, status]);
        assert.doesNotMatch(error.message, /s3cret/);
        return true;
      });
    });

  it("is Unavailable when nobody listens, and Aborted when it is given up meanwhile", async () => {
    const refused = openSsmSession(
      { streamUrl: "ws://127.0.0.1:9/", tokenValue: "t" },
      { signal: new AbortController().signal, log: silentLogger },
    );
    await assert.rejects(refused, (error) => error instanceof VirtualKubeletError && error.kind === "Unavailable");
    const controller = new AbortController();
    const opening = openSsmSession(
      { streamUrl: url, tokenValue: "t" },
      { signal: controller.signal, log: silentLogger },
    );
    server.once("connection", () => controller.abort());
    await assert.rejects(opening, (error) => error instanceof VirtualKubeletError && error.kind === "Aborted");
  });
});
