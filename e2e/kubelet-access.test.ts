// Who may do what, asked of a running program straight over HTTPS, with the authentication that is on by default: every route,
// with no credentials, with those of others, and with the right ones; tokens that end; and what the insecure flags open.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { ManagedProcess } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { eventually, type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import {
  type Answer,
  type Call,
  callKubelet,
  clientCertificate,
  type Endpoint,
  endpointOf,
  serviceAccountWith,
} from "./kubelet-caller.ts";

let harness: Harness;
let program: ManagedProcess;
let kubeconfig: string;
let mock: Endpoint;
let tiny: Endpoint;

/** ServiceAccounts, and what each may on `nodes`. */
const grants: Readonly<Record<string, readonly object[]>> = {
  stranger: [],
  prometheus: [{ resources: ["nodes/metrics"], verbs: ["get"] }],
  stats: [{ resources: ["nodes/stats"], verbs: ["get"] }],
  pods: [{ resources: ["nodes/pods"], verbs: ["get"] }],
  healthz: [{ resources: ["nodes/healthz"], verbs: ["get"] }],
  configz: [{ resources: ["nodes/configz"], verbs: ["get"] }],
  "read-proxy": [{ resources: ["nodes/proxy"], verbs: ["get"] }],
  leaver: [{ resources: ["nodes/metrics"], verbs: ["get"] }],
};

const pod = "default/web";
const container = `${pod}/main`;
const command = "command=echo&command=hello&output=1";
const noUpgrade = "Upgrade request required";

interface Route {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** As asked for and told in a refusal. */
  readonly subresources: string;
  /** Of the mock's node, for whoever may. */
  readonly status: number;
  readonly says?: string | RegExp | undefined;
  /** Status of a node whose provider has logs alone; default the same. */
  readonly tiny?: number | undefined;
  /** The API server's own role has no right to it: masters alone do. */
  readonly onlyMasters?: boolean | undefined;
  /** Of `grants`: who may. */
  readonly granted?: readonly string[] | undefined;
}

const metrics = (path: string, says: RegExp): Route => ({
  ...{ method: "GET", path, subresources: "metrics", status: 200, says },
  granted: ["prometheus"],
});
const both = (route: Omit<Route, "method">): readonly Route[] => [
  { ...route, method: "GET", granted: ["read-proxy"] },
  { ...route, method: "POST" },
];
const health = (path: string): Route => ({
  ...{ method: "GET", path, subresources: "healthz proxy", status: 200, says: "ok" },
  granted: ["healthz", "read-proxy"],
});
const listed = (path: string): Route => ({
  ...{ method: "GET", path, subresources: "pods proxy", status: 200, says: /"kind":\s?"PodList".*"name":\s?"web"/s },
  granted: ["pods", "read-proxy"],
});
const upgraded = { subresources: "proxy", status: 400, says: noUpgrade };

const routes: readonly Route[] = [
  ...["/healthz", "/healthz/ping", "/healthz/log", "/healthz/syncloop"].map(health),
  metrics("/metrics", /^kubelet_running_pods 1$/m),
  metrics("/metrics/resource", /^container_cpu_usage_seconds_total\{.*pod="web"/m),
  metrics("/metrics/cadvisor", /^container_memory_working_set_bytes\{.*pod="web"/m),
  { ...metrics("/metrics/probes", /^/), says: undefined },
  metrics("/metrics/slis", /^kubernetes_healthcheck\{/m),
  ...["/pods", "/runningpods/"].map(listed),
  {
    ...{ method: "GET", path: "/stats/summary", subresources: "stats", status: 200, says: /"podRef":.*"web"/s },
    granted: ["stats"],
  },
  { method: "POST", path: "/stats/summary?only_cpu_and_memory=true", subresources: "stats", status: 200 },
  {
    ...{ method: "GET", path: `/containerLogs/${container}`, subresources: "proxy", status: 200, says: /./ },
    granted: ["read-proxy"],
  },
  ...both({ ...upgraded, path: `/exec/${container}?${command}`, tiny: 501 }),
  ...both({ ...upgraded, path: `/exec/${pod}/UID/main?${command}`, tiny: 501 }),
  ...both({ ...upgraded, path: `/attach/${container}?output=1`, tiny: 501 }),
  ...both({ ...upgraded, path: `/attach/${pod}/UID/main?output=1`, tiny: 501 }),
  // Without the provider's help the pod's IP is dialled, and the tiny provider's pods have none.
  ...both({ ...upgraded, path: `/portForward/${pod}`, tiny: 503 }),
  ...both({ ...upgraded, path: `/portForward/${pod}/UID`, tiny: 503 }),
  ...[`/run/${container}?cmd=echo%20hello`, `/run/${pod}/UID/main?cmd=echo%20hello`].map(
    (path): Route => ({ method: "POST", path, subresources: "proxy", status: 200, says: "hello\n", tiny: 501 }),
  ),
  { method: "POST", path: `/checkpoint/${container}`, subresources: "checkpoint", status: 500, onlyMasters: true },
  { method: "GET", path: "/logs/", subresources: "log", status: 405 },
  { method: "GET", path: "/logs/syslog", subresources: "log", status: 405 },
  {
    ...{ method: "GET", path: "/configz", subresources: "configz proxy", status: 200, says: /^\{"kubeletconfig":/ },
    granted: ["configz", "read-proxy"],
  },
  { method: "GET", path: "/flagz", subresources: "configz", status: 200, granted: ["configz"] },
  { method: "GET", path: "/statusz", subresources: "statusz", status: 200, onlyMasters: true },
  { method: "GET", path: "/nothing", subresources: "proxy", status: 404, granted: ["read-proxy"] },
];

before(async () => {
  harness = await startHarness();
  await harness.apply(
    await readFile(join(import.meta.dirname, "../deploy/rbac.yaml"), "utf8"),
    ...Object.entries(grants).flatMap(([name, rules]) => serviceAccountWith(name, rules)),
    ...serviceAccountWith("admin", "system:kubelet-api-admin"),
  );
  kubeconfig = await harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet");
  const config = {
    kubelet: { tokenCacheTTL: "1s", accessCacheTTL: "1s", accessDeniedCacheTTL: "1s" },
    nodes: [
      { name: "mock", provider: { name: "mock" } },
      { name: "tiny", provider: { name: join(import.meta.dirname, "../examples/tiny-provider/tiny-provider.ts") } },
    ],
  };
  const file = await harness.writeFile("config.yaml", JSON.stringify(config));
  program = await harness.program(["--config", file], { kubeconfig });
  for (const node of ["mock", "tiny"]) await harness.nodeIsReady(node, program);
  await harness.client.create(pods, podObject("web", { spec: { nodeName: "mock" } }));
  await harness.client.create(pods, podObject("web-tiny", { spec: { nodeName: "tiny" } }));
  for (const name of ["web", "web-tiny"]) await harness.untilPod("runs", name, 20_000, isRunning);
  mock = await endpointOf(harness, "mock");
  tiny = await endpointOf(harness, "tiny");
  assert.notEqual(mock.port, tiny.port, "each node has its own port");
  const token = await tokenOf("admin");
  const figures = /^container_cpu_usage_seconds_total\{.*pod="web"/m;
  await eventually("figures of the pod", 20_000, async () =>
    figures.test((await callKubelet(mock, "/metrics/resource", { token })).body),
  );
});
after(() => harness?.[Symbol.asyncDispose]());

const tokenOf = (name: string, ...args: string[]): Promise<string> => harness.kubectl("create", "token", name, ...args);
const account = (name: string): string => `system:serviceaccount:default:${name}`;

async function callRoute({ method, path }: Route, call: Call, node = mock): Promise<Answer> {
  const name = node === mock ? "web" : "web-tiny";
  const found = await harness.client.get(pods, { name, namespace: "default" });
  const full = path.replace("default/web", `default/${name}`).replace("UID", found.metadata.uid);
  return callKubelet(node, full, { ...call, method });
}

const forbidden = (user: string, { method, subresources }: Route): string =>
  `Forbidden (user=${user}, verb=${method === "POST" ? "create" : "get"}, resource=nodes, subresource(s)=[${subresources}])\n`;

describe("every route", { timeout: 900_000 }, () => {
  it("is closed to callers without credentials, and to those with bad ones", async () => {
    const foreign = await tokenOf("leaver", "--audience", "somebody-else");
    for (const call of [{}, { token: "wrong" }, { token: foreign }]) {
      for (const route of routes) {
        const { status, type, body } = await callRoute(route, call);
        assert.deepEqual([status, body], [401, "Unauthorized"], `${route.method} ${route.path}`);
        assert.match(type, /^text\/plain/);
      }
    }
  });

  it("is closed to users who have no right to it, whom it tells what they lack", async () => {
    for (const [user, call] of [
      [account("stranger"), { token: await tokenOf("stranger") }],
      ["somebody", await clientCertificate(harness, "somebody", ["some-group"])],
    ] as const)
      for (const route of routes) {
        const { status, type, body } = await callRoute(route, call);
        assert.deepEqual([status, body], [403, forbidden(user, route)], `${route.method} ${route.path}`);
        assert.match(type, /^text\/plain/);
      }
  });

  it("answers those who may", async () => {
    const master = await clientCertificate(harness, "somebody", ["system:masters"]);
    for (const call of [{ token: await tokenOf("admin") }, master])
      for (const route of routes) {
        const { status, body } = await callRoute(route, call);
        if (route.onlyMasters === true && call !== master) {
          assert.deepEqual([status, body], [403, forbidden(account("admin"), route)], route.path);
          continue;
        }
        assert.equal(status, route.status, `${route.method} ${route.path}: ${body}`);
        if (typeof route.says === "string") assert.equal(body.trimEnd(), route.says.trimEnd(), route.path);
        else if (route.says !== undefined) assert.match(body, route.says);
      }
  });

  it("is 405 for another method, to those who may", async () => {
    // The role of the API server has no right to change a route; only a master gets so far.
    const call = await clientCertificate(harness, "somebody", ["system:masters"]);
    for (const route of routes) {
      if (route.status === 404) continue;
      const { status, allow, body } = await callKubelet(mock, route.path, { ...call, method: "DELETE" });
      assert.deepEqual([status, body], [405, "405: Method Not Allowed"], route.path);
      assert.ok(allow?.split(", ").includes(route.method), `${route.path}: ${allow}`);
    }
  });

  it("is 501 where the provider cannot do it, though not to those who may not ask", async () => {
    const call = { token: await tokenOf("admin") };
    const stranger = { token: await tokenOf("stranger") };
    for (const route of routes.filter((each) => each.subresources === "proxy" && each.status !== 404)) {
      const { status, body } = await callRoute(route, call, tiny);
      assert.equal(status, route.tiny ?? route.status, `${route.method} ${route.path}: ${body}`);
      assert.equal((await callRoute(route, stranger, tiny)).status, 403);
    }
    const logs = await callKubelet(tiny, "/containerLogs/default/web-tiny/main", call);
    assert.equal(logs.body, "web-tiny says hello\n");
  });

  it("opens to the grants that name it, and to no others", async () => {
    for (const name of Object.keys(grants)) {
      if (name === "leaver") continue;
      const token = await tokenOf(name);
      for (const route of routes) {
        const { status, body } = await callRoute(route, { token });
        const expected = route.granted?.includes(name) === true ? route.status : 403;
        assert.equal(status, expected, `${name}: ${route.method} ${route.path}: ${body}`);
        if (expected === 403) assert.equal(body, forbidden(account(name), route));
      }
    }
  });
});

describe("over time", { timeout: 900_000 }, () => {
  it("a token ends with its ServiceAccount, and a grant with its binding", async () => {
    const leaver = { token: await tokenOf("leaver") };
    const late = { token: await tokenOf("stats") };
    const route = "/metrics/resource";
    assert.equal((await callKubelet(mock, route, leaver)).status, 200);
    assert.equal((await callKubelet(mock, "/stats/summary", late)).status, 200);
    await harness.kubectl("delete", "serviceaccount", "leaver");
    await harness.kubectl("delete", "clusterrolebinding", "test-stats");
    const status = async (path: string, call: Call): Promise<number> => (await callKubelet(mock, path, call)).status;
    // The API server has a cache of its own.
    await eventually("the token is refused", 20_000, async () => (await status(route, leaver)) === 401);
    await eventually("the grant has ended", 20_000, async () => (await status("/stats/summary", late)) === 403);
    // A ServiceAccount of the same name is another one.
    await harness.kubectl("create", "serviceaccount", "leaver");
    assert.equal(await status(route, leaver), 401);
  });
});

describe("insecure flags", { timeout: 900_000 }, () => {
  const start = async (node: string, flag: string): Promise<{ readonly at: Endpoint; readonly log: string }> => {
    const opened = await harness.program(["--nodename", node, "--provider", "mock", flag], { kubeconfig });
    await harness.nodeIsReady(node, opened);
    return { at: await endpointOf(harness, node), log: await opened.logTail(65_536) };
  };

  it("are warned of, and are off otherwise", async () => {
    assert.doesNotMatch(await program.logTail(1_000_000), /insecure:/);
  });

  it("--insecure-allow-anonymous makes callers without credentials a user, who may do what he is granted", async () => {
    const { at, log } = await start("anonymous", "--insecure-allow-anonymous");
    assert.match(log, /insecure: callers of the kubelet API without credentials are taken as system:anonymous/);
    const denied = await callKubelet(at, "/pods");
    assert.deepEqual(
      [denied.status, denied.body],
      [403, "Forbidden (user=system:anonymous, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"],
    );
    assert.equal((await callKubelet(at, "/pods", { token: "wrong" })).status, 401, "bad credentials are not none");
    assert.equal((await callKubelet(at, "/pods", { token: await tokenOf("admin") })).status, 200);
  });

  it("--insecure-skip-authorization lets everybody who is known do everything, and nobody else", async () => {
    const { at, log } = await start("unauthorised", "--insecure-skip-authorization");
    assert.match(log, /insecure: whoever is known to the kubelet API may read logs and run commands in every pod/);
    assert.equal((await callKubelet(at, "/pods")).status, 401);
    assert.equal((await callKubelet(at, "/pods", { token: "wrong" })).status, 401);
    assert.equal((await callKubelet(at, "/pods", { token: await tokenOf("stranger") })).status, 200);
  });
});
