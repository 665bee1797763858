// The web view over a real socket: which requests are answered, how, and what never is.
import assert from "node:assert/strict";
import { createServer, request, type Server } from "node:http";
import { afterEach, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import type { VirtualKubelet } from "../virtual-kubelet.ts";
import { insecureEverybodySees, type ViewAccess } from "./view-access.ts";
import { WebView } from "./web-view.ts";

const none = { taken: 0, limit: 10, waiting: 0 };
const inside: VirtualKubelet["inside"] = {
  nodes: ["vk", "other"],
  node: () => undefined,
  pods: {
    inspect: function* () {},
    inspectPod: () => undefined,
    inspectNode: () => ({ pods: 0, calls: none, deletions: none, trouble: "dial https://me:hunter2@example.com" }),
    hasSynced: () => true,
  },
};

const servers = new Set<Server>();
afterEach(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers.clear();
});

interface Served {
  readonly view: WebView;
  readonly ask: (path: string, options?: AskOptions) => Promise<Answer>;
  readonly url: string;
}

interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
}

async function serve(access: ViewAccess | undefined, { loopback = true, secure = false } = {}): Promise<Served> {
  const view = new WebView({ metrics: createMetrics(), log: silentLogger, version: "1.2.3", loopback });
  if (access !== undefined) view.show(inside, access);
  const started = createServer((incoming, response) => {
    view.answer(incoming, response, { secure, certificate: undefined }).catch(() => response.destroy());
  });
  servers.add(started);
  await new Promise<void>((resolve) => started.listen(0, "127.0.0.1", resolve));
  const bound = started.address();
  assert.ok(bound !== null && typeof bound !== "string");
  const { port } = bound;
  const ask = (path: string, options: AskOptions = {}): Promise<Answer> => {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    request({ host: "127.0.0.1", port, path, agent: false, ...options }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    })
      .once("error", reject)
      .end();
    return promise;
  };
  return { view, ask, url: `http://127.0.0.1:${port}` };
}

const refusing = (kind: "Unauthorized" | "Forbidden" | "Unavailable"): ViewAccess => ({
  sightOf: () => Promise.reject(new VirtualKubeletError(kind, `it is ${kind}`)),
});

test("everything is answered under a policy that lets nothing in from elsewhere", async () => {
  const { ask } = await serve(insecureEverybodySees);
  for (const path of [
    "/view/",
    "/view/main.js",
    "/view/view.css",
    "/view/icon.svg",
    "/view/api/state",
    "/view/nothing",
  ]) {
    const { headers } = await ask(path);
    const policy = String(headers["content-security-policy"]);
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; /, path);
    assert.match(policy, /frame-ancestors 'none'/, path);
    assert.equal(headers["x-content-type-options"], "nosniff", path);
    assert.equal(headers["cache-control"], "no-store", path);
    assert.equal(headers["access-control-allow-origin"], undefined, path);
  }
});

const cases: readonly (readonly [string, AskOptions, number])[] = [
  ["/view", {}, 308],
  ["/view/", {}, 200],
  ["/view/?x=1", {}, 200],
  ["/view/", { method: "HEAD" }, 200],
  ["/view/main.js", {}, 200],
  ["/view/../main.ts", {}, 404],
  ["/view/tsconfig.json", {}, 404],
  ["/view/%2e%2e/package.json", {}, 404],
  ["/view/api/other", {}, 404],
  ["/view/api/state", { method: "POST" }, 405],
  ["/view/", { method: "OPTIONS" }, 405],
  ["/view/api/state", { headers: { Host: "evil.example" } }, 403],
  ["/view/", { headers: { Host: "127.0.0.1.evil.example" } }, 403],
  ["/view/", { headers: { Host: "localhost:1234" } }, 200],
  ["/view/", { headers: { Host: "[::1]:1234" } }, 200],
  ["/view/api/state", { headers: { "Sec-Fetch-Site": "cross-site" } }, 403],
  ["/view/api/state", { headers: { "Sec-Fetch-Site": "same-site" } }, 403],
  ["/view/api/state", { headers: { "Sec-Fetch-Site": "same-origin" } }, 200],
];
for (const [path, options, status] of cases) {
  test(`${options.method ?? "GET"} ${path} ${JSON.stringify(options.headers ?? {})}: ${status}`, async () => {
    const { ask } = await serve(insecureEverybodySees);
    assert.equal((await ask(path, options)).status, status);
  });
}

test("who is not known, may not, or cannot be looked at gets no data; the page itself is for everybody", async () => {
  for (const [kind, status] of [
    ["Unauthorized", 401],
    ["Forbidden", 403],
    ["Unavailable", 500],
  ] as const) {
    const { ask } = await serve(refusing(kind));
    for (const path of ["/view/api/state", "/view/api/stream"]) {
      const answer = await ask(path);
      assert.equal(answer.status, status);
      assert.ok(!answer.text.includes("vk"), answer.text);
    }
    assert.equal((await ask("/view/")).status, 200);
  }
});

test("beyond loopback plain HTTP is refused, whatever is shown; TLS is answered under any name", async () => {
  const plain = await serve(insecureEverybodySees, { loopback: false });
  assert.equal((await plain.ask("/view/")).status, 403);
  assert.equal((await plain.ask("/view/api/state", { headers: { Authorization: "Bearer x" } })).status, 403);
  const secure = await serve(insecureEverybodySees, { loopback: false, secure: true });
  assert.equal((await secure.ask("/view/api/state", { headers: { Host: "node.example" } })).status, 200);
});

test("while the program starts there is nothing to see yet", async () => {
  const { ask } = await serve(undefined);
  assert.deepEqual([(await ask("/view/api/state")).status, (await ask("/view/")).status], [503, 200]);
});

test("only nodes that the caller may see are told of, and nothing of them that the log would hide", async () => {
  const { ask } = await serve({ sightOf: () => Promise.resolve({ maySee: (node) => node === "vk" }) });
  const { text } = await ask("/view/api/state");
  assert.match(text, /"total":1,"ready":0,"rows":\[\{"name":"vk","ready":"Missing"/);
  assert.match(text, /"trouble":"dial https:\/\/me:\[redacted\]@example.com"/);
  assert.ok(!text.includes("other"));
});

test("a stream tells what changed, once, and no more than so many are open", async () => {
  const { view, url } = await serve(insecureEverybodySees);
  const left = new AbortController();
  const open = (): Promise<Response> => fetch(`${url}/view/api/stream`, { signal: left.signal });
  const response = await open();
  assert.equal(response.headers.get("content-type"), "text/event-stream");
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.match((await reader?.read())?.value ?? "", /^event: state\ndata: \{"now":\d+.*\}\n\n$/);
  const target = { apiVersion: "v1", kind: "Node", name: "vk" };
  for (let index = 0; index < 50; index++) view.activity.event(target, "vk", "Normal", `Reason${index}`, "");
  const second = (await reader?.read())?.value ?? "";
  assert.equal(second.match(/event: state/g)?.length, 1, "many changes at once are one");
  assert.match(second, /Reason49/);
  const others = await Promise.all(Array.from({ length: 31 }, open));
  assert.ok(others.every(({ status }) => status === 200));
  assert.equal((await open()).status, 503);
  left.abort();
});
