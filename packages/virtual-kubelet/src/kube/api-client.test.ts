// The client's promises, seen by a caller and by a server that misbehaves.
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Http2ServerResponse } from "node:http2";
import { constants } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Clock } from "../clock.ts";
import { createMetrics } from "../metrics.ts";
import { answer, eventually, type FaultHandler, type FaultServer, startFaultServer } from "../testing/fault-server.ts";
import type { KubeClient } from "./client.ts";
import type { UserConfig } from "./cluster-config.ts";
import { type ConnectOptions, createKubeClient } from "./connect.ts";
import { type KubeObject, nodes, pods, serviceAccounts, tokenReviews } from "./resource.ts";

/** So many times as fast as it should be. */
const fastClock = (factor: number): Clock => ({
  now: () => Date.now() * factor,
  schedule(delayMs, callback) {
    const timer = setTimeout(callback, delayMs / factor);
    return () => clearTimeout(timer);
  },
});

interface Bench extends AsyncDisposable {
  readonly server: FaultServer;
  readonly client: KubeClient;
}

async function bench(handler: FaultHandler, user: UserConfig = {}, options: ConnectOptions = {}): Promise<Bench> {
  const server = await startFaultServer(handler);
  const client = createKubeClient(
    { server: server.url, certificateAuthority: { data: server.authority.certificate }, namespace: "default", user },
    // The 30 s of a call are 6 s: a busy machine needs some of them.
    { clock: fastClock(5), ...options },
  );
  return {
    server,
    client,
    async [Symbol.asyncDispose]() {
      await client.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

const meta = { name: "a", namespace: "ns", uid: "u", resourceVersion: "5" };
const pod = { apiVersion: "v1", kind: "Pod", metadata: meta };
const ref = { namespace: "ns", name: "a" };

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

function fail(response: Http2ServerResponse, code: number, reason: string, headers: Record<string, string> = {}): void {
  answer(response, code, { kind: "Status", status: "Failure", code, reason, message: `it is ${reason}` }, headers);
}

test("each verb's request", async () => {
  const seen: unknown[] = [];
  await using b = await bench((request, response, body) => {
    seen.push([
      `${request.method} ${request.url}`,
      request.headers["content-type"] ?? "",
      request.headers.accept,
      body === "" ? undefined : JSON.parse(body),
    ]);
    answer(response, 200, { ...pod, status: { token: "t" } });
  });
  const { client } = b;
  const partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
  const json = "application/json";
  const manager = "fieldManager=virtual-kubelet";
  const pod1 = "/api/v1/namespaces/ns/pods/a";

  assert.equal((await client.get(pods, ref)).metadata.uid, "u");
  await client.create(pods, { metadata: { namespace: "ns", name: "a" } });
  await client.replace(pods, pod, { subresource: "status", fieldManager: "me" });
  assert.deepEqual(await client.replaceMeta(pods, pod), { uid: "u", resourceVersion: "5" });
  await client.patch(nodes, { name: "n" }, "merge", { a: 1 });
  const patched = await client.patchMeta(pods, ref, "strategic", { b: 2 }, { subresource: "status", force: true });
  assert.deepEqual(patched, { uid: "u", resourceVersion: "5" });
  await client.patch(pods, ref, "apply", {}, { force: true, fieldManager: "me" });
  await client.delete(pods, ref, { gracePeriodSeconds: 0, uid: "u" });
  await client.delete(pods, ref);
  const token = await client.createSubresource<KubeObject & { status?: { token?: string } }>(
    serviceAccounts,
    ref,
    "token",
    {
      c: 3,
    },
  );
  assert.equal(token.status?.token, "t");
  const deletion = { kind: "DeleteOptions", apiVersion: "v1" };
  assert.deepEqual(seen, [
    [`GET ${pod1}`, "", json, undefined],
    [`POST /api/v1/namespaces/ns/pods?${manager}`, json, json, { metadata: { namespace: "ns", name: "a" } }],
    [`PUT ${pod1}/status?fieldManager=me`, json, json, pod],
    [`PUT ${pod1}?${manager}`, json, partial, pod],
    [`PATCH /api/v1/nodes/n?${manager}`, "application/merge-patch+json", json, { a: 1 }],
    [`PATCH ${pod1}/status?${manager}`, "application/strategic-merge-patch+json", partial, { b: 2 }],
    [`PATCH ${pod1}?fieldManager=me&force=true`, "application/apply-patch+yaml", json, {}],
    [`DELETE ${pod1}`, json, partial, { ...deletion, gracePeriodSeconds: 0, preconditions: { uid: "u" } }],
    [`DELETE ${pod1}`, json, partial, deletion],
    [`POST /api/v1/namespaces/ns/serviceaccounts/a/token?${manager}`, json, json, { c: 3 }],
  ]);
  await assert.rejects(client.get(pods, { name: "a" }), { kind: "Internal", message: /needs a namespace/ });
});

test("a review is answered although it is never stored", async () => {
  await using b = await bench((_, response) =>
    answer(response, 201, { metadata: {}, status: { authenticated: true } }),
  );
  const review = await b.client.review(tokenReviews, { spec: { token: "x" } });
  assert.equal(review.status?.authenticated, true);
});

test("what is no stored object is refused", async () => {
  await using b = await bench((_, response) => answer(response, 200, { metadata: { name: "a" } }));
  await assert.rejects(b.client.get(pods, ref), { kind: "Unavailable", message: /without name, uid/ });
  await assert.rejects(b.client.patchMeta(pods, ref, "merge", {}), { kind: "Unavailable" });
  await assert.rejects(b.client.list(pods), { kind: "Unavailable", message: /no list/ });
});

test("lists are read page by page", async () => {
  await using b = await bench((request, response) => {
    const url = new URL(request.url, "https://x");
    const from = Number(url.searchParams.get("continue") ?? 0);
    const items = [0, 1].map((i) => ({ metadata: { name: `p${from + i}`, uid: `${from + i}`, resourceVersion: "1" } }));
    answer(response, 200, { metadata: { resourceVersion: "9", continue: from < 4 ? String(from + 2) : "" }, items });
  });
  const list = await b.client.list(pods, { labelSelector: "a=b", resourceVersion: "3", limit: 2 });
  assert.deepEqual(
    list.items.map((item) => `${item.kind} ${item.metadata.name}`),
    ["Pod p0", "Pod p1", "Pod p2", "Pod p3", "Pod p4", "Pod p5"],
  );
  assert.equal(list.resourceVersion, "9");
  assert.deepEqual(b.server.requests, [
    "GET /api/v1/pods?labelSelector=a%3Db&limit=2&resourceVersion=3",
    "GET /api/v1/pods?labelSelector=a%3Db&limit=2&continue=2",
    "GET /api/v1/pods?labelSelector=a%3Db&limit=2&continue=4",
  ]);
});

test("the time of a list is for all of its pages", async () => {
  await using b = await bench((_, response) => {
    setTimeout(() => answer(response, 200, { metadata: { resourceVersion: "1", continue: "more" }, items: [] }), 20);
  });
  // 100 ms of the real clock.
  await assert.rejects(b.client.list(pods, { timeoutMs: 500 }), { kind: "Unavailable", message: /no answer within/ });
});

test("a list whose pages expired is read at once", async () => {
  await using b = await bench((request, response) => {
    const item = { metadata: { name: "p", uid: "u", resourceVersion: "1" } };
    if (request.url.includes("continue")) fail(response, 410, "Expired");
    else if (request.url.includes("limit"))
      answer(response, 200, { metadata: { resourceVersion: "1", continue: "c" }, items: [item, item] });
    else answer(response, 200, { metadata: { resourceVersion: "2" }, items: [item] });
  });
  const list = await b.client.list(pods);
  assert.equal(list.items.length, 1);
  assert.equal(list.resourceVersion, "2");
  assert.equal(b.server.requests.length, 3);
});

test("429 and 503 with Retry-After are waited out, for writes too", async () => {
  let calls = 0;
  const times: number[] = [];
  await using b = await bench((_, response) => {
    times.push(Date.now());
    calls++;
    if (calls === 1) fail(response, 429, "TooManyRequests", { "retry-after": "1" });
    else if (calls === 2) fail(response, 503, "ServiceUnavailable", { "retry-after": "2" });
    else answer(response, 200, pod);
  });
  assert.deepEqual(await b.client.patchMeta(pods, ref, "merge", {}), { uid: "u", resourceVersion: "5" });
  const [first = 0, second = 0, third = 0] = times;
  assert.ok(second - first >= 48 && third - second >= 98, `${second - first} and ${third - second} ms of a fast clock`);
});

test("overload that outlasts the call is told with its waiting time", async () => {
  await using b = await bench((request, response) => {
    fail(response, request.method === "GET" ? 503 : 429, "Busy", { "retry-after": "100" });
  });
  await assert.rejects(b.client.get(pods, ref), { kind: "Unavailable", retryAfterMs: 100_000, httpStatus: 503 });
  await assert.rejects(b.client.delete(pods, ref), { kind: "Throttled", retryAfterMs: 100_000, httpStatus: 429 });
  assert.equal(b.server.requests.length, 2);
});

test("429 without Retry-After, as a disruption budget answers, is the caller's", async () => {
  await using b = await bench((_, response) => fail(response, 429, "TooManyRequests"));
  await assert.rejects(b.client.createSubresource(pods, ref, "eviction", {}), {
    kind: "Throttled",
    retryAfterMs: undefined,
  });
  assert.equal(b.server.requests.length, 1);
});

test("broken connections: reads are tried again, writes are not, refused ones are", async (t) => {
  let broken = 0;
  await using b = await bench((request, response) => {
    const { stream } = request;
    if (broken-- > 0) {
      if (request.url.includes("refused")) stream.close(constants.NGHTTP2_REFUSED_STREAM);
      else stream.session?.destroy();
    } else answer(response, 200, pod);
  });
  const { client, server } = b;
  await t.test("a read", async () => {
    broken = 2;
    assert.equal((await client.get(pods, ref)).metadata.name, "a");
  });
  await t.test("a read, too often", async () => {
    broken = 100;
    await assert.rejects(client.get(pods, ref), { kind: "Unavailable" });
    broken = 0;
  });
  await t.test("a write", async () => {
    for (const write of [
      () => client.patchMeta(pods, ref, "merge", {}),
      () => client.create(pods, pod),
      () => client.replace(pods, pod),
      () => client.delete(pods, ref),
    ]) {
      broken = 1;
      const before = server.requests.length;
      await assert.rejects(write(), { kind: "Unavailable" });
      assert.equal(server.requests.length, before + 1);
    }
  });
  await t.test("a refused write", async () => {
    broken = 5;
    await client.patchMeta(pods, { namespace: "ns", name: "refused" }, "merge", {});
    assert.equal(broken, -1);
  });
});

test("the time of a call is limited, and ends with the caller's signal; no listener stays", async () => {
  await using b = await bench(() => {});
  const controller = new AbortController();
  const { signal } = controller;
  await assert.rejects(b.client.get(pods, ref, { timeoutMs: 500, signal }), {
    kind: "Unavailable",
    message: "get pods ns/a: no answer within 0.5 s",
  });
  assert.equal(getEventListeners(signal, "abort").length, 0);
  const waiting = b.client.patchMeta(pods, ref, "merge", {}, { signal });
  await eventually(() => b.server.requests.some((line) => line.startsWith("PATCH")), "the second request arrives");
  controller.abort();
  await assert.rejects(waiting, { kind: "Aborted" });
  assert.equal(getEventListeners(signal, "abort").length, 0);
  await assert.rejects(b.client.get(pods, ref, { signal }), { kind: "Aborted" });
});

test("closing ends calls and watches under way", async () => {
  await using b = await bench((request, response) => {
    if (request.url.includes("watch")) response.writeHead(200).write("\n");
  });
  const call = assert.rejects(b.client.get(pods, ref), { kind: "Aborted", message: "the client was closed" });
  const watch = assert.rejects(all(b.client.watch(pods)), { kind: "Aborted" });
  await eventually(() => b.server.requests.length === 2, "both arrive");
  await b.client.close();
  await Promise.all([call, watch]);
  await assert.rejects(b.client.get(pods, ref), { kind: "Aborted" });
});

test("watch", async (t) => {
  let script: (response: Http2ServerResponse) => void = () => {};
  let closed = 0;
  await using b = await bench((_, response) => {
    response.stream.once("close", () => closed++);
    script(response);
  });
  const { client, server } = b;
  const text = `${JSON.stringify({ type: "ADDED", object: { metadata: { ...meta, name: "ä€😀" } } })}\n`;
  const write = (response: Http2ServerResponse, bytes: Buffer | string): void => {
    if (!response.headersSent) response.writeHead(200);
    response.write(bytes);
  };

  await t.test("asks for what it should", async () => {
    script = (response) => response.end();
    await all(client.watch(pods, { sendInitialEvents: true, fieldSelector: "spec.nodeName=n", timeoutSeconds: 300 }));
    await all(client.watch(pods, { namespace: "ns", resourceVersion: "7" }));
    assert.deepEqual(server.requests.slice(-2), [
      "GET /api/v1/pods?watch=true&allowWatchBookmarks=true&fieldSelector=spec.nodeName%3Dn&timeoutSeconds=300&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
      "GET /api/v1/namespaces/ns/pods?watch=true&allowWatchBookmarks=true&resourceVersion=7",
    ]);
  });

  await t.test("characters cut by a chunk stay whole", async () => {
    script = (response) => {
      const bytes = Buffer.from(text);
      void (async () => {
        for (const byte of bytes) {
          write(response, Buffer.from([byte]));
          await new Promise((resolve) => setImmediate(resolve));
        }
        response.end();
      })();
    };
    const [event] = await all(client.watch(pods));
    assert.ok(event !== undefined && event.type === "ADDED");
    assert.equal(event.object.metadata.name, "ä€😀");
  });

  await t.test("a connection cut within a line gives the whole events, then Unavailable", async () => {
    script = (response) => {
      write(response, text + text.slice(0, 30));
      setTimeout(() => response.stream.session?.destroy(), 20);
    };
    const found: unknown[] = [];
    const reading = (async () => {
      for await (const event of client.watch(pods)) found.push(event);
    })();
    await assert.rejects(reading, { kind: "Unavailable" });
    assert.equal(found.length, 1);
  });

  await t.test("an answer ended within a line is Unavailable", async () => {
    script = (response) => {
      write(response, text.slice(0, -1));
      response.end();
    };
    await assert.rejects(all(client.watch(pods)), {
      kind: "Unavailable",
      message: /ended within an event/,
    });
  });

  await t.test("410 as status or event is Expired", async () => {
    script = (response) => fail(response, 410, "Expired");
    await assert.rejects(all(client.watch(pods)), {
      kind: "Expired",
      message: "watch pods: it is Expired",
    });
    script = (response) => {
      write(response, `${JSON.stringify({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Gone" } })}\n`);
    };
    await assert.rejects(all(client.watch(pods)), { kind: "Expired", reason: "Gone" });
  });

  await t.test("leaving the loop closes the stream", async () => {
    script = (response) => write(response, text);
    const controller = new AbortController();
    const before = closed;
    for await (const _ of client.watch(pods, { signal: controller.signal })) break;
    await eventually(() => closed === before + 1, "the server sees it closed");
    assert.equal(getEventListeners(controller.signal, "abort").length, 0);
  });

  await t.test("a signal ends it with Aborted", async () => {
    script = (response) => write(response, text);
    const controller = new AbortController();
    const before = closed;
    const reading = (async () => {
      for await (const _ of client.watch(pods, { signal: controller.signal })) controller.abort();
    })();
    await assert.rejects(reading, { kind: "Aborted" });
    await eventually(() => closed === before + 1, "the server sees it closed");
  });

  await t.test("it outlives the time limit of its beginning", async () => {
    const slowly: FaultHandler = (_, response) => {
      write(response, text);
      setTimeout(() => response.end(text), 1700);
    };
    // 30 s of the fast clock are 1.5 s.
    await using own = await bench(slowly, {}, { clock: fastClock(20) });
    assert.equal((await all(own.client.watch(pods))).length, 2);
  });
});

test("a new token is read from its file, at the latest when the server refuses the old one", async () => {
  const directory = await mkdtemp(join(tmpdir(), "kubeclient-"));
  const file = join(directory, "token");
  await writeFile(file, "first\n");
  let valid = "first";
  await using b = await bench(
    (request, response) => {
      if (request.headers.authorization === `Bearer ${valid}`) answer(response, 200, pod);
      else fail(response, 401, "Unauthorized");
    },
    { tokenFile: file },
  );
  await b.client.get(pods, ref);
  valid = "second";
  await assert.rejects(b.client.get(pods, ref), { kind: "Unauthorized", httpStatus: 401 });
  await writeFile(file, "second\n");
  const before = b.server.requests.length;
  await Promise.all(Array.from({ length: 8 }, () => b.client.patchMeta(pods, ref, "merge", {})));
  assert.ok(b.server.requests.length - before <= 16, "at most one refusal each");
  await rm(directory, { recursive: true });
});

test("requests are counted by verb, resource and code", async () => {
  const metrics = createMetrics();
  await using b = await bench(
    (request, response) => {
      if (request.url.includes("gone")) request.stream.session?.destroy();
      else if (request.method === "PATCH") answer(response, 200, pod);
      else fail(response, 404, "NotFound");
    },
    {},
    { metrics },
  );
  await b.client.patchMeta(pods, ref, "merge", {}, { subresource: "status" });
  await assert.rejects(b.client.get(pods, ref), { kind: "NotFound" });
  await assert.rejects(b.client.delete(pods, { namespace: "ns", name: "gone" }), { kind: "Unavailable" });
  const { values } = await metrics.apiRequests.get();
  assert.deepEqual(
    values.map(({ labels, value }) => `${labels.verb} ${labels.resource} ${labels.code} ${value}`),
    ["patch pods/status 200 1", "get pods 404 1", "delete pods error 1"],
  );
});

test("the server's address holds no path, its paths are prefixed", async () => {
  await using server = await startFaultServer((_, response) => answer(response, 200, { major: "1" }));
  const client = createKubeClient({
    server: `${server.url}/k8s/clusters/c-1/`,
    certificateAuthority: { data: server.authority.certificate },
    namespace: "default",
    user: { username: "joe", password: "s3cret" },
  });
  assert.equal(client.server, server.url);
  assert.deepEqual(await client.getRaw("/version"), { major: "1" });
  assert.deepEqual(server.requests, ["GET /k8s/clusters/c-1/version"]);
  await client.close();
});

test("a server without HTTP/2 is spoken to in HTTP/1.1", async () => {
  await using server = await startFaultServer(
    (request, response) => answer(response, 200, request.url.includes("watch") ? {} : pod),
    { http2: false },
  );
  const config = {
    server: server.url,
    certificateAuthority: { data: server.authority.certificate },
    namespace: "default",
    user: {},
  };
  const client = createKubeClient(config);
  assert.equal((await client.get(pods, ref)).metadata.uid, "u");
  assert.deepEqual(await client.patchMeta(pods, ref, "merge", {}), { uid: "u", resourceVersion: "5" });
  await assert.rejects(all(client.watch(pods)), { kind: "Unavailable" });
  assert.ok(server.connections.length > 0 && !server.connections.includes("h2"), server.connections.join());
  await client.close();
});
