// A wrapped provider does what it did, lacks what it lacked, and is counted.
import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { VirtualKubeletError } from "./errors.ts";
import { instrumentProvider } from "./instrument-provider.ts";
import { type Logger, silentLogger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import type { PodOwner } from "./provider/pods.ts";
import type { CallContext, Provider } from "./provider.ts";
import type { ResolvedVolume } from "./resolved-pod.ts";
import { LogRecorder } from "./testing/log-recorder.ts";

const owner: PodOwner = { cluster: "c", node: "vk-0", namespace: "default", name: "web", uid: "u1" };
const context: CallContext = { signal: new AbortController().signal, log: silentLogger };

class Minimal implements Provider {
  readonly calls: string[] = [];
  createPod(): Promise<void> {
    this.calls.push("createPod");
    return Promise.resolve();
  }
  deletePod(_owner: PodOwner, options: { readonly gracePeriodSeconds: number }): Promise<void> {
    this.calls.push(`deletePod ${options.gracePeriodSeconds}`);
    return Promise.resolve();
  }
  getPodStatus(): Promise<never> {
    return Promise.reject(new VirtualKubeletError("NotFound", "none"));
  }
  getPods(): Promise<readonly []> {
    throw new Error("thrown, not rejected");
  }
}

test("methods that are absent stay absent", () => {
  const wrapped = instrumentProvider(new Minimal(), { node: "vk-0", metrics: createMetrics() });
  const optional = [
    "updatePod",
    "updateVolumes",
    "watchPods",
    "watchNode",
    "ping",
    "configureNode",
    "getContainerLogs",
    "runInContainer",
    "attachToContainer",
    "portForward",
    "getStatsSummary",
    Symbol.asyncDispose,
  ];
  for (const method of optional) assert.equal(Reflect.has(wrapped, method), false, String(method));
});

test("calls reach the provider with their arguments; outcomes are counted by kind", async () => {
  const metrics = createMetrics();
  const provider = new Minimal();
  const wrapped = instrumentProvider(provider, { node: "vk-0", metrics });
  await wrapped.deletePod(owner, { gracePeriodSeconds: 7 }, context);
  await assert.rejects(wrapped.getPodStatus(owner, context), { kind: "NotFound", message: "none" });
  await assert.rejects(wrapped.getPods(context), { message: "thrown, not rejected" });
  assert.deepEqual(provider.calls, ["deletePod 7"]);
  const text = await metrics.registry.metrics();
  for (const [method, outcome] of [
    ["deletePod", "ok"],
    ["getPodStatus", "NotFound"],
    ["getPods", "Internal"],
  ]) {
    const line = `virtual_kubelet_provider_calls_total{node="vk-0",method="${method}",outcome="${outcome}"} 1`;
    assert.ok(text.includes(line), `${line}\n${text}`);
  }
  assert.match(text, /provider_call_duration_seconds_count\{method="deletePod"\} 1/);
});

test("contents of volumes reach the provider, and no line of the log", async () => {
  const metrics = createMetrics();
  const log = new LogRecorder();
  const handed: unknown[] = [];
  class Keeping extends Minimal {
    async updateVolumes(of: PodOwner, given: readonly ResolvedVolume[]): Promise<void> {
      handed.push(of, given);
    }
  }
  const wrapped = instrumentProvider(new Keeping(), { node: "vk-0", metrics });
  const data = Buffer.from("hidden");
  const volumes = [
    { name: "v", type: "files", memory: true, files: [{ path: "p", mode: 0o600, data, secret: true }] },
  ] as const;
  await wrapped.updateVolumes?.(owner, volumes, { signal: context.signal, log });
  assert.deepEqual(handed, [owner, volumes]);
  assert.match(await metrics.registry.metrics(), /method="updateVolumes",outcome="ok"\} 1/);
  assert.equal(log.count(/provider call/), 1);
  const text = JSON.stringify(log.lines);
  for (const shown of ["hidden", data.toString("base64"), JSON.stringify([...data])]) assert.ok(!text.includes(shown));
});

test("what is behind the kubelet API gets the very streams of the caller, and is counted with its outcome", async () => {
  const metrics = createMetrics();
  const seen: unknown[] = [];
  const data = (async function* () {
    yield new Uint8Array([1]);
  })();
  const provider: Provider = Object.assign(new Minimal(), {
    async getContainerLogs(...args: unknown[]) {
      seen.push(...args);
      return { format: "plain" as const, data };
    },
    async runInContainer(...args: unknown[]) {
      seen.push(...args);
      return { exitCode: 3 };
    },
    async attachToContainer(...args: unknown[]) {
      seen.push(...args);
    },
    async portForward(...args: unknown[]) {
      seen.push(...args);
      throw new VirtualKubeletError("Unavailable", "refused");
    },
    async getStatsSummary() {
      return { node: { nodeName: "vk-0", startTime: "2026-01-01T00:00:00Z" }, pods: [] };
    },
  });
  const wrapped = instrumentProvider(provider, { node: "vk-0", metrics });
  const metadata = { name: "web", namespace: "default", uid: "u1", resourceVersion: "1" };
  const target = { owner, pod: { metadata }, container: "app" };
  const io = { tty: false, stdin: new PassThrough(), stdout: new PassThrough() };
  const options = { follow: true };
  const command = ["sh"];
  const connection = new PassThrough();
  assert.equal((await wrapped.getContainerLogs?.(target, options, context))?.data, data);
  assert.deepEqual(await wrapped.runInContainer?.(target, command, io, context), { exitCode: 3 });
  await wrapped.attachToContainer?.(target, io, context);
  await assert.rejects(async () => await wrapped.portForward?.(target, 80, connection, context), {
    message: "refused",
  });
  assert.equal((await wrapped.getStatsSummary?.(context))?.node.nodeName, "vk-0");
  const given = [target, options, context, target, command, io, context, target, io, context, target, 80, connection];
  assert.ok([...given, context].every((value, index) => seen[index] === value));
  const text = await metrics.registry.metrics();
  for (const [method, outcome] of [
    ["getContainerLogs", "ok"],
    ["runInContainer", "ok"],
    ["attachToContainer", "ok"],
    ["portForward", "Unavailable"],
    ["getStatsSummary", "ok"],
  ]) {
    assert.ok(text.includes(`method="${method}",outcome="${outcome}"} 1`), text);
  }
});

test("streams pass everything on, and end when the reader leaves", async () => {
  const metrics = createMetrics();
  let closed = false;
  const provider: Provider = Object.assign(new Minimal(), {
    async *watchPods() {
      try {
        for (;;) yield { type: "gone" as const, owner };
      } finally {
        closed = true;
      }
    },
  });
  const wrapped = instrumentProvider(provider, { node: "vk-0", metrics });
  for await (const update of wrapped.watchPods?.(context) ?? []) {
    assert.equal(update.type, "gone");
    break;
  }
  assert.equal(closed, true);
  assert.match(await metrics.registry.metrics(), /method="watchPods",outcome="ok"\} 1/);
});

test("each call is a debug line with method and outcome", async () => {
  const lines: unknown[] = [];
  const log: Logger = { ...silentLogger, debug: (fields) => lines.push([fields["method"], fields["outcome"]]) };
  const wrapped = instrumentProvider(new Minimal(), { node: "vk-0", metrics: createMetrics() });
  await wrapped.deletePod(owner, { gracePeriodSeconds: 0 }, { ...context, log });
  assert.deepEqual(lines, [["deletePod", "ok"]]);
});
