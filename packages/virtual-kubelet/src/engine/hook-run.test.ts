import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer } from "node:net";
import { test } from "node:test";
import type { LifecycleHandler } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { createAuthority } from "../testing/pki.ts";
import { listening, probedRun } from "../testing/probe-bench.ts";
import { hookRunner } from "./hook-run.ts";
import type { HookOutcome, RunTarget } from "./probe-results.ts";

const never = new AbortController().signal;

const run = (handler: LifecycleHandler, target: RunTarget = probedRun(), signal: AbortSignal = never) =>
  hookRunner({ kubernetesVersion: "v1.36.3" })(handler, target, { signal, log: silentLogger });

const succeeded: HookOutcome = { type: "succeeded" };
const failed = (what: string, why: string): HookOutcome => ({
  type: "failed",
  message: `${what} for Container "c" in Pod "p_default(uid)" failed - error: ${why}`,
});

test("commands: exit code 0 is success; what they print is told to nobody", async () => {
  const commands: unknown[] = [];
  const target = (exitCode: number): RunTarget =>
    probedRun({
      exec: async (command, { stdout }) => {
        commands.push(command);
        stdout?.write("password");
        return { exitCode };
      },
    });
  assert.deepEqual(await run({ exec: { command: ["a", "$(B)"] } }, target(0)), succeeded);
  assert.deepEqual(await run({ exec: {} }, target(3)), failed("Exec lifecycle hook", "command exited with 3"));
  // As it is written: hooks know no variables.
  assert.deepEqual(commands, [["a", "$(B)"], []]);
  const broken = probedRun({
    exec: async () => {
      throw new Error("no shell");
    },
  });
  assert.deepEqual(await run({ exec: { command: ["a"] } }, broken), failed("Exec lifecycle hook", "no shell"));
});

test("any HTTP answer is success", async () => {
  const agents: unknown[] = [];
  await using server = await listening(
    createServer((request, response) => {
      agents.push(request.headers["user-agent"]);
      const status = Number(request.url?.slice(1));
      response.writeHead(status, status === 302 ? { location: "http://elsewhere.example/" } : {}).end("body");
    }),
  );
  for (const status of [200, 302, 404, 500])
    assert.deepEqual(await run({ httpGet: { port: server.port, path: `/${status}` } }), succeeded);
  assert.deepEqual(new Set(agents), new Set(["kube-lifecycle/1.36"]));
  const { port } = server;
  await server[Symbol.asyncDispose]();
  assert.deepEqual(
    await run({ httpGet: { port, path: "/x" } }),
    failed(
      "HTTP lifecycle hook (/x)",
      `Get "http://127.0.0.1:${port}/x": dial tcp 127.0.0.1:${port}: connect: connection refused`,
    ),
  );
  assert.deepEqual(
    await run({ httpGet: { port: 80 } }, probedRun({ podIPs: [] })),
    failed("HTTP lifecycle hook ()", "the pod has no IP address yet"),
  );
});

test("HTTPS, and without TLS where the server has none: the credentials stay here, and it is told", async () => {
  const { certificate, key } = createAuthority("x").issue({ commonName: "x" });
  await using secure = await listening(createTlsServer({ cert: certificate, key }, (_, response) => response.end()));
  assert.deepEqual(await run({ httpGet: { port: secure.port, scheme: "HTTPS" } }), succeeded);
  let headers: unknown;
  await using plain = await listening(
    createServer((request, response) => {
      headers = [request.headers.authorization, request.headers["x-a"]];
      response.end();
    }),
  );
  const httpHeaders = [
    { name: "authorization", value: "Bearer secret" },
    { name: "X-A", value: "1" },
  ];
  assert.deepEqual(await run({ httpGet: { port: plain.port, scheme: "HTTPS", httpHeaders } }), {
    type: "succeeded",
    warning: {
      reason: "LifecycleHTTPFallback",
      message: `request to HTTPS lifecycle hook 127.0.0.1:${plain.port} got HTTP response, retry with HTTP succeeded`,
    },
  });
  assert.deepEqual(headers, [undefined, "1"]);
  await using neither = await listening(createTcpServer((socket) => socket.resume().end("220 hello\r\n")));
  const outcome = await run({ httpGet: { port: neither.port, scheme: "HTTPS" } });
  assert.equal(outcome.type, "failed");
});

test("sleep, for no time as well", async () => {
  const clock = new FakeClock();
  const hook = hookRunner({ kubernetesVersion: "v1.36.3", clock });
  let outcome: HookOutcome | undefined;
  const pending = hook({ sleep: { seconds: 5 } }, probedRun(), { signal: never, log: silentLogger }).then((told) => {
    outcome = told;
  });
  await clock.advance(4999);
  assert.equal(outcome, undefined);
  await clock.advance(1);
  await pending;
  assert.deepEqual(outcome, succeeded);
  assert.deepEqual(await run({ sleep: { seconds: 0 } }), succeeded);
  assert.equal(clock.pending, 0);
});

test("what is no handler", async () => {
  const outcome: HookOutcome = { type: "failed", message: "Cannot run handler: invalid handler" };
  assert.deepEqual(await run({ tcpSocket: { port: 80 } }), outcome);
  assert.deepEqual(await run({}), outcome);
});

test("hooks that take too long, and hooks that are no longer wanted", async () => {
  await using silent = await listening(createTcpServer((socket) => socket.resume()));
  const target = probedRun({ exec: () => new Promise(() => {}) });
  const handlers: readonly [string, LifecycleHandler][] = [
    ["Exec lifecycle hook", { exec: { command: ["x"] } }],
    ["HTTP lifecycle hook ()", { httpGet: { port: silent.port } }],
    ["Sleep lifecycle hook", { sleep: { seconds: 3600 } }],
  ];
  for (const [what, handler] of handlers) {
    const clock = new FakeClock();
    const hook = hookRunner({ kubernetesVersion: "v1.36.3", clock, limitMs: 2000 });
    const pending = hook(handler, target, { signal: never, log: silentLogger });
    await clock.advance(2000);
    assert.deepEqual(await pending, failed(what, "it took longer than 2s"));
    const controller = new AbortController();
    const unwanted = hook(handler, target, { signal: controller.signal, log: silentLogger });
    controller.abort();
    await assert.rejects(unwanted, { kind: "Aborted" });
    assert.equal(clock.pending, 0);
  }
  await silent.idle();
});
