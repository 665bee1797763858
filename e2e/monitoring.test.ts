// Alerts and dashboard of deploy/monitoring: each alert fires when it should, and whatever they ask for, a running program that
// has met all kinds of trouble has it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import { pods } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { expositionMetrics } from "../scripts/metrics-docs.ts";
import { startDevControlPlane } from "./dev-control-plane.ts";
import { type ApiFault, type FaultyApiServer, startFaultyApiServer } from "./faulty-api-server.ts";
import { eventually, Harness, isRunning, podObject } from "./harness.ts";
import { clientCertificate } from "./kubelet-caller.ts";
import { alerts, alertTests, charts, dashboard, folder, root, selectorsOf } from "./monitoring-files.ts";
import { findPeer } from "./peers.ts";
import { findNothing, promtool } from "./promtool.ts";

const uniqueOf = (values: readonly string[]): readonly string[] => [...new Set(values)].sort();

before(() => findPeer("promtool"));

describe("alerts", () => {
  it("are rules that promtool takes, and fire when they should", async () => {
    for (const args of [
      ["check", "rules", "--lint-fatal", "alerts.yaml"],
      ["test", "rules", "alerts.test.yaml"],
    ]) {
      const { code, text } = await promtool(args, folder);
      assert.equal(code, 0, text);
    }
  });

  it("have a series that fires them, and one that does not, each", async () => {
    const [healthy, ...bad] = await alertTests();
    assert.deepEqual(
      bad.map(({ name }) => name),
      alerts.map(({ alert }) => alert),
    );
    assert.deepEqual(
      healthy?.promql_expr_test.flatMap(({ exp_samples }) => exp_samples),
      [],
    );
    const good = new Set(healthy?.input_series.map(({ series }) => series.replace(/\{.*/, "")));
    for (const { alert, expr, annotations } of alerts) {
      for (const selector of selectorsOf(expr))
        assert.ok(good.has(selector.replace(/\{.*/, "")), `${alert}: ${selector}`);
      const checks = bad.find(({ name }) => name === alert)?.promql_expr_test ?? [];
      assert.ok(
        checks.some(({ exp_samples }) => exp_samples.length === 0),
        `${alert} has a time at which nothing fires`,
      );
      const fired = checks.flatMap(({ exp_samples }) => exp_samples.map(({ labels }) => labels));
      assert.ok(fired.length > 0 && fired.every((labels) => labels.includes(`alertname="${alert}"`)), alert);
      for (const [, label] of Object.values(annotations)
        .join(" ")
        .matchAll(/\$labels\.(\w+)/g))
        for (const labels of fired) assert.ok(labels.includes(`${label}="`), `${alert} has no label ${label}`);
    }
  });

  it("lead to what is to be done", async () => {
    const text = await readFile(join(root, "docs/operations.md"), "utf8");
    const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    );
    for (const { alert, annotations } of alerts) {
      assert.equal(annotations.runbook_url, `docs/operations.md#${alert.toLowerCase()}`);
      assert.ok(anchors.includes(alert.toLowerCase()), `docs/operations.md has no heading ${alert}`);
    }
  });
});

describe("the dashboard", () => {
  it("is one that Grafana can show: ids, units, titles and places of its panels", () => {
    const ids = dashboard.panels.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const titles = charts.map(({ title }) => title);
    assert.equal(new Set(titles).size, titles.length);
    assert.deepEqual(
      dashboard.templating.list.map(({ name, type }) => `${type} ${name}`),
      ["datasource datasource", "query instance", "query node"],
    );
    const taken = new Set<string>();
    for (const { title, fieldConfig, gridPos, targets } of charts) {
      assert.match(fieldConfig.defaults.unit, /^(none|s|bytes|ops|reqps|percentunit)$/, title);
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          assert.ok(!taken.has(`${x} ${y}`), `${title} lies over another`);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });
});

/** Faults of the API server, each once, by the beginning of "METHOD path". */
const apiFaults: (readonly [RegExp, ApiFault])[] = [
  [/^POST .*\/events/, 403],
  [/^POST .*\/events/, 422],
  [/^(PUT|PATCH) .*\/pods\/.*\/status/, 429],
  [/^(PUT|PATCH) .*\/pods\/.*\/status/, 500],
  [/^GET .*\/pods\?.*watch=/, "cut"],
  [/^PUT .*\/leases\//, "cut"],
];

const mockConfig = {
  vk: {
    cpu: "8",
    faults: {
      errors: [
        { method: "createPod", kind: "Unavailable", next: 1 },
        { method: "createPod", kind: "Throttled", next: 1 },
        { method: "createPod", kind: "Unauthorized", next: 1 },
        { method: "getStatsSummary", kind: "Unavailable", next: 1 },
      ],
    },
  },
};

describe("a running program", { timeout: 900_000 }, () => {
  let harness: Harness;
  let api: FaultyApiServer;
  const scrapes: string[] = [];

  before(async () => {
    const cluster = await startDevControlPlane();
    harness = new Harness(cluster, await connect({ kubeconfig: cluster.kubeconfig }));
    const { cert = "", key = "" } = await clientCertificate(harness, "kubernetes-admin", ["system:masters"]);
    const left = [...apiFaults];
    api = await startFaultyApiServer({
      ...{ server: cluster.server, ca: await readFile(cluster.caFile), cert, key },
      fault(method, path) {
        const found = left.findIndex(([pattern]) => pattern.test(`${method} ${path}`));
        return found < 0 ? undefined : left.splice(found, 1)[0]?.[1];
      },
    });
    const kubeconfig = await harness.writeFile("kubeconfig", kubeconfigFor(api.url));
    const config = await harness.writeFile("mock.json", JSON.stringify(mockConfig));
    const ceilings = { nodes: [{ name: "vk", perHour: 99, perDay: 999 }] };
    const budgets = { currency: "EUR", prices: { mock: { pod: 1 } }, ceilings };
    const priced = await harness.writeFile("budgets.json", JSON.stringify({ budgets }));
    const program = await harness.program(
      [
        ...["--config", priced],
        ...["--nodename", "vk", "--provider", "mock", "--provider-config", config],
        ...["--metrics-addr", "127.0.0.1:0", "--lease-duration", "8s", "--log-format", "json"],
      ],
      { kubeconfig },
    );
    await harness.nodeIsReady("vk", program);
    const log = await readFile(program.logFile, "utf8");
    const address = /"address":"([^"]+)"[^\n]*serving \/metrics/.exec(log)?.[1];
    assert.ok(address !== undefined, log);
    const scrape = async (): Promise<void> => {
      scrapes.push(await (await fetch(`http://${address}/metrics`)).text());
    };
    await scrape();

    const spec = { nodeName: "vk" };
    const huge = { resources: { requests: { cpu: "9999" } } };
    const created = [
      ...["a", "b", "c", "d"].map((name) => podObject(name, { spec })),
      podObject("refused", { spec, container: huge }),
      podObject("pending", { spec, mock: { "start-delay": "10m" } }),
    ];
    for (const pod of created) await harness.client.create(pods, pod);
    for (const name of ["a", "b", "c", "d"]) await harness.untilPod("runs", name, 20_000, isRunning);
    await harness.untilPod("is refused", "refused", 10_000, ({ status }) => status?.phase === "Failed");
    // Once with a fault of the provider, once without.
    await harness.cluster.kubectl("get", "--raw", "/api/v1/nodes/vk/proxy/stats/summary");
    await harness.kubectl("logs", "a");
    await harness.kubectl("exec", "a", "--", "true");
    await eventually("all faults of the API server have been met", 30_000, () => Promise.resolve(left.length === 0));
    await eventually("leases are renewed again", 20_000, async () => {
      await scrape();
      return /lease_renewals_total\{outcome="ok"\} [2-9]/.test(scrapes.at(-1) ?? "");
    });
    for (let turn = 0; turn < 3; turn++) await scrape();
  });
  after(async () => {
    await using _ = api;
    await harness?.[Symbol.asyncDispose]();
  });

  /** As Grafana sends it, for all processes and nodes. */
  const sent = (expression: string): string =>
    expression.replaceAll(/\$(instance|node)\b/g, ".*").replaceAll("$__rate_interval", `${scrapes.length}m`);

  it("has every series that the alerts look for, with the labels by which they are told apart", async () => {
    const expressions = alerts.flatMap(({ expr }) => selectorsOf(expr));
    assert.deepEqual(await findNothing(expressions, scrapes), []);
    const labels = labelsOf(scrapes);
    for (const { alert, expr } of alerts) {
      const known = new Set(selectorsOf(expr).flatMap((selector) => labels.get(selector.replace(/\{.*/, "")) ?? []));
      for (const [, by = ""] of expr.matchAll(/\bby \(([^)]*)\)/g))
        for (const label of by.split(", "))
          assert.ok(["job", "instance", "le"].includes(label) || known.has(label), `${alert}: ${label}`);
    }
  });

  it("has an answer to every question of the dashboard, with the labels of its legends", async () => {
    const expressions = charts.flatMap(({ targets }) =>
      targets.flatMap(({ expr, legendFormat }) => [
        `(${sent(expr)})`,
        ...selectorsOf(sent(expr)),
        ...[...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(
          ([, label]) => `absent((${sent(expr)}) and on (${label}) vector(1))`,
        ),
      ]),
    );
    assert.deepEqual(await findNothing(expressions, scrapes), []);
    const asked = JSON.stringify(dashboard.templating.list.map(({ query }) => query));
    assert.deepEqual(await findNothing(selectorsOf(sent(asked.replaceAll('\\"', '"'))), scrapes), []);
  });

  it("would be found out if it lacked one", async () => {
    const wrong = ['virtual_kubelet_pods{phase="Running"}', 'virtual_kubelet_pods{phase="Jogging"}'];
    const found = await findNothing([...wrong, "absent((virtual_kubelet_pods) and on (nodes) vector(1))"], scrapes);
    assert.equal(found.length, 2, found.join("\n"));
    assert.equal((await findNothing(["virtual_kubelet_pods{"], scrapes)).length, 1);
  });

  it("has no metric that docs/metrics.md does not tell of, and none of another type", async () => {
    const docs = await readFile(join(root, "docs/metrics.md"), "utf8");
    for (const { name, type } of expositionMetrics(scrapes.at(-1) ?? ""))
      assert.ok(docs.includes(`| \`${name}\` | ${type} |`), `${type} ${name}`);
    const answers = ["/metrics", "/metrics/resource", "/metrics/cadvisor", "/metrics/probes", "/metrics/slis"].map(
      (path) => harness.kubectl("get", "--raw", `/api/v1/nodes/vk/proxy${path}`),
    );
    for (const text of await Promise.all(answers))
      for (const { name } of expositionMetrics(text)) assert.ok(docs.includes(`\`${name}\``), name);
  });

  it("has nothing but good names: base units, and counters that say so", () => {
    const own = expositionMetrics(scrapes.at(-1) ?? "").filter(({ name }) => name.startsWith("virtual_kubelet_"));
    assert.ok(own.length > 30);
    for (const { name, type, help } of own) {
      assert.equal(type === "counter", name.endsWith("_total"), name);
      if (type === "histogram") assert.match(name, /_seconds$/);
      assert.ok(help !== "", name);
    }
    assert.deepEqual(uniqueOf(own.map(({ name }) => name)).length, own.length);
  });
});

/** Names of the labels of each series, `_bucket` and the like included. */
function labelsOf(texts: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const labels = new Map<string, readonly string[]>();
  for (const line of texts.join("\n").split("\n")) {
    const [, name, inner = ""] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? [];
    if (name === undefined) continue;
    const found = [...inner.matchAll(/(\w+)="/g)].map(([, label = ""]) => label);
    labels.set(name, uniqueOf([...(labels.get(name) ?? []), ...found]));
  }
  return labels;
}

function kubeconfigFor(server: string): string {
  return JSON.stringify({
    ...{ apiVersion: "v1", kind: "Config", "current-context": "c" },
    clusters: [{ name: "c", cluster: { server } }],
    users: [{ name: "c", user: {} }],
    contexts: [{ name: "c", context: { cluster: "c", user: "c" } }],
  });
}
