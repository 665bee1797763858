// One measurement in a process of its own: CPU of so many calls with 32 in flight. Arguments: client, operation, calls, address,
// authority. Prints one line of JSON.

import { connect as connectHttp2 } from "node:http2";
import { Pool } from "undici";
import { createKubeClient } from "../../packages/virtual-kubelet/src/kube/connect.ts";
import { pods } from "../../packages/virtual-kubelet/src/kube/resource.ts";

const inFlight = 32;
const [, , client = "", operation = "", calls = "", url = "", ca = ""] = process.argv;
const ref = { namespace: "default", name: "web-0" };
const path = "/api/v1/namespaces/default/pods/web-0";
const patch = {
  metadata: { uid: "5f0c2c6e-4a3b-4f5e-9d0f-1f3c1a2b3c4d" },
  status: {
    phase: "Running",
    conditions: ["Initialized", "Ready", "ContainersReady", "PodScheduled"].map((type) => ({
      type,
      status: "True",
      lastProbeTime: null,
      lastTransitionTime: "2026-01-01T00:00:00Z",
    })),
    containerStatuses: [{ name: "main", ready: true, restartCount: 0, image: "registry.example.com/team/web:1.2.3" }],
  },
};
const partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const kinds: Readonly<Record<string, { method: "GET" | "PATCH"; path: string; accept: string }>> = {
  get: { method: "GET", path, accept: "application/json" },
  patch: { method: "PATCH", path: `${path}/status?fieldManager=x`, accept: "application/json" },
  patchMeta: { method: "PATCH", path: `${path}/status?fieldManager=x`, accept: partial },
};
const kind = kinds[operation];
if (kind === undefined) throw new Error(`no operation ${operation}`);

function headersOf(body: boolean): Record<string, string> {
  return { accept: kind?.accept ?? "", ...(body ? { "content-type": "application/strategic-merge-patch+json" } : {}) };
}

function ours(transport: "http2" | "http1"): [() => Promise<unknown>, () => Promise<void>] {
  const kube = createKubeClient(
    { server: url, certificateAuthority: { data: ca }, namespace: "default", user: { token: "x" } },
    { transport },
  );
  const call = (): Promise<unknown> => {
    if (operation === "get") return kube.get(pods, ref);
    if (operation === "patch") return kube.patch(pods, ref, "strategic", patch, { subresource: "status" });
    return kube.patchMeta(pods, ref, "strategic", patch, { subresource: "status" });
  };
  return [call, () => kube.close()];
}

function undici(allowH2: boolean): [() => Promise<unknown>, () => Promise<void>] {
  const pool = new Pool(url, { connections: allowH2 ? 1 : 16, allowH2, connect: { ca } });
  const call = async (): Promise<unknown> => {
    const body = operation === "get" ? null : JSON.stringify(patch);
    const answer = await pool.request({
      ...kind,
      method: kind?.method ?? "GET",
      path: kind?.path ?? "",
      headers: headersOf(body !== null),
      body,
    });
    return await answer.body.json();
  };
  return [call, () => pool.destroy()];
}

/** The least HTTP/2 can cost: one session, no checks, no time limit, no retries. */
function bare(): [() => Promise<unknown>, () => Promise<void>] {
  const session = connectHttp2(url, { ca });
  const call = (): Promise<unknown> => {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const body = operation === "get" ? undefined : JSON.stringify(patch);
    const stream = session.request(
      { ":method": kind?.method, ":path": kind?.path, ...headersOf(body !== undefined) },
      { endStream: body === undefined },
    );
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
    stream.on("error", reject);
    if (body !== undefined) stream.end(body);
    return promise;
  };
  return [call, () => Promise.resolve(session.destroy())];
}

const makers: Readonly<Record<string, () => [() => Promise<unknown>, () => Promise<void>]>> = {
  "ours, HTTP/2": () => ours("http2"),
  "ours, HTTP/1.1": () => ours("http1"),
  "undici, HTTP/2": () => undici(true),
  "undici, HTTP/1.1": () => undici(false),
  "bare node:http2": bare,
};
const [call, close] = makers[client]?.() ?? [];
if (call === undefined || close === undefined) throw new Error(`no client ${client}`);

async function batch(count: number): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await call?.();
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

await batch(3000);
const begun = process.cpuUsage();
await batch(Number(calls));
const { user, system } = process.cpuUsage(begun);
console.log(JSON.stringify({ micros: (user + system) / Number(calls), rss: process.memoryUsage().rss }));
await close();
