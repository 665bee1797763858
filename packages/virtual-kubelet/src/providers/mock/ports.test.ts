// What listens on the ports of a simulated pod, over real connections.
import assert from "node:assert/strict";
import { once } from "node:events";
import { get } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { duplexPair, PassThrough } from "node:stream";
import { after, test } from "node:test";
import { silentLogger } from "../../log.ts";
import type { PodTarget } from "../../provider/streams.ts";
import type { CallContext } from "../../provider.ts";
import { createMockProvider } from "./mock-provider.ts";
import { listenerOf } from "./ports.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const owner = { cluster: "c", node: "n", namespace: "d", name: "web", uid: "u1" };
const pod = {
  metadata: { name: "web", namespace: "d", uid: "u1", resourceVersion: "1" },
  spec: {
    containers: [
      {
        name: "app",
        image: "a:1",
        ports: [
          { name: "echo", containerPort: 7 },
          { name: "http", containerPort: 3000 },
          { name: "db", containerPort: 5432 },
          { name: "dns", containerPort: 53, protocol: "UDP" },
        ],
      },
    ],
  },
};
const target: PodTarget = { owner, pod };
const provider = await createMockProvider({ node: "n" });
await provider.createPod({ owner, pod, revision: "1" }, context);

/** A port of this machine that is carried to one of the pod; half-closes go through, as on the wires of the kubelet. */
async function forwarded(
  port: number,
  signal = context.signal,
): Promise<{ readonly at: number; readonly failures: unknown[] }> {
  const failures: unknown[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    provider.portForward?.(target, port, socket, { ...context, signal }).catch((error: unknown) => {
      failures.push(error);
      socket.destroy();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  const address: AddressInfo | string | null = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return { at: address.port, failures };
}

async function textOf(socket: Socket): Promise<string> {
  let text = "";
  for await (const chunk of socket.setEncoding("utf8")) text += String(chunk);
  return text;
}

test("a port named echo sends back what it gets, all of it after a half-close", async () => {
  const { at, failures } = await forwarded(7);
  const socket = connect({ port: at, host: "127.0.0.1", allowHalfOpen: true });
  const sent = "x".repeat(1_000_000);
  socket.end(sent);
  assert.equal(await textOf(socket), sent);
  assert.deepEqual(failures, []);
});

for (const port of [3000, 80, 8080]) {
  test(`port ${port} answers over HTTP, request after request`, async () => {
    const { at } = await forwarded(port);
    for (const path of ["/", "/some/path?x=1"]) {
      const request = get({ host: "127.0.0.1", port: at, path });
      const [response] = await once(request, "response");
      let text = "";
      for await (const chunk of response) text += String(chunk);
      const { headers: _, ...answer } = JSON.parse(text);
      assert.deepEqual(answer, { pod: "web", namespace: "d", uid: "u1", node: "n", port, method: "GET", path });
    }
  });
}

test("a client that closes its side after the request still gets the answer", async () => {
  const { at } = await forwarded(80);
  const socket = connect({ port: at, host: "127.0.0.1", allowHalfOpen: true });
  socket.end("GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n");
  assert.match(await textOf(socket), /^HTTP\/1\.1 200 OK[\s\S]*"pod": "web"/);
});

test("a connection may be any duplex", async () => {
  for (const port of [7, 80]) {
    const [ours, theirs] = duplexPair();
    const carried = provider.portForward?.(target, port, theirs, context);
    ours.end("GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n");
    let text = "";
    for await (const chunk of ours.setEncoding("utf8")) text += String(chunk);
    assert.match(text, port === 7 ? /^GET \/ / : /"port": 80/);
    await carried;
  }
});

test("other ports are refused, as where nobody listens", async () => {
  for (const port of [5432, 53, 9999]) {
    const { at, failures } = await forwarded(port);
    assert.equal(await textOf(connect(at, "127.0.0.1").on("error", () => {})).catch(() => ""), "");
    assert.equal(failures.length, 1);
    assert.match(String(failures[0]), new RegExp(`connection to port ${port} of pod "web" refused`));
  }
});

test("an aborted call drops the connection", async () => {
  const stop = new AbortController();
  const { at, failures } = await forwarded(7, stop.signal);
  const socket = connect(at, "127.0.0.1").on("error", () => {});
  socket.write("x");
  await once(socket, "data");
  stop.abort();
  await once(socket, "close");
  assert.match(String(failures[0]), /aborted/);
});

test("connections end when the run does that listens, or the pod is gone", async () => {
  for (const end of [
    () => provider.control.act({ action: "exit", uid: "u1", container: "app", exitCode: 0 }),
    () => provider.control.act({ action: "remove", uid: "u1" }),
  ]) {
    const { at } = await forwarded(7);
    const socket = connect(at, "127.0.0.1").on("error", () => {});
    socket.write("x");
    await once(socket, "data");
    await end();
    await once(socket, "close");
  }
  await assert.rejects(async () => await provider.portForward?.(target, 7, new PassThrough(), context), {
    kind: "NotFound",
  });
});

test("only running containers listen", () => {
  const run = { attempt: 0, startedAt: 0 };
  assert.deepEqual(listenerOf(target, 7, [{ name: "app", latest: run }]), { container: "app", service: "echo" });
  assert.equal(listenerOf(target, 7, [{ name: "app", latest: { ...run, ended: { at: 1, exitCode: 0 } } }]), undefined);
  assert.equal(listenerOf(target, 80, [{ name: "app" }]), undefined);
});
