// The backend as a process: its journal, pods that outlive those who made them, and watches that miss nothing.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import * as v from "valibot";
import { silentLogger } from "../../log.ts";
import type { PodRequest, PodUpdate } from "../../provider/pods.ts";
import type { CallContext } from "../../provider.ts";
import { createMockProvider, type MockProvider } from "./mock-provider.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "mock-server-"));
});
after(() => rm(directory, { recursive: true }));

let count = 0;
async function startBackend(socket = join(directory, `${++count}.sock`)): Promise<{
  readonly socket: string;
  readonly address: string;
  readonly child: ChildProcess;
}> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "backend-main.ts"), "--listen", `unix://${socket}`],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { address } = v.parse(v.object({ address: v.string() }), JSON.parse(String(line)));
  return { socket, address, child };
}

async function end(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  assert.deepEqual(await exited, [0, null]);
}

const entry = v.object({
  seq: v.number(),
  method: v.string(),
  node: v.optional(v.string()),
  uid: v.optional(v.string()),
  outcome: v.string(),
  gracePeriodSeconds: v.optional(v.number()),
});

async function journalOf(socket: string): Promise<readonly v.InferOutput<typeof entry>[]> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  get({ socketPath: socket, path: "/journal" }, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      text += chunk;
    });
    response.on("end", () => resolve(text));
  }).on("error", reject);
  return v.parse(v.array(entry), JSON.parse(await promise));
}

function request(uid: string): PodRequest {
  const owner = { cluster: "c", node: "n", namespace: "d", name: uid, uid };
  const metadata = { name: uid, namespace: "d", uid, resourceVersion: "1" };
  return { owner, revision: "1", pod: { metadata, spec: { containers: [{ name: "app", image: "a:1" }] } } };
}

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const connect = async (address: string): Promise<MockProvider> =>
  await createMockProvider({ node: "n", config: { backend: address } });

test("the journal tells every call, and a pod that was started twice", async () => {
  const { socket, address, child } = await startBackend();
  const provider = await connect(address);
  const { owner } = request("u1");
  await provider.createPod(request("u1"), context);
  await provider.createPod(request("u1"), context);
  await provider.getPodStatus(owner, context);
  const [usage] = await provider.control.usage(owner);
  assert.deepEqual([usage?.name, usage?.cpuNanoCores, usage?.memoryBytes], ["app", 1e7, 2 ** 24]);
  await provider.deletePod(owner, { gracePeriodSeconds: 7 }, context);
  await assert.rejects(provider.deletePod(owner, { gracePeriodSeconds: 7 }, context), { kind: "NotFound" });
  await provider.createPod(request("u1"), context);
  await provider.control.act({ action: "lose", uid: "u1" });
  await provider.createPod(request("u1"), context);
  await provider.getPods(context);
  const journal = await journalOf(socket);
  assert.deepEqual(
    journal.map(({ seq, method, uid, outcome }) => [seq, method, uid, outcome]),
    [
      [1, "createPod", "u1", "created"],
      [2, "createPod", "u1", "exists"],
      [3, "getPodStatus", "u1", "ok"],
      [4, "deletePod", "u1", "ok"],
      [5, "deletePod", "u1", "error: NotFound"],
      [6, "createPod", "u1", "startedTwice"],
      [7, "act", "u1", "ok"],
      [8, "createPod", "u1", "recreatedAfterLoss"],
      [9, "getPods", undefined, "ok"],
    ],
  );
  assert.deepEqual([journal[0]?.node, journal[3]?.node, journal[3]?.gracePeriodSeconds], ["n", "n", 7]);
  await provider[Symbol.asyncDispose]?.();
  await end(child);
});

test("pods outlive the one who made them, killed without warning; the next watch begins with the state", async () => {
  const { socket, address, child } = await startBackend();
  const program = `
    import { createMockProvider } from ${JSON.stringify(join(import.meta.dirname, "mock-provider.ts"))};
    const provider = await createMockProvider({ node: "n", config: { backend: ${JSON.stringify(address)} } });
    const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
    await provider.createPod(${JSON.stringify(request("u1"))}, { signal: new AbortController().signal, log });
    process.kill(process.pid, "SIGKILL");
  `;
  const maker = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  assert.deepEqual(await once(maker, "exit"), [null, "SIGKILL"]);
  const provider = await connect(address);
  assert.deepEqual(
    (await provider.getPods(context)).map(({ owner }) => owner),
    [request("u1").owner],
  );
  const stop = new AbortController();
  const updates = provider.watchPods?.({ signal: stop.signal, log: silentLogger }) ?? assert.fail();
  const seen: PodUpdate[] = [];
  for await (const update of updates) {
    seen.push(update);
    if (seen.length === 1) await provider.deletePod(request("u1").owner, { gracePeriodSeconds: 1 }, context);
    if (update.type === "gone") break;
  }
  assert.deepEqual(
    seen.map(({ type }) => type),
    ["report", "report", "gone"],
  );
  assert.equal((await journalOf(socket)).filter(({ method }) => method === "createPod").length, 1);
  await provider[Symbol.asyncDispose]?.();
  await end(child);
});

test("a log is the same through every connection, also for one made later; a followed one ends with its run", async () => {
  const { address, child } = await startBackend();
  const [one, two] = [await connect(address), await connect(address)];
  const { pod, owner, revision } = request("u1");
  const annotations = { "mock.virtual-kubelet.io/log-interval": "10ms", "mock.virtual-kubelet.io/run-time": "200ms" };
  const spec = { containers: [{ name: "app", image: "a:1" }], restartPolicy: "Never" };
  const logging = { ...pod, metadata: { ...pod.metadata, annotations }, spec };
  await one.createPod({ owner, pod: logging, revision }, context);
  const target = { owner, pod: logging, container: "app" };
  const read = async (provider: MockProvider, follow: boolean): Promise<string> => {
    const logs = (await provider.getContainerLogs?.(target, { follow }, context)) ?? assert.fail();
    let text = "";
    for await (const chunk of logs.data) text += Buffer.from(chunk).toString("utf8");
    return text;
  };
  const [first, second] = await Promise.all([read(one, true), read(two, true)]);
  assert.match(first, /exiting with code 0\n$/);
  assert.equal(first.split("\n").length, 23);
  const three = await connect(address);
  assert.deepEqual([second, await read(three, false)], [first, first]);
  for (const provider of [one, two, three]) await provider[Symbol.asyncDispose]?.();
  await end(child);
});

test("a backend that is away is Unavailable, and its end ends the watch", async () => {
  const { socket, address, child } = await startBackend();
  const provider = await connect(address);
  await provider.ping?.(context);
  await provider.createPod(request("u1"), context);
  const updates = (provider.watchPods?.(context) ?? assert.fail())[Symbol.asyncIterator]();
  assert.equal((await updates.next()).done, false);
  const broken = assert.rejects(async () => await updates.next(), { kind: "Unavailable" });
  child.kill("SIGKILL");
  await broken;
  await assert.rejects(async () => await provider.ping?.(context), { kind: "Unavailable" });
  await assert.rejects(provider.getPods(context), { kind: "Unavailable" });
  await assert.rejects(provider.getPodStatus(request("u1").owner, context), { kind: "Unavailable" });
  const target = { ...request("u1"), container: "app" };
  await assert.rejects(async () => await provider.getContainerLogs?.(target, {}, context), { kind: "Unavailable" });
  await assert.rejects(async () => await provider.getStatsSummary?.(context), { kind: "Unavailable" });
  const next = await startBackend(socket);
  assert.deepEqual(await provider.getPods(context), [], "killed, it has forgotten its pods");
  await provider[Symbol.asyncDispose]?.();
  await end(next.child);
});
