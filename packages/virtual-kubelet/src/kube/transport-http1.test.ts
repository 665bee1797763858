// HTTP/1.1: through proxies and unix sockets, rotation, and connections that break or fall silent.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage } from "node:http";
import { connect as connectTcp, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { answer, clientName, eventually, type FaultServer, startFaultServer } from "../testing/fault-server.ts";
import type { TlsMaterial } from "./cluster-config.ts";
import { createKubeClient } from "./connect.ts";
import { type HttpRequest, TransportError } from "./transport.ts";
import { Http1Transport } from "./transport-http1.ts";

function material(server: FaultServer): TlsMaterial {
  return { ca: server.authority.certificate, cert: undefined, key: undefined, serverName: undefined, insecure: false };
}

function get(tls: TlsMaterial, path: string, signal: AbortSignal = new AbortController().signal): HttpRequest {
  return { method: "GET", path, headers: {}, tls, signal };
}

async function listening(server: Server): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function join2(near: Socket, far: Socket): void {
  near.pipe(far).pipe(near);
  near.on("error", () => far.destroy());
  far.on("error", () => near.destroy());
}

test("through a CONNECT proxy, with its password", async () => {
  await using server = await startFaultServer((_, response) => answer(response, 200, { ok: true }));
  const seen: string[] = [];
  const proxy = createHttpServer();
  proxy.on("connect", (request: IncomingMessage, socket: Socket) => {
    seen.push(`${request.url} ${request.headers["proxy-authorization"]}`);
    const [host = "", port = ""] = (request.url ?? "").split(":");
    const far = connectTcp(Number(port), host, () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      join2(socket, far);
    });
  });
  const port = await listening(proxy);
  const client = createKubeClient({
    server: server.url,
    certificateAuthority: { data: server.authority.certificate },
    namespace: "default",
    proxyUrl: `http://joe:s3cret@127.0.0.1:${port}`,
    user: {},
  });
  assert.deepEqual(await client.getRaw("/version"), { ok: true });
  assert.deepEqual(seen, [`127.0.0.1:${server.port} Basic ${Buffer.from("joe:s3cret").toString("base64")}`]);
  await client.close();
  proxy.close();
  proxy.closeAllConnections();
});

test("through a SOCKS5 proxy", async () => {
  await using server = await startFaultServer((_, response) => answer(response, 200, { ok: true }));
  let asked = 0;
  const proxy = createTcpServer((near) => {
    near.once("data", () => {
      near.write(Buffer.from([5, 0]));
      near.once("data", (request: Buffer) => {
        asked = request.readUInt16BE(request.length - 2);
        const far = connectTcp(asked, "127.0.0.1", () => {
          near.write(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1, 0, 0]));
          join2(near, far);
        });
      });
    });
  });
  const port = await listening(proxy);
  const transport = new Http1Transport(new URL(server.url), { proxyUrl: `socks5://127.0.0.1:${port}` });
  assert.equal((await transport.request(get(material(server), "/"))).status, 200);
  assert.equal(asked, server.port);
  await transport.close();
  proxy.close();
});

test("a proxy that refuses is no answer, and keeps its password to itself", async () => {
  await using server = await startFaultServer((_, response) => answer(response, 200, {}));
  const proxy = createHttpServer();
  proxy.on("connect", (_: IncomingMessage, socket: Socket) => socket.end("HTTP/1.1 407 No\r\n\r\n"));
  const port = await listening(proxy);
  const proxyUrl = `http://joe:s3cret@127.0.0.1:${port}`;
  const transport = new Http1Transport(new URL(server.url), { proxyUrl });
  await assert.rejects(transport.request(get(material(server), "/")), (error) => {
    assert.ok(error instanceof TransportError, String(error));
    assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /s3cret/);
    return true;
  });
  await transport.close();
  proxy.close();
});

test("over a unix socket", async () => {
  const directory = await mkdtemp(join(tmpdir(), "kubeclient-"));
  const path = join(directory, "api.sock");
  const server = createHttpServer((request, response) => response.end(JSON.stringify({ url: request.url })));
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(path, resolve);
  await promise;
  const client = createKubeClient({ server: `unix://${path}`, namespace: "default", user: {} });
  assert.deepEqual(await client.getRaw("/version"), { url: "/version" });
  await client.close();
  server.close();
  await rm(directory, { recursive: true });
});

test("broken answers, silence and aborts", async (t) => {
  let closed = 0;
  await using server = await startFaultServer(
    (request, response) => {
      response.once("close", () => closed++);
      if (request.url === "/gone") request.socket.destroy();
      else if (request.url === "/half") {
        response.writeHead(200, { "content-length": "100" });
        response.write("half", () => setTimeout(() => request.socket.destroy(), 10));
      } else if (request.url === "/silent") response.writeHead(200).write("begun");
    },
    { http2: false },
  );
  const tls = material(server);
  const transport = new Http1Transport(new URL(server.url), { silenceMs: 600 });
  for (const path of ["/gone", "/half"]) {
    await t.test(path, () =>
      assert.rejects(
        transport.request(get(tls, path)),
        (error) => error instanceof TransportError && error.reached === "unknown",
      ),
    );
  }
  await t.test("a stream cut", async () => {
    const stream = await transport.stream(get(tls, "/half"));
    await assert.rejects(async () => {
      for await (const _ of stream.chunks);
    }, TransportError);
  });
  await t.test("a silent stream", async () => {
    const stream = await transport.stream(get(tls, "/silent"));
    await assert.rejects(async () => {
      for await (const _ of stream.chunks);
    }, /stayed silent/);
  });
  await t.test("a stream left, and one aborted", async () => {
    const before = closed;
    const left = await transport.stream(get(tls, "/silent"));
    for await (const _ of left.chunks) break;
    await eventually(() => closed === before + 1, "the first closes");
    const controller = new AbortController();
    const aborted = await transport.stream(get(tls, "/silent", controller.signal));
    await assert.rejects(async () => {
      for await (const _ of aborted.chunks) controller.abort(new Error("enough"));
    }, /enough/);
    await eventually(() => closed === before + 2, "the second closes");
  });
  await transport.close();
});

test("other certificates mean other connections; calls under way end on theirs", async () => {
  let release = (): void => {};
  await using server = await startFaultServer(
    (request, response) => {
      const reply = (): void => answer(response, 200, { name: clientName(request) });
      if (request.url === "/slow") release = reply;
      else reply();
    },
    { http2: false },
  );
  const as = (name: string): TlsMaterial => {
    const issued = server.authority.issue({ commonName: name });
    return { ...material(server), cert: issued.certificate, key: issued.key };
  };
  const [old, renewed] = [as("old"), as("new")];
  const transport = new Http1Transport(new URL(server.url));
  const slow = transport.request(get(old, "/slow"));
  await eventually(() => server.requests.length === 1, "the slow request arrives");
  assert.equal((await transport.request(get(renewed, "/"))).body.toString(), '{"name":"new"}');
  release();
  assert.equal((await slow).body.toString(), '{"name":"old"}');
  await transport.close();
});

test("no connection is said to have reached nothing", async () => {
  await using server = await startFaultServer((_, response) => answer(response, 200, {}), { http2: false });
  const strict = new Http1Transport(new URL(server.url));
  await assert.rejects(strict.request(get({ ...material(server), ca: undefined }, "/")), { reached: "no" });
  await strict.close();
  const nobody = new Http1Transport(new URL("https://127.0.0.1:1"));
  await assert.rejects(nobody.request(get(material(server), "/")), { reached: "no" });
  await nobody.close();
});
