import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import { type TestContext, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { ContainerStatus, Pod } from "../kube/types.gen.ts";
import { type LogFields, type Logger, silentLogger } from "../log.ts";
import type { ContainerLogOptions, ContainerTarget } from "../provider/streams.ts";
import type { Provider } from "../provider.ts";
import { containerLogs } from "./container-logs.ts";
import type { KubeletResponse } from "./kubelet-call.ts";

type GetContainerLogs = NonNullable<Provider["getContainerLogs"]>;

const running: ContainerStatus = {
  name: "main",
  image: "",
  imageID: "",
  ready: true,
  restartCount: 0,
  containerID: "test://1",
  state: { running: {} },
};

function podWith(status: ContainerStatus): Stored<Pod> {
  return {
    metadata: { namespace: "default", name: "web", uid: "u1", resourceVersion: "1" },
    spec: { containers: [{ name: "main", image: "" }] },
    status: { containerStatuses: [status] },
  };
}

/** A server that answers every request as the kubelet API does for a container's log. */
async function serve(t: TestContext, getContainerLogs: GetContainerLogs | undefined, version: 1 | 2 = 1) {
  const unused = async (): Promise<never> => assert.fail("not for logs");
  const bench = {
    pod: podWith(running) as Stored<Pod> | undefined,
    asked: [] as ContainerLogOptions[],
    targets: [] as ContainerTarget[],
    errors: [] as LogFields[],
    failed: [] as unknown[],
    calls: 0,
    ended: 0,
    /** Ends the call as a server does that stops. */
    stop: (): void => {},
    url: "",
    port: 0,
  };
  const log: Logger = { ...silentLogger, error: (fields) => bench.errors.push(fields) };
  const provider: Provider = {
    createPod: unused,
    deletePod: unused,
    getPodStatus: unused,
    getPods: unused,
    ...(getContainerLogs === undefined
      ? {}
      : {
          getContainerLogs(target, options, context) {
            bench.asked.push(options);
            bench.targets.push(target);
            return getContainerLogs(target, options, context);
          },
        }),
  };
  const handler = containerLogs({ intervalMs: 20 });
  const answer = (path: string, method: string, response: KubeletResponse): void => {
    const url = new URL(path, "http://node");
    const [, , namespace = "", pod = "", container = ""] = url.pathname.split("/");
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    bench.stop = () => gone.abort();
    bench.calls++;
    handler({
      node: {
        name: "node",
        provider,
        pods: () => [],
        find: (ofNamespace, name) => (ofNamespace === "default" && name === "web" ? bench.pod : undefined),
        ownerOf: ({ metadata }) => ({
          cluster: "c",
          node: "node",
          namespace: metadata.namespace ?? "",
          name: metadata.name,
          uid: metadata.uid,
        }),
      },
      method,
      path: url.pathname,
      query: url.searchParams,
      params: { namespace, pod, container },
      headers: {},
      response,
      user: { username: "test", groups: [] },
      remoteAddress: "127.0.0.1:1",
      protocol: "HTTP/1.1",
      signal: gone.signal,
      log,
    })
      .catch((error: unknown) => {
        bench.failed.push(error);
        if (!response.headersSent) response.writeHead(500);
        response.end();
      })
      .finally(() => bench.ended++);
  };
  const server =
    version === 1
      ? http.createServer((request, response) => answer(request.url ?? "", request.method ?? "", response))
      : http2.createServer((request, response: unknown) => {
          assert.ok(isKubeletResponse(response));
          answer(request.url, request.method, response);
        });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  bench.port = address.port;
  bench.url = `http://127.0.0.1:${address.port}/containerLogs/default/web/main`;
  t.after(() => {
    if (server instanceof http.Server) server.closeAllConnections();
    server.close();
  });
  return bench;
}

/** The types of HTTP/2's response lack a method that it has. */
function isKubeletResponse(response: unknown): response is KubeletResponse {
  return response instanceof http2.Http2ServerResponse && "flushHeaders" in response;
}

async function* lines(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

test("a log comes as text, in chunks, and what is wanted of it is told to the provider", async (t) => {
  const bench = await serve(t, async () => ({ format: "plain", data: lines("one\n", "two\n", "three\n") }));
  const response = await fetch(`${bench.url}?tailLines=2&sinceTime=2026-01-01T00:00:00%2B02:00&limitBytes=7`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("content-type"), "text/plain");
  assert.equal(response.headers.get("transfer-encoding"), "chunked");
  assert.equal(await response.text(), "two\nthr");
  assert.deepEqual(bench.asked, [
    {
      follow: false,
      previous: false,
      sinceTime: "2025-12-31T22:00:00.000000000Z",
      tailLines: 2,
      stream: undefined,
      timestamps: true,
      containerID: "test://1",
    },
  ]);
  assert.equal(bench.targets[0]?.container, "main");
  assert.equal(bench.targets[0]?.owner.uid, "u1");
});

test("refusals come before anything is read, in a kubelet's order and words", async (t) => {
  const bench = await serve(t, async () => ({ format: "plain", data: lines("a log\n") }));
  const answer = async (path: string): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${bench.port}/containerLogs/${path}`);
    return `${response.status} ${response.headers.get("content-type")?.split(";")[0]} ${await response.text()}`;
  };
  assert.equal(await answer("default/none/main?tailLines=x"), '400 text/plain {"message": "Unable to decode query."}');
  assert.equal(await answer("default/none/main?limitBytes=0"), '422 text/plain {"message": "Invalid request."}');
  assert.equal(await answer("default/none/main"), '404 text/plain pod "none" does not exist');
  assert.equal(await answer("other/web/main"), '404 text/plain pod "web" does not exist');
  assert.equal(await answer("default/web/none"), '404 text/plain container "none" not found in pod "web"');
  assert.equal(
    await answer("default/web/main?previous=true"),
    '400 text/plain previous terminated container "main" in pod "web" not found',
  );
  bench.pod = podWith({ ...running, state: { waiting: { reason: "ContainerCreating" } } });
  assert.equal(
    await answer("default/web/main?follow=true"),
    '400 text/plain container "main" in pod "web" is waiting to start: ContainerCreating',
  );
  assert.deepEqual(bench.asked, []);
});

test("a provider without logs is told of by 501, after what is missing", async (t) => {
  const bench = await serve(t, undefined);
  const response = await fetch(bench.url);
  assert.equal(response.status, 501);
  assert.equal((await fetch(bench.url.replace("web", "none"))).status, 404);
});

test("a log that the backend has not is said to be missing, however late it says so", async (t) => {
  const notFound = (): VirtualKubeletError => new VirtualKubeletError("NotFound", "no such stream");
  const bench = await serve(t, async () => {
    throw notFound();
  });
  const first = await fetch(bench.url);
  assert.equal(`${first.status} ${await first.text()}`, "400 unable to retrieve container logs for test://1");
  const late = await serve(t, async () => ({
    format: "plain",
    // biome-ignore lint/correctness/useYield: it fails before its first value
    data: (async function* (): AsyncGenerator<Uint8Array> {
      throw notFound();
    })(),
  }));
  assert.equal((await fetch(late.url)).status, 400);
});

test("between two runs the log is that of the one that ended last, whichever of the two the backend calls it", async (t) => {
  const bench = await serve(t, async (_, { previous }) => {
    if (!previous) throw new VirtualKubeletError("NotFound", "it does not run");
    return { format: "plain", data: lines("crashed\n") };
  });
  bench.pod = podWith({
    ...running,
    restartCount: 1,
    state: { waiting: { reason: "CrashLoopBackOff" } },
    lastState: { terminated: { exitCode: 1, containerID: "test://1" } },
  });
  assert.equal(await (await fetch(`${bench.url}?follow=true`)).text(), "crashed\n");
});

test("a followed log ends with the run that it began with, whatever the container has begun since", async (t) => {
  /** By run: what it wrote; the last line comes after its follower has ended. */
  const written = ["run one\n", "run two\n", "run three\n"];
  const last = "last words\n";
  for (const knowsRuns of [true, false]) {
    for (const restarts of [0, 1, 2]) {
      let isOver = false;
      const bench = await serve(t, async (_, { containerID, previous }) => {
        if (!isOver) {
          isOver = true;
          // Between the end of the run and this answer the container has begun its next one.
          const restarted = { restartCount: restarts, containerID: `test://${restarts + 1}` };
          const ended = { terminated: { exitCode: 1, containerID: "test://1" } };
          bench.pod = podWith(
            restarts === 0 ? { ...running, state: ended } : { ...running, ...restarted, lastState: ended },
          );
          return { format: "timestamped", data: lines(stamped(written[0])), applied: ["follow"] };
        }
        const present = restarts === 0 && knowsRuns ? 1 : restarts;
        const run = knowsRuns ? Number(containerID?.slice(-1)) - 1 : present - (previous ? 1 : 0);
        if (run < 0 || run < present - 1) throw new VirtualKubeletError("NotFound", "not kept");
        return { format: "timestamped", data: lines(stamped(`${written[run]}${run === 0 ? last : ""}`)) };
      });
      const text = await (await fetch(`${bench.url}?follow=true`)).text();
      assert.equal(text, restarts === 2 ? "run one\n" : `run one\n${last}`, `${knowsRuns} ${restarts}`);
    }
  }
});

const stamped = (text = ""): string => text.replaceAll(/^(?=.)/gm, `${new Date(Date.UTC(2026, 0, 1)).toISOString()} `);

test("an error before the first byte is left to the server, one after it breaks the response", async (t) => {
  const fail = (): never => {
    throw new VirtualKubeletError("Unavailable", "backend is away");
  };
  for (const version of [1, 2] as const) {
    const bench = await serve(
      t,
      async () => ({
        format: "plain",
        data: (async function* () {
          yield Buffer.from("begin\n");
          fail();
        })(),
      }),
      version,
    );
    for (const query of ["", "?follow=true"]) {
      const client = await open(bench, version, query);
      let got = "";
      await assert.rejects(async () => {
        for await (const chunk of client.body) got += Buffer.from(chunk).toString();
      });
      assert.equal(got, "begin\n");
      client.close();
    }
    assert.equal(bench.errors.length, 2);
    assert.deepEqual(bench.failed, []);
  }
  const early = await serve(t, fail);
  assert.equal((await fetch(early.url)).status, 500);
  assert.equal(early.failed.length, 1);
});

test("lines that come together are sent together", async (t) => {
  const texts = Array.from({ length: 2000 }, (_, index) => `line ${index}\n`);
  const bench = await serve(t, async () => ({ format: "plain", data: lines(...texts) }));
  const socket = net.connect(bench.port, "127.0.0.1");
  socket.write("GET /containerLogs/default/web/main HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
  let raw = "";
  for await (const chunk of socket) raw += String(chunk);
  const chunks = raw.match(/\r\n[0-9a-f]+\r\n/g) ?? [];
  assert.ok(chunks.length < 10, `${chunks.length} chunks`);
  assert.equal(raw.slice(raw.indexOf("\r\n\r\n")).replaceAll(/\r\n[0-9a-f]*/g, ""), texts.join(""));
});

test("followed, the head comes before the first byte, each line at once, and the end with the container's", async (t) => {
  const source = new PushSource();
  const bench = await serve(t, async () => ({ format: "plain", data: source.read(), applied: ["follow"] }));
  const response = await fetch(`${bench.url}?follow=true`);
  assert.equal(response.status, 200);
  const reader = response.body?.getReader();
  assert.ok(reader !== undefined);
  for (const line of ["one\n", "two\n"]) {
    source.push(line);
    assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), line);
  }
  bench.pod = podWith({ ...running, state: { terminated: { exitCode: 0 } } });
  source.push("last words\n");
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), "last words\n");
  assert.equal((await reader.read()).done, true);
  await source.returned;
});

test("a client that goes away stops the backend at once, though it says nothing", async (t) => {
  for (const version of [1, 2] as const) {
    const source = new PushSource();
    const signals: AbortSignal[] = [];
    const bench = await serve(
      t,
      async (_target, _options, { signal }) => {
        signals.push(signal);
        return { format: "cri", data: source.read(), applied: ["follow"] };
      },
      version,
    );
    const client = await open(bench, version, "?follow=true");
    client.close();
    await source.returned;
    assert.equal(signals[0]?.aborted, true);
    await until(() => bench.ended === 1, "the call to end");
    assert.deepEqual([bench.failed, bench.errors], [[], []]);
  }
});

test("a client that does not read holds the backend back, and gets everything when it does", async (t) => {
  const total = 64 * 1024 * 1024;
  for (const version of [1, 2] as const) {
    for (const format of ["plain", "timestamped"] as const) {
      let made = 0;
      const text = format === "plain" ? "" : "2026-01-01T00:00:00.000000000Z ";
      const chunk = Buffer.from(`${text}${"x".repeat(99)}\n`.repeat(500));
      const chunks = Math.floor(total / chunk.length);
      const bench = await serve(
        t,
        async () => ({
          format,
          data: (async function* () {
            for (let i = 0; i < chunks; i++) {
              made += chunk.length;
              yield chunk;
            }
          })(),
        }),
        version,
      );
      const client = await open(bench, version, "");
      await stands(() => made);
      assert.ok(made < total / 2, `${made} bytes were read though nobody took them`);
      let got = 0;
      for await (const piece of client.body) got += piece.length;
      assert.equal(got, chunks * 500 * 100);
      client.close();
    }
  }
});

test("a server that ends waits neither for a client that does not read nor for a backend that says nothing", async (t) => {
  for (const isBackend of [false, true]) {
    const source = new PushSource();
    if (!isBackend) for (let i = 0; i < 100; i++) source.push("x".repeat(1024 * 1024));
    const bench = await serve(t, async () => ({ format: "plain", data: source.read(), applied: ["follow"] }));
    const client = await open(bench, 1, "?follow=true");
    if (!isBackend) await stands(() => source.taken);
    bench.stop();
    await source.returned;
    await until(() => bench.ended === 1, "the call to end");
    client.close();
  }
});

interface Client {
  close(): void;
  readonly body: AsyncIterable<Uint8Array>;
}

/** Resolves when the head has come. */
async function open(
  bench: { readonly url: string; readonly port: number },
  version: 1 | 2,
  query: string,
): Promise<Client> {
  if (version === 1) {
    const request = http.get(`${bench.url}${query}`, { agent: false });
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      request.on("response", resolve);
      request.on("error", reject);
    });
    response.on("error", () => {});
    return { close: () => void response.destroy(), body: response };
  }
  const session = http2.connect(`http://127.0.0.1:${bench.port}`);
  const stream = session.request({ ":path": `${new URL(bench.url).pathname}${query}` });
  stream.on("error", () => {});
  await once(stream, "response");
  return { close: () => session.destroy(), body: stream };
}

/** A log that is written by the test. */
class PushSource {
  #waiting: string[] = [];
  #wake = (): void => {};
  readonly #returned = Promise.withResolvers<void>();
  /** Resolves when the reader has given it back. */
  readonly returned: Promise<void> = this.#returned.promise;

  /** How many pieces were asked for. */
  taken = 0;

  push(text: string): void {
    this.#waiting.push(text);
    this.#wake();
  }

  read(): AsyncIterable<Uint8Array> {
    const next = async (): Promise<IteratorResult<Uint8Array>> => {
      while (this.#waiting.length === 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      this.taken++;
      return { done: false, value: Buffer.from(this.#waiting.shift() ?? "") };
    };
    const done = async (): Promise<IteratorResult<Uint8Array>> => {
      this.#returned.resolve();
      return { done: true, value: undefined };
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: done }) };
  }
}

/** Waits until the backend is held back: its figure has begun to move and has not moved for a while, whatever that takes. */
async function stands(figure: () => number): Promise<void> {
  let seen = 0;
  await until(async () => {
    const isSame = seen > 0 && seen === figure();
    seen = figure();
    await new Promise((resolve) => setTimeout(resolve, 100));
    return isSame;
  }, "the backend to be held back");
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await condition())) {
    assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
