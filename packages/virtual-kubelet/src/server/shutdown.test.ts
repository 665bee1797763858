import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket } from "ws";
import { FakeNode, startKubelet } from "../testing/kubelet-fixture.ts";

test("the end: short requests are answered, streams get their grace and are told, then nothing is left", async () => {
  const began = { short: Promise.withResolvers<void>(), stream: Promise.withResolvers<void>() };
  const go = Promise.withResolvers<void>();
  const node = new FakeNode("node-a", {
    // Hears no signal.
    runInContainer: async (_target, _command, io) => {
      io.stdout?.write("hello");
      began.stream.resolve();
      return new Promise(() => {});
    },
  });
  await using kubelet = await startKubelet([node], {
    limits: { shutdownGraceMs: 2000 },
    handlers: {
      statsSummary: async ({ response }) => {
        began.short.resolve();
        await go.promise;
        response.end("whole");
      },
    },
  });
  const idle = await kubelet.tls();
  idle.write("GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n");
  await once(idle, "data");
  const session = kubelet.http2();
  const short = kubelet.get("/stats/summary", "admin");
  const exec = new WebSocket(
    `wss://127.0.0.1:${kubelet.port()}/exec/default/web/app?output=1&command=sh`,
    ["v4.channel.k8s.io"],
    { ca: kubelet.ca.certificate, headers: { Authorization: "Bearer admin" } },
  );
  let status = "";
  exec.on("message", (data) => {
    assert(Buffer.isBuffer(data));
    if (data[0] === 3) status += data.subarray(1).toString();
  });
  const closed = once(exec, "close");
  await Promise.all([began.short.promise, began.stream.promise]);
  const stopped = kubelet.stop();
  await Promise.all([once(idle, "close"), once(session, "close")]);
  await assert.rejects(kubelet.tls(), /ECONNREFUSED/);
  assert.equal(exec.readyState, WebSocket.OPEN);
  go.resolve();
  assert.equal((await short).body, "whole");
  assert.equal((await closed)[0], 1000);
  assert.match(status, /"status":"Failure".*the kubelet is shutting down/);
  await stopped;
});

test("the end: a log that is followed is broken off after its grace, not made to look whole", async () => {
  const began = Promise.withResolvers<void>();
  await using kubelet = await startKubelet([new FakeNode("node-a")], {
    limits: { shutdownGraceMs: 50 },
    handlers: {
      containerLogs: async ({ response, signal }) => {
        response.write("line\n");
        began.resolve();
        await once(signal, "abort");
        signal.throwIfAborted();
      },
    },
  });
  const logs = kubelet.get("/containerLogs/default/web/app?follow=true", "admin");
  await began.promise;
  const stopped = kubelet.stop();
  await assert.rejects(logs, /aborted|hang up|ECONNRESET/);
  await stopped;
});

test("the end: a handler that hears no signal holds up nobody for long", async () => {
  const began = Promise.withResolvers<void>();
  await using kubelet = await startKubelet([new FakeNode("node-a")], {
    limits: { shutdownGraceMs: 50 },
    handlers: {
      containerLogs: () => {
        began.resolve();
        return new Promise(() => {});
      },
    },
  });
  const logs = kubelet.get("/containerLogs/default/web/app", "admin");
  await began.promise;
  const stopped = kubelet.stop();
  await assert.rejects(logs, /hang up|ECONNRESET/);
  await stopped;
  assert(kubelet.log.flat.some((line) => String(line["message"]).startsWith("left behind requests")));
});
