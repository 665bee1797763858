// The session pool against a server that refuses, goes away, breaks off and falls silent.
import assert from "node:assert/strict";
import { constants } from "node:http2";
import { test } from "node:test";
import {
  answer,
  clientName,
  eventually,
  type FaultServer,
  startFaultServer,
  startTunnel,
} from "../testing/fault-server.ts";
import type { TlsMaterial } from "./cluster-config.ts";
import { type HttpRequest, type HttpStream, TransportError } from "./transport.ts";
import { Http2Transport, type Http2TransportOptions } from "./transport-http2.ts";

function material(server: FaultServer): TlsMaterial {
  return { ca: server.authority.certificate, cert: undefined, key: undefined, serverName: undefined, insecure: false };
}

function get(tls: TlsMaterial, path: string, signal: AbortSignal = new AbortController().signal): HttpRequest {
  return { method: "GET", path, headers: {}, tls, signal };
}

function transportTo(url: string, options: Http2TransportOptions = {}): Http2Transport & AsyncDisposable {
  const transport = new Http2Transport(new URL(url), options);
  return Object.assign(transport, { [Symbol.asyncDispose]: () => transport.close() });
}

async function read(stream: HttpStream): Promise<string> {
  let text = "";
  for await (const chunk of stream.chunks) text += chunk.toString();
  return text;
}

test("many requests share one connection, watches have another", async () => {
  await using server = await startFaultServer((request, response) => answer(response, 200, { path: request.url }));
  await using transport = transportTo(server.url);
  const tls = material(server);
  for (let i = 0; i < 5; i++) {
    const response = await transport.request(get(tls, `/${i}`));
    assert.equal(response.status, 200);
    assert.deepEqual(JSON.parse(response.body.toString()), { path: `/${i}` });
  }
  assert.deepEqual(server.connections, ["h2"]);
  assert.equal(await read(await transport.stream(get(tls, "/w"))), '{"path":"/w"}');
  assert.deepEqual(server.connections, ["h2", "h2"]);
});

test("load opens further connections up to the limit", async () => {
  const held: (() => void)[] = [];
  await using server = await startFaultServer((_, response) => void held.push(() => answer(response, 200, {})));
  await using transport = transportTo(server.url, { growAt: 2, maxConnections: 3 });
  const tls = material(server);
  const calls = Array.from({ length: 30 }, (_, i) => transport.request(get(tls, `/${i}`)));
  await eventually(() => held.length === 30, "all requests arrive");
  for (let i = 0; i < 4; i++) {
    calls.push(transport.request(get(tls, "/more")));
    await eventually(() => held.length === 31 + i, "a further request arrives");
  }
  await eventually(() => server.connections.length === 3, "three connections");
  for (const release of held) release();
  for (const response of await Promise.all(calls)) assert.equal(response.status, 200);
  assert.equal(server.connections.length, 3);
});

test("the server's limit of streams is kept, the rest waits its turn", async () => {
  let active = 0;
  let most = 0;
  await using server = await startFaultServer(
    (_, response) => {
      most = Math.max(most, ++active);
      setTimeout(() => {
        active--;
        answer(response, 200, {});
      }, 5);
    },
    { settings: { maxConcurrentStreams: 3 } },
  );
  await using transport = transportTo(server.url, { maxConnections: 1 });
  const tls = material(server);
  await transport.request(get(tls, "/settings"));
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => transport.request(get(tls, `/${i}`))));
  assert.equal(answers.filter(({ status }) => status === 200).length, 40);
  assert.equal(most, 3);
  assert.equal(server.connections.length, 1);
});

test("a caller that waits for room can give up", async () => {
  await using server = await startFaultServer(() => {}, { settings: { maxConcurrentStreams: 1 } });
  await using transport = transportTo(server.url, { maxConnections: 1 });
  const tls = material(server);
  const first = transport.request(get(tls, "/held")).catch((error: unknown) => error);
  await eventually(() => server.requests.length === 1, "the first request arrives");
  const controller = new AbortController();
  const second = transport.request(get(tls, "/waits", controller.signal));
  controller.abort(new Error("enough"));
  await assert.rejects(second, /enough/);
  await transport.close();
  assert.ok((await first) instanceof TransportError);
});

test("a graceful GOAWAY lets the call under way end and sends the next elsewhere", async () => {
  await using server = await startFaultServer((request, response) => {
    if (request.url === "/last") request.stream.session?.goaway(0);
    setTimeout(() => answer(response, 200, { path: request.url }), 20);
  });
  await using transport = transportTo(server.url);
  const tls = material(server);
  const last = await transport.request(get(tls, "/last"));
  assert.equal(last.body.toString(), '{"path":"/last"}');
  const next = await transport.request(get(tls, "/next"));
  assert.equal(next.body.toString(), '{"path":"/next"}');
  assert.equal(server.connections.length, 2);
});

test("what the server did not take is told from what it may have acted on", async (t) => {
  await using server = await startFaultServer((request, response) => {
    const { stream } = request;
    if (request.url === "/refused") stream.close(constants.NGHTTP2_REFUSED_STREAM);
    else if (request.url === "/above") stream.session?.goaway(0, stream.id === undefined ? 1 : stream.id - 2);
    else if (request.url === "/reset") stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    else if (request.url === "/gone") stream.session?.destroy();
    else if (request.url === "/half") {
      response.writeHead(200);
      response.write('{"half":', () => stream.session?.destroy());
    } else answer(response, 200, {});
  });
  const tls = material(server);
  for (const [path, reached] of [
    ["/refused", "refused"],
    ["/above", "refused"],
    ["/reset", "unknown"],
    ["/gone", "unknown"],
    ["/half", "unknown"],
  ] as const) {
    await t.test(path, async () => {
      await using transport = transportTo(server.url);
      await transport.request(get(tls, "/fine"));
      await assert.rejects(transport.request(get(tls, path)), (error) => {
        assert.ok(error instanceof TransportError, String(error));
        assert.equal(error.reached, reached);
        return true;
      });
      assert.equal((await transport.request(get(tls, "/fine"))).status, 200);
    });
  }
});

test("a stream that breaks off throws, one that ends does not", async () => {
  await using server = await startFaultServer((request, response) => {
    response.writeHead(200);
    response.write("line\n");
    setTimeout(() => (request.url === "/ends" ? response.end() : request.stream.session?.destroy()), 10);
  });
  await using transport = transportTo(server.url);
  const tls = material(server);
  assert.equal(await read(await transport.stream(get(tls, "/ends"))), "line\n");
  await assert.rejects(read(await transport.stream(get(tls, "/breaks"))), TransportError);
});

test("a connection that fell silent is found by its pings", async () => {
  await using server = await startFaultServer((_, response) => {
    response.writeHead(200);
    response.write("begun");
  });
  await using tunnel = await startTunnel(server.port);
  await using transport = transportTo(`https://127.0.0.1:${tunnel.port}`, { pingIntervalMs: 50, pingTimeoutMs: 1000 });
  const stream = await transport.stream(get(material(server), "/watch"));
  const reading = read(stream);
  // Pings answered for a while do no harm.
  await new Promise((resolve) => setTimeout(resolve, 150));
  tunnel.silence();
  await assert.rejects(reading, /answered no ping/);
});

test("a call that ran out of time probes its connection, so that the next gets another", async () => {
  await using server = await startFaultServer((_, response) => answer(response, 200, {}));
  await using tunnel = await startTunnel(server.port);
  await using transport = transportTo(`https://127.0.0.1:${tunnel.port}`, { pingTimeoutMs: 50 });
  const tls = material(server);
  await transport.request(get(tls, "/fine"));
  tunnel.silence();
  const controller = new AbortController();
  const lost = transport.request(get(tls, "/lost", controller.signal));
  setTimeout(() => controller.abort(new Error("time is up")), 30);
  await assert.rejects(lost, /time is up/);
  const started = Date.now();
  // Waits on the dead connection for the ping's end at most.
  await assert.rejects(transport.request(get(tls, "/next")), /answered no ping/);
  assert.ok(Date.now() - started < 20_000);
});

test("other certificates mean other connections; calls under way end on theirs", async () => {
  let release = (): void => {};
  await using server = await startFaultServer((request, response) => {
    const reply = (): void => answer(response, 200, { name: clientName(request) });
    if (request.url === "/slow") release = reply;
    else reply();
  });
  await using transport = transportTo(server.url);
  const as = (name: string): TlsMaterial => {
    const issued = server.authority.issue({ commonName: name });
    return { ...material(server), cert: issued.certificate, key: issued.key };
  };
  const [old, renewed] = [as("old"), as("new")];
  const slow = transport.request(get(old, "/slow"));
  await eventually(() => server.requests.length === 1, "the slow request arrives");
  assert.equal((await transport.request(get(renewed, "/"))).body.toString(), '{"name":"new"}');
  release();
  assert.equal((await slow).body.toString(), '{"name":"old"}');
  await eventually(() => server.sessions.size === 1, "the old connection ends");
});

test("a call that began with old certificates does not bring them back", async () => {
  await using server = await startFaultServer((request, response) =>
    answer(response, 200, { name: clientName(request) }),
  );
  await using transport = transportTo(server.url);
  const as = (name: string): TlsMaterial => {
    const issued = server.authority.issue({ commonName: name });
    return { ...material(server), cert: issued.certificate, key: issued.key };
  };
  const [old, renewed] = [as("old"), as("new")];
  // All of them wait for a first connection while the certificates change.
  const answers = await Promise.all([old, old, renewed, renewed].map((tls) => transport.request(get(tls, "/"))));
  assert.deepEqual(
    answers.map(({ body }) => body.toString()),
    Array.from({ length: 4 }, () => '{"name":"new"}'),
  );
});

test("an idle connection is closed, and opened again when needed", async () => {
  await using server = await startFaultServer((_, response) => answer(response, 200, {}));
  await using transport = transportTo(server.url, { idleMs: 30 });
  const tls = material(server);
  await transport.request(get(tls, "/"));
  await eventually(() => server.sessions.size === 0, "the connection ends");
  await transport.request(get(tls, "/"));
  assert.equal(server.connections.length, 2);
});

test("no connection is said to have reached nothing", async (t) => {
  await using server = await startFaultServer((_, response) => answer(response, 200, {}));
  const tls = material(server);
  const closed = await startTunnel(1);
  await closed[Symbol.asyncDispose]();
  for (const [name, url, trust] of [
    ["refused", `https://127.0.0.1:${closed.port}`, tls],
    ["unknown authority", server.url, { ...tls, ca: undefined }],
    ["wrong name", server.url, { ...tls, serverName: "elsewhere.test" }],
  ] as const) {
    await t.test(name, async () => {
      await using transport = transportTo(url);
      await assert.rejects(transport.request(get(trust, "/")), (error) => {
        assert.ok(error instanceof TransportError, String(error));
        assert.equal(error.reached, "no");
        return true;
      });
    });
  }
  await using named = transportTo(server.url);
  assert.equal((await named.request(get({ ...tls, serverName: "api.test" }, "/"))).status, 200);
  await using careless = transportTo(server.url);
  assert.equal((await careless.request(get({ ...tls, ca: undefined, insecure: true }, "/"))).status, 200);
});

test("leaving or aborting a stream tells the server", async () => {
  let closed = 0;
  await using server = await startFaultServer((_, response) => {
    response.stream.once("close", () => closed++);
    response.writeHead(200);
    response.write("x");
  });
  await using transport = transportTo(server.url);
  const tls = material(server);
  const left = await transport.stream(get(tls, "/left"));
  for await (const _ of left.chunks) break;
  await eventually(() => closed === 1, "the stream that was left closes");
  const controller = new AbortController();
  const aborted = await transport.stream(get(tls, "/aborted", controller.signal));
  const reading = read(aborted);
  controller.abort(new Error("enough"));
  await assert.rejects(reading, /enough/);
  await eventually(() => closed === 2, "the aborted stream closes");
});
