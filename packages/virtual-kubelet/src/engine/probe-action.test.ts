import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import type { Probe } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import { listening, probedRun } from "../testing/probe-bench.ts";
import { type ProbeContext, runProbe, runProbeTries } from "./probe-action.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";

const context = (signal: AbortSignal = new AbortController().signal): ProbeContext => ({
  ...{ signal, log: silentLogger, userAgent: "kube-probe/1.36" },
});

test("each handler, by what the pod's spec says", async () => {
  let agent: string | undefined;
  await using server = await listening(
    createServer((request, response) => {
      agent = request.headers["user-agent"];
      response.statusCode = request.url === "/ok" ? 200 : 503;
      response.end();
    }),
  );
  const commands: unknown[] = [];
  const target = probedRun({
    container: { name: "c", ports: [{ name: "web", containerPort: server.port }], env: [{ name: "A", value: "a" }] },
    exec: async (command) => {
      commands.push(command);
      return { exitCode: command.length };
    },
  });
  const timeoutSeconds = 60;
  const table: readonly [Probe, ProbeOutcome][] = [
    [{ httpGet: { port: "web", path: "/ok" }, timeoutSeconds }, { type: "success" }],
    [
      { httpGet: { port: server.port }, timeoutSeconds },
      { type: "failure", output: "HTTP probe failed with statuscode: 503" },
    ],
    [{ tcpSocket: { port: "web" }, timeoutSeconds }, { type: "success" }],
    [{ exec: {} }, { type: "success" }],
    [{ exec: { command: ["echo $(A)"] } }, { type: "failure", output: "" }],
    [
      { httpGet: { port: "nope" } },
      { type: "error", state: "unknown", message: 'strconv.Atoi: parsing "nope": invalid syntax' },
    ],
    [{ tcpSocket: { port: 0 } }, { type: "error", state: "unknown", message: "invalid port number: 0" }],
    [{}, { type: "error", state: "unknown", message: "missing probe handler for p_default(uid):c" }],
  ];
  for (const [probe, outcome] of table) assert.deepEqual(await runProbe(probe, target, context()), outcome);
  assert.deepEqual(commands, [[], ["echo a"]]);
  assert.equal(agent, "kube-probe/1.36");
  const grpc = await runProbe({ grpc: { port: server.port }, timeoutSeconds }, target, context());
  assert.equal(grpc.type, "failure");
  await server.idle();
});

test("a pod without an address is not looked for on this machine", async () => {
  const target = probedRun({ podIPs: [] });
  for (const probe of [{ httpGet: { port: 80 } }, { tcpSocket: { port: 80 } }, { grpc: { port: 80 } }])
    assert.deepEqual(await runProbe(probe, target, context()), {
      ...{ type: "error", state: "unknown", message: "the pod has no IP address yet" },
    });
});

test("three tries when the look itself fails, one when the container does", async () => {
  const error: ProbeOutcome = { type: "error", state: "unknown", message: "m" };
  const failure: ProbeOutcome = { type: "failure", output: "o" };
  const success: ProbeOutcome = { type: "success" };
  const table: readonly [readonly ProbeOutcome[], ProbeOutcome, number][] = [
    [[success], success, 1],
    [[failure, success], failure, 1],
    [[error, success], success, 2],
    [[error, error, failure], failure, 3],
    [[error, error, error, success], error, 3],
  ];
  for (const [outcomes, last, count] of table) {
    let tries = 0;
    const outcome = await runProbeTries({}, probedRun(), context(), async () => outcomes[tries++] ?? success);
    assert.deepEqual([outcome, tries], [last, count]);
  }
});

test("one that is no longer wanted is not begun", async () => {
  let begun = false;
  const target = probedRun({
    exec: async () => {
      begun = true;
      return { exitCode: 0 };
    },
  });
  await assert.rejects(runProbe({ exec: { command: ["x"] } }, target, context(AbortSignal.abort())), {
    kind: "Aborted",
  });
  assert.equal(begun, false);
});
