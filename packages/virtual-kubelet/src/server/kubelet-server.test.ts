import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { FakeNode, type KubeletFixture, runningPod, startKubelet } from "../testing/kubelet-fixture.ts";
import { sendText } from "./answers.ts";
import type { KubeletHandler } from "./kubelet-call.ts";

const named =
  (name: string): KubeletHandler =>
  async ({ response }) =>
    sendText(response, 200, name);

const handlers = {
  containerLogs: named("logs"),
  statsSummary: named("summary"),
  metrics: named("metrics"),
  resourceMetrics: named("resource"),
  cadvisorMetrics: named("cadvisor"),
  probeMetrics: named("probes"),
};

const everything = {
  runInContainer: async () => ({ exitCode: 0 }),
  attachToContainer: async () => {},
  portForward: async () => {},
};

/** Each route: what may be asked, and what the right caller gets. */
const routes: readonly [method: string, path: string, subresources: string, status: number, body: RegExp][] = [
  ["GET", "/healthz", "healthz proxy", 200, /^ok$/],
  [
    "GET",
    "/healthz?verbose",
    "healthz proxy",
    200,
    /^\[\+\]ping ok\n\[\+\]log ok\n\[\+\]syncloop ok\nhealthz check passed\n$/,
  ],
  ["GET", "/healthz/ping", "healthz proxy", 200, /^ok$/],
  ["GET", "/healthz/log", "healthz proxy", 200, /^ok$/],
  ["GET", "/healthz/syncloop", "healthz proxy", 200, /^ok$/],
  ["GET", "/healthz/other", "healthz proxy", 404, /^404 page not found\n$/],
  ["GET", "/metrics", "metrics", 200, /^metrics$/],
  ["GET", "/metrics/resource", "metrics", 200, /^resource$/],
  ["GET", "/metrics/cadvisor", "metrics", 200, /^cadvisor$/],
  ["GET", "/metrics/probes", "metrics", 200, /^probes$/],
  ["GET", "/pods", "pods proxy", 200, /"kind":"PodList","apiVersion":"v1"/],
  ["GET", "/pods/", "pods proxy", 200, /"kind":"PodList"/],
  ["POST", "/pods", "pods proxy", 405, /^405: Method Not Allowed$/],
  ["GET", "/runningpods/", "pods proxy", 200, /"kind":"PodList"/],
  ["GET", "/stats/summary", "stats", 200, /^summary$/],
  ["POST", "/stats/summary", "stats", 200, /^summary$/],
  ["GET", "/containerLogs/default/web/app", "proxy", 200, /^logs$/],
  ["GET", "/exec/default/web/app?output=1&command=sh", "proxy", 400, /^Upgrade request required$/],
  ["POST", "/exec/default/web/uid-web/app?output=1&command=sh", "proxy", 400, /^Upgrade request required$/],
  ["POST", "/attach/default/web/app?output=1", "proxy", 400, /^Upgrade request required$/],
  ["GET", "/attach/default/web/uid-web/app?output=1", "proxy", 400, /^Upgrade request required$/],
  ["POST", "/portForward/default/web", "proxy", 400, /^Upgrade request required$/],
  ["GET", "/portForward/default/web/uid-web", "proxy", 400, /^Upgrade request required$/],
  ["GET", "/portForward/default/web/uid-old", "proxy", 404, /^pod not found$/],
  ["GET", "/portForward/default/other", "proxy", 404, /^pod does not exist$/],
  ["GET", "/portforward/default/web", "proxy", 404, /^404 page not found\n$/],
  ["POST", "/run/default/web/app?cmd=true", "proxy", 200, /^$/],
  ["POST", "/run/default/web/uid-web/app?cmd=true", "proxy", 200, /^$/],
  ["POST", "/checkpoint/default/web/app", "checkpoint", 500, /^checkpointing of default\/web\/app failed/],
  ["POST", "/checkpoint/default/web/db", "checkpoint", 404, /^container db not found in pod web\n$/],
  ["POST", "/checkpoint/default/other/app", "checkpoint", 404, /^pod does not exist$/],
  ["GET", "/logs/", "log", 405, /^logs endpoint is disabled\.\n$/],
  ["GET", "/logs/syslog", "log", 405, /^logs endpoint is disabled\.\n$/],
  ["GET", "/metrics/slis", "metrics", 200, /^kubernetes_healthcheck\{name="syncloop",type="healthz"\} 1$/m],
  ["GET", "/configz", "configz proxy", 200, /^\{"kubeletconfig":\{"enableServer":true/],
  ["GET", "/statusz", "statusz", 200, /^kubelet statusz\n/],
  ["GET", "/flagz", "configz", 200, /^kubelet flagz\n/],
  ["GET", "/", "proxy", 404, /^404 page not found\n$/],
  ["GET", "/debug/pprof/", "proxy", 404, /^404 page not found\n$/],
  ["DELETE", "/nowhere", "proxy", 404, /^404 page not found\n$/],
];
const verbs: Readonly<Record<string, string>> = { GET: "get", POST: "create", DELETE: "delete" };

test("every route: 401 without credentials, 403 for who may not, its answer for who may", async (t) => {
  await using kubelet = await startKubelet([new FakeNode("node-a", everything)], { handlers });
  for (const [method, path, subresources, status, body] of routes)
    await t.test(`${method} ${path}`, async () => {
      for (const user of [undefined, "nobody"]) {
        const unknown = await kubelet.get(path, user, { method });
        assert.deepEqual([unknown.status, unknown.body], [401, "Unauthorized"]);
      }
      const denied = await kubelet.get(path, "eve", { method });
      const text = `Forbidden (user=eve, verb=${verbs[method]}, resource=nodes, subresource(s)=[${subresources}])\n`;
      assert.deepEqual([denied.status, denied.body], [403, text]);
      const answer = await kubelet.get(path, "admin", { method });
      assert.equal(answer.status, status);
      assert.match(answer.body, body);
      assert.equal(answer.headers["x-content-type-options"], "nosniff");
      assert.deepEqual(kubelet.authorizer.asked.at(-1)?.node, "node-a");
    });
});

test("a path that could be read in two ways is refused, but only to who is known", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  for (const path of ["/stats/..%2fexec/x", "/pods/../exec/x", "//pods", "/%70ods"]) {
    assert.equal((await kubelet.get(path, "admin")).status, 400);
    assert.equal((await kubelet.get(path)).status, 401);
  }
});

test("methods: Allow names what there is; HEAD is asked for without a verb", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  assert.equal((await kubelet.get("/pods", "admin", { method: "DELETE" })).headers.allow, "GET");
  assert.equal((await kubelet.get("/pods", "admin", { method: "HEAD" })).status, 405);
  assert.equal(kubelet.authorizer.asked.at(-1)?.verb, "");
});

test("authenticators and authorisers that fail: 401, 500", async () => {
  const fail = async (): Promise<never> => {
    throw new Error("no API server");
  };
  await using first = await startKubelet([new FakeNode("node-a")], { authenticator: { authenticate: fail } });
  assert.equal((await first.get("/pods", "admin")).status, 401);
  await using second = await startKubelet([new FakeNode("node-a")], { authorizer: { authorize: fail } });
  const answer = await second.get("/pods", "admin");
  assert.equal(answer.status, 500);
  assert.equal(
    answer.body,
    "Authorization error (user=admin, verb=get, resource=nodes, subresource(s)=[pods proxy])\n",
  );
});

test("/pods: as in a list, with where it is from; /runningpods: names, images and uids alone", async () => {
  const secret = runningPod("web", {
    kind: "Pod",
    spec: { containers: [{ name: "app", image: "app:1", env: [{ name: "PASSWORD", value: "hunter2" }] }] },
  });
  await using kubelet = await startKubelet([new FakeNode("node-a", {}, [secret])]);
  const { items } = JSON.parse((await kubelet.get("/pods", "admin")).body);
  assert.equal(items[0].kind, undefined);
  assert.equal(items[0].status.phase, "Running");
  assert.deepEqual(items[0].metadata.annotations, {
    "kubernetes.io/config.seen": "2026-01-01T00:00:00Z",
    "kubernetes.io/config.source": "api",
  });
  const running = JSON.parse((await kubelet.get("/runningpods/", "admin")).body);
  assert.deepEqual(running.items, [
    {
      metadata: { name: "web", namespace: "default", uid: "uid-web" },
      spec: { containers: [{ name: "app", image: "app:1", resources: {} }] },
      status: {},
    },
  ]);
});

test("a list of nothing is an empty one", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a", {}, [])]);
  for (const path of ["/pods", "/runningpods/"])
    assert.deepEqual(JSON.parse((await kubelet.get(path, "admin")).body).items, []);
});

test("healthz: what is wrong is withheld, but by its own check", async () => {
  let problem: string | undefined = "pods are not synced";
  await using kubelet = await startKubelet([new FakeNode("node-a")], { problem: () => problem });
  const all = await kubelet.get("/healthz", "admin");
  const body = "[+]ping ok\n[+]log ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n";
  assert.deepEqual([all.status, all.body], [500, body]);
  const { body: slis } = await kubelet.get("/metrics/slis", "admin");
  for (const line of [
    'kubernetes_healthcheck{name="ping",type="healthz"} 1',
    'kubernetes_healthcheck{name="syncloop",type="healthz"} 0',
    'kubernetes_healthchecks_total{name="ping",status="success",type="healthz"} 1',
    'kubernetes_healthchecks_total{name="syncloop",status="error",type="healthz"} 1',
  ])
    assert.ok(slis.includes(`${line}\n`), slis);
  const single = await kubelet.get("/healthz/syncloop", "admin");
  assert.deepEqual([single.status, single.body], [500, "internal server error: pods are not synced\n"]);
  assert.equal((await kubelet.get("/healthz?exclude=syncloop", "admin")).body, "ok");
  problem = undefined;
  assert.equal((await kubelet.get("/healthz", "admin")).body, "ok");
});

test("statusz and flagz: text, or JSON and YAML when version, group and kind are asked for", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")], {
    version: "1.2.3",
    flags: { "log-level": "info" },
  });
  const ask = (path: string, Accept: string): ReturnType<KubeletFixture["get"]> =>
    kubelet.get(path, "admin", { headers: { Accept } });
  const status = await ask("/statusz", "application/json;v=v1beta1;g=config.k8s.io;as=Statusz");
  assert.equal(status.headers["content-type"], "application/json;v=v1beta1;g=config.k8s.io;as=Statusz");
  const object = JSON.parse(status.body);
  assert.partialDeepStrictEqual(object, {
    kind: "Statusz",
    apiVersion: "config.k8s.io/v1beta1",
    metadata: { name: "kubelet" },
    binaryVersion: "1.2.3",
  });
  assert(object.paths.includes("/pods"));
  const flags = await ask("/flagz", "application/yaml;v=v1beta1;g=config.k8s.io;as=Flagz, */*");
  assert.match(flags.body, /^kind: Flagz\n[\s\S]*log-level: info\n/);
  assert.match((await ask("/flagz", "text/plain")).body, /\nlog-level=info\n/);
  assert.equal((await ask("/flagz", "application/json")).status, 406);
});

test("what a handler throws is answered by its kind", async () => {
  const { VirtualKubeletError } = await import("../errors.ts");
  let error: Error = new Error("a fault");
  const containerLogs: KubeletHandler = () => Promise.reject(error);
  await using kubelet = await startKubelet([new FakeNode("node-a")], { handlers: { containerLogs } });
  const ask = (): ReturnType<KubeletFixture["get"]> => kubelet.get("/containerLogs/default/web/app", "admin");
  const expected = [
    ["NotFound", 404],
    ["Invalid", 400],
    ["Unsupported", 501],
    ["Unavailable", 503],
    ["Throttled", 503],
    ["Forbidden", 500],
    ["Internal", 500],
  ] as const;
  for (const [kind, status] of expected) {
    error = new VirtualKubeletError(kind, "because", { retryAfterMs: 1500 });
    const answer = await ask();
    assert.deepEqual([answer.status, answer.body, answer.headers["retry-after"]], [status, "because\n", "2"]);
  }
});

test("an answer that fails half way does not look whole", async () => {
  const containerLogs: KubeletHandler = async ({ response }) => {
    response.writeHead(200);
    response.write("half");
    throw new Error("the backend is gone");
  };
  await using kubelet = await startKubelet([new FakeNode("node-a")], { handlers: { containerLogs } });
  await assert.rejects(kubelet.get("/containerLogs/default/web/app", "admin"), /aborted|ECONNRESET|hang up/);
  const session = kubelet.http2();
  const stream = session.request({ ":path": "/containerLogs/default/web/app", authorization: "Bearer admin" });
  stream.resume();
  await assert.rejects(once(stream, "end"), /NGHTTP2_INTERNAL_ERROR/);
  session.destroy();
});

test("HTTP/2: the same routes, many at a time on one connection", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  const session = kubelet.http2();
  const ask = async (path: string, user: string): Promise<string> => {
    const stream = session.request({ ":path": path, authorization: `Bearer ${user}` });
    const { promise, resolve } = Promise.withResolvers<unknown>();
    stream.on("response", (headers) => resolve(headers[":status"]));
    let body = "";
    for await (const chunk of stream) body += String(chunk);
    return `${await promise} ${body}`;
  };
  const answers = await Promise.all([
    ask("/healthz", "admin"),
    ask("/healthz", "nobody"),
    ask("/nowhere", "admin"),
    ask("/exec/default/web/app?output=1", "eve"),
    ask("/portForward/default/web", "admin"),
  ]);
  assert.deepEqual(answers.slice(0, 3), ["200 ok", "401 Unauthorized", "404 404 page not found\n"]);
  assert.match(answers[3] ?? "", /^403 Forbidden/);
  assert.match(answers[4] ?? "", /^503 the pod has no IP/);
  session.close();
});

test("a client that goes away ends the handler's work, over either HTTP version", async () => {
  const ended: string[] = [];
  const began = { h1: Promise.withResolvers<void>(), h2: Promise.withResolvers<void>() };
  const both = Promise.withResolvers<void>();
  const containerLogs: KubeletHandler = async ({ response, signal, protocol }) => {
    response.flushHeaders();
    signal.addEventListener("abort", () => {
      ended.push(protocol);
      if (ended.length === 2) both.resolve();
    });
    began[protocol === "HTTP/2" ? "h2" : "h1"].resolve();
    await both.promise;
  };
  await using kubelet = await startKubelet([new FakeNode("node-a")], { handlers: { containerLogs } });
  const path = "/containerLogs/default/web/app";
  const session = kubelet.http2();
  session.request({ ":path": path, authorization: "Bearer admin" }).on("error", () => undefined);
  const socket = await kubelet.tls();
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer admin\r\n\r\n`);
  await Promise.all([began.h1.promise, began.h2.promise]);
  session.destroy();
  socket.destroy();
  await both.promise;
  assert.deepEqual(ended.toSorted(), ["HTTP/1.1", "HTTP/2"]);
});

test("metrics: by method, route and code, and nothing that callers can make many of", async () => {
  await using kubelet = await startKubelet([new FakeNode("node-a")]);
  await kubelet.get("/healthz", "admin");
  await kubelet.get("/some/path/of/a/scanner", "admin");
  await kubelet.get("/containerLogs/default/web/app", "eve");
  // Counted when the answer is out, which the client may see a moment earlier.
  let { values } = await kubelet.metrics.kubeletRequests.get();
  for (const deadline = Date.now() + 60_000; values.length < 3 && Date.now() < deadline; await delay(5))
    ({ values } = await kubelet.metrics.kubeletRequests.get());
  assert.deepEqual(
    values.map(({ labels, value }) => [labels.method, labels.route, labels.code, value]),
    [
      ["GET", "/healthz", "200", 1],
      ["GET", "", "404", 1],
      ["GET", "", "403", 1],
    ],
  );
});
