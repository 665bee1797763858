// The metrics and health endpoint over a real socket.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import { afterEach, test } from "node:test";
import { silentLogger } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import { parseAddress } from "./address.ts";
import { type Health, MetricsServer } from "./metrics-server.ts";

let stop = new AbortController();
let running: Promise<void> | undefined;
afterEach(async () => {
  stop.abort();
  await running;
  stop = new AbortController();
});

async function serve(health: Health): Promise<string> {
  const { registry, providerCalls } = createMetrics();
  providerCalls.inc({ node: "vk-0", method: "ping", outcome: "ok" });
  const server = new MetricsServer({
    address: { host: "127.0.0.1", port: 0 },
    registry,
    health: () => health,
    log: silentLogger,
  });
  running = server.run(stop.signal);
  return `http://${await server.listening}`;
}

const well: Health = { ready: true, checks: [{ name: "pods-synced", ok: true }] };
const starting: Health = {
  ready: false,
  checks: [
    { name: "pods-synced", ok: true },
    { name: "node", ok: false, message: "late" },
  ],
};

test("/metrics has our metrics and those of the process", async () => {
  const response = await fetch(`${await serve(well)}/metrics`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
  const text = await response.text();
  assert.match(text, /^virtual_kubelet_provider_calls_total\{node="vk-0",method="ping",outcome="ok"\} 1$/m);
  assert.match(text, /^process_resident_memory_bytes \d/m);
});

const cases: readonly (readonly [string, Health, string, number, string])[] = [
  ["GET", well, "/healthz", 200, "ok\n"],
  ["GET", well, "/readyz", 200, "ok\n"],
  ["GET", well, "/readyz?verbose", 200, "[+]pods-synced ok\nreadyz check passed\n"],
  ["GET", starting, "/readyz", 503, "[+]pods-synced ok\n[-]node failed: late\nreadyz check failed\n"],
  ["GET", starting, "/healthz", 200, "ok\n"],
  ["GET", { ...starting, live: false }, "/livez", 503, "[+]pods-synced ok\n[-]node failed: late\nlivez check failed\n"],
  ["GET", well, "/pods", 404, "404 page not found\n"],
  ["POST", well, "/metrics", 405, "method not allowed\n"],
  ["HEAD", well, "/healthz", 200, ""],
];
for (const [method, health, path, status, body] of cases) {
  test(`${method} ${path} of a program that is ${health.ready ? "ready" : "not ready"}: ${status}`, async () => {
    const response = await fetch(`${await serve(health)}${path}`, { method });
    assert.deepEqual([response.status, await response.text()], [status, body]);
  });
}

test("leaves nothing behind when its signal aborts", async () => {
  const url = await serve(well);
  await (await fetch(`${url}/healthz`)).text();
  stop.abort();
  await running;
  await assert.rejects(fetch(`${url}/healthz`));
});

test("an address that is taken ends it", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const bound = other.address();
  assert.ok(typeof bound === "object" && bound !== null);
  const address = { host: "127.0.0.1", port: bound.port };
  const server = new MetricsServer({
    address,
    registry: createMetrics().registry,
    health: () => well,
    log: silentLogger,
  });
  await assert.rejects(server.run(stop.signal), { code: "EADDRINUSE" });
  await assert.rejects(server.listening, { code: "EADDRINUSE" });
  running = undefined;
  other.close();
});

test("addresses as Go writes them", () => {
  assert.deepEqual(parseAddress(":10255"), { port: 10255 });
  assert.deepEqual(parseAddress("127.0.0.1:0"), { host: "127.0.0.1", port: 0 });
  assert.deepEqual(parseAddress("[::1]:80"), { host: "::1", port: 80 });
  assert.equal(parseAddress(""), undefined);
  assert.equal(parseAddress("0"), undefined);
  assert.throws(() => parseAddress("host"), RangeError);
  assert.throws(() => parseAddress(":70000"), RangeError);
});
