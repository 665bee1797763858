import assert from "node:assert/strict";
import { test } from "node:test";
import { probeEvent } from "./probe-outcome.ts";
import { goDuration, hostPort, socketErrorText, userAgent } from "./probe-text.ts";

test("durations as Go prints them", () => {
  const table: readonly [number, string][] = [
    [0, "0s"],
    [200, "200ms"],
    [1000, "1s"],
    [1500, "1.5s"],
    [59_000, "59s"],
    [60_000, "1m0s"],
    [90_000, "1m30s"],
    [3_600_000, "1h0m0s"],
    [3_725_000, "1h2m5s"],
  ];
  for (const [ms, text] of table) assert.equal(goDuration(ms), text);
});

test("addresses", () => {
  assert.equal(hostPort("10.0.0.1", 80), "10.0.0.1:80");
  assert.equal(hostPort("fd00::1", 80), "[fd00::1]:80");
  assert.equal(hostPort("localhost", 8080), "localhost:8080");
});

test("errors of sockets as Go prints them", () => {
  const error = (code: string, syscall?: string): Error =>
    Object.assign(new Error("some text\nof  Node"), { code, ...(syscall === undefined ? {} : { syscall }) });
  const table: readonly [unknown, string][] = [
    [error("ECONNREFUSED", "connect"), "dial tcp 10.0.0.1:80: connect: connection refused"],
    [error("EHOSTUNREACH", "connect"), "dial tcp 10.0.0.1:80: connect: no route to host"],
    [error("ENETUNREACH", "connect"), "dial tcp 10.0.0.1:80: connect: network is unreachable"],
    [
      Object.assign(new AggregateError([]), { code: "ECONNREFUSED" }),
      "dial tcp 10.0.0.1:80: connect: connection refused",
    ],
    [error("ECONNRESET", "read"), "read tcp 10.0.0.1:80: connection reset by peer"],
    [error("EPIPE", "write"), "write tcp 10.0.0.1:80: broken pipe"],
    [error("ECONNRESET"), "EOF"],
    [error("ENOTFOUND", "getaddrinfo"), "dial tcp: lookup 10.0.0.1: no such host"],
    [error("EAI_AGAIN", "getaddrinfo"), "dial tcp: lookup 10.0.0.1: Temporary failure in name resolution"],
    [error("EWHATEVER", "connect"), "some text of Node"],
    ["text", "text"],
    [
      new Error("write EPROTO 408D:error:0A000410:SSL routines:ssl3_read_bytes:tls alert handshake failure:../a.c:9:"),
      "tls: tls alert handshake failure",
    ],
  ];
  for (const [fault, text] of table) assert.equal(socketErrorText(fault, "10.0.0.1", 80), text);
});

test("User-Agent has the version's first two numbers", () => {
  assert.equal(userAgent("probe", "v1.36.3-vk-0.1.0"), "kube-probe/1.36");
  assert.equal(userAgent("lifecycle", "1.34.0"), "kube-lifecycle/1.34");
  assert.equal(userAgent("probe", "dev"), "kube-probe/1.0");
});

test("events of outcomes", () => {
  assert.equal(probeEvent("liveness", { type: "success" }), undefined);
  const output = "HTTP probe failed with statuscode: 500";
  assert.deepEqual(probeEvent("readiness", { type: "failure", output }), {
    type: "Warning",
    reason: "Unhealthy",
    message: "Readiness probe failed: HTTP probe failed with statuscode: 500",
  });
  assert.deepEqual(probeEvent("startup", { type: "warning", output: "w" }), {
    type: "Warning",
    reason: "ProbeWarning",
    message: "Startup probe warning: w",
  });
  assert.deepEqual(probeEvent("liveness", { type: "error", state: "unknown", message: "no shell" }), {
    type: "Warning",
    reason: "Unhealthy",
    message: "Liveness probe errored and resulted in unknown state: no shell",
  });
});
