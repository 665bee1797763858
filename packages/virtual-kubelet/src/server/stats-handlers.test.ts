// The handlers behind a real HTTP server: statuses, content types, bodies.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, get, type IncomingMessage, type ServerResponse } from "node:http";
import { after, before, beforeEach, describe, it } from "node:test";
import { gunzipSync } from "node:zlib";
import { VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import {
  at,
  containerStats,
  kubeletCall,
  podStats,
  runningPod,
  servedNode,
  summary,
} from "../testing/stats-fixtures.ts";
import { errorAnswer } from "./error-answer.ts";
import type { KubeletHandler } from "./kubelet-call.ts";
import type { ServedNode } from "./served-node.ts";
import { createStatsHandlers } from "./stats-handlers.ts";
import { takesGzip } from "./stats-response.ts";

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  readonly text: string;
}

describe("handlers", () => {
  let routes: Readonly<Record<string, KubeletHandler>>;
  let node: ServedNode;
  let clock: FakeClock;
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const { status, body } = errorAnswer(error);
      response.writeHead(status).end(body);
    });
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await routes[new URL(request.url ?? "/", "http://localhost").pathname]?.(kubeletCall(node, request, response));
  }
  let port = 0;
  before(async () => {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    port = address !== null && typeof address === "object" ? address.port : 0;
  });
  after(() => server.close());

  beforeEach(() => {
    clock = new FakeClock();
    const handlers = createStatsHandlers({
      metrics: createMetrics(),
      kubeletVersion: "v1.36.3",
      log: silentLogger,
      clock,
    });
    routes = {
      "/stats/summary": handlers.statsSummary,
      "/metrics": handlers.metrics,
      "/metrics/resource": handlers.resourceMetrics,
      "/metrics/cadvisor": handlers.cadvisorMetrics,
      "/metrics/probes": handlers.probeMetrics,
    };
  });

  async function ask(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const request = get({ host: "127.0.0.1", port, path, headers, agent: false });
    const [message]: IncomingMessage[] = await once(request, "response");
    assert.ok(message);
    const chunks: Buffer[] = await message.toArray();
    const body = Buffer.concat(chunks);
    return { status: message.statusCode, headers: message.headers, body, text: body.toString() };
  }

  const metricsPaths = ["/metrics", "/metrics/resource", "/metrics/cadvisor", "/metrics/probes"];
  const pod = runningPod("web");
  const given = () => {
    const stats = podStats("web", {
      ...containerStats({ time: 0, cpu: 2, cores: 0.5, memory: 100 }),
      rootfs: { time: at(0), usedBytes: 1 },
    });
    return summary({ ...stats, network: { time: at(0), name: "eth0", rxBytes: 9 } });
  };

  it("answer as text, with the times of the samples", async () => {
    node = servedNode(() => [pod], { getStatsSummary: async () => given() });
    for (const path of metricsPaths) {
      const { status, headers } = await ask(path);
      assert.deepEqual([status, headers["content-type"]], [200, "text/plain; version=0.0.4; charset=utf-8"], path);
    }
    const { text } = await ask("/metrics/resource");
    assert.match(
      text,
      /^container_cpu_usage_seconds_total\{container="main",namespace="default",pod="web"\} 2 1767225600000$/m,
    );
    assert.match(text, /^resource_scrape_error 0$/m);
    assert.equal((await ask("/metrics/probes")).text, "");
    assert.match(
      (await ask("/metrics/cadvisor")).text,
      /^container_network_receive_bytes_total\{.*interface="eth0".*\} 9 /m,
    );
    assert.match((await ask("/metrics")).text, /^kubelet_node_name\{node="vk"\} 1$/m);
  });

  it("answer the summary as JSON, whole or only CPU and memory", async () => {
    node = servedNode(() => [pod], { getStatsSummary: async () => given() });
    const { status, headers, text } = await ask("/stats/summary");
    assert.deepEqual([status, headers["content-type"]], [200, "application/json"]);
    const cpu = { time: at(0), usageNanoCores: 5e8, usageCoreNanoSeconds: 2e9 };
    const memory = { time: at(0), workingSetBytes: 100 };
    const container = { name: "main", startTime: at(0), cpu, memory };
    const podRef = { name: "web", namespace: "default", uid: "uid-web" };
    const nodeStats = { nodeName: "vk", startTime: at(0), cpu: { ...cpu, usageCoreNanoSeconds: 1 }, memory };
    const lean = { node: nodeStats, pods: [{ podRef, startTime: at(0), containers: [container], cpu, memory }] };
    const rootfs = { time: at(0), usedBytes: 1 };
    const network = { time: at(0), name: "eth0", rxBytes: 9 };
    const full = { node: nodeStats, pods: [{ ...lean.pods[0], network, containers: [{ ...container, rootfs }] }] };
    assert.deepEqual(JSON.parse(text), full);
    assert.deepEqual(JSON.parse((await ask("/stats/summary?only_cpu_and_memory=true")).text), lean);
    for (const query of ["only_cpu_and_memory=1", "only_cpu_and_memory=true&only_cpu_and_memory=true"]) {
      assert.deepEqual(JSON.parse((await ask(`/stats/summary?${query}`)).text), full);
    }
  });

  it("compress large answers for those who take gzip", async () => {
    const pods = Array.from({ length: 50 }, (_, index) => runningPod(`p${index}`));
    const stats = pods.map(({ metadata }) => podStats(metadata.name, containerStats({ time: 0, cpu: 1, memory: 1 })));
    node = servedNode(() => pods, { getStatsSummary: async () => summary(...stats) });
    for (const path of ["/metrics/resource", "/metrics/cadvisor", "/stats/summary"]) {
      const plain = await ask(path);
      assert.equal(plain.headers["content-encoding"], undefined);
      assert.equal(plain.headers["content-length"], String(plain.body.length));
      const compressed = await ask(path, { "Accept-Encoding": "deflate, gzip;q=0.5" });
      assert.equal(compressed.headers["content-encoding"], "gzip");
      assert.ok(compressed.body.length < plain.body.length / 5, path);
      assert.equal(gunzipSync(compressed.body).toString(), plain.text);
    }
  });

  it("of a node whose provider has no stats: 501 for the summary, else what is known, and no failure", async () => {
    const unsupported = () => Promise.reject(new VirtualKubeletError("Unsupported", "not here"));
    for (const provider of [{}, { getStatsSummary: unsupported }]) {
      node = servedNode(() => [pod], provider);
      assert.equal((await ask("/stats/summary")).status, 501);
      const resource = await ask("/metrics/resource");
      assert.equal(resource.status, 200);
      assert.deepEqual(
        resource.text.split("\n").filter((line) => /^[^#]/.test(line)),
        ["resource_scrape_error 0", "scrape_error 0"],
      );
      assert.match(
        (await ask("/metrics/cadvisor")).text,
        /^container_start_time_seconds\{[\s\S]*^container_scrape_error 0$/m,
      );
      assert.match((await ask("/metrics")).text, /^kubelet_running_pods 1$/m);
    }
  });

  it("of a provider that fails: the last summary, then an error", async () => {
    let fault: VirtualKubeletError | undefined;
    node = servedNode(() => [pod], {
      getStatsSummary: () => (fault === undefined ? Promise.resolve(given()) : Promise.reject(fault)),
    });
    await ask("/metrics/resource");
    fault = new VirtualKubeletError("Unavailable", "backend is down");
    await clock.advance(60_000);
    assert.equal((await ask("/stats/summary")).status, 200);
    const stale = await ask("/metrics/resource");
    assert.match(stale.text, /^container_cpu_usage_seconds_total\{.*\} 2 1767225600000$/m);
    assert.match(stale.text, /^resource_scrape_error 1$/m);
    await clock.advance(60_000);
    const resource = await ask("/metrics/resource");
    assert.equal(resource.status, 200);
    assert.doesNotMatch(resource.text, /^container_/m);
    assert.match(resource.text, /^resource_scrape_error 1$/m);
    assert.deepEqual(await ask("/stats/summary").then(({ status, text }) => [status, text]), [
      503,
      "no stats of node vk: backend is down\n",
    ]);
    // What the backend cannot find is no path that is missing here.
    fault = new VirtualKubeletError("NotFound", "no such project");
    await clock.advance(60_000);
    assert.equal((await ask("/stats/summary")).status, 500);
  });

  it("show volumes of claims among the kubelet's own, asking nobody for them", async () => {
    let calls = 0;
    const volume = [{ name: "data", pvcRef: { namespace: "default", name: "data-0" }, time: at(0), usedBytes: 7 }];
    node = servedNode(() => [pod], {
      async getStatsSummary() {
        calls++;
        return summary({ ...podStats("web", containerStats({ time: 0, cpu: 1, memory: 1 })), volume });
      },
    });
    const line = 'kubelet_volume_stats_used_bytes{namespace="default",persistentvolumeclaim="data-0"} 7';
    const has = async (): Promise<boolean> => (await ask("/metrics")).text.split("\n").includes(line);
    assert.deepEqual([await has(), calls], [false, 0]);
    await ask("/metrics/cadvisor");
    assert.deepEqual([await has(), calls], [true, 1]);
    await clock.advance(60_001);
    assert.deepEqual([await has(), calls], [false, 1]);
  });

  it("keep the stats of each node apart, and ask each provider once", async () => {
    const calls: string[] = [];
    const nodes = ["one", "two"].map((name) =>
      servedNode(
        () => [runningPod(name)],
        {
          async getStatsSummary() {
            calls.push(name);
            return summary(
              podStats("one", containerStats({ time: 0, cpu: 1, memory: 1 })),
              podStats("two", containerStats({ time: 0, cpu: 2, memory: 1 })),
            );
          },
        },
        name,
      ),
    );
    for (const of of nodes) {
      node = of;
      for (const path of ["/metrics/resource", "/stats/summary", "/metrics/cadvisor", "/metrics"]) {
        const { text } = await ask(path);
        assert.ok(!text.includes(of.name === "one" ? "two" : '"one"'), path);
      }
    }
    assert.deepEqual(calls, ["one", "two"]);
  });
});

it("Accept-Encoding", () => {
  const table = {
    "": false,
    gzip: true,
    "br, GZIP": true,
    "gzip;q=0": false,
    "gzip; q=0.0, *": false,
    "*": true,
    "*;q=0": false,
    "gzip;q=0.1": true,
    identity: false,
  };
  for (const [header, takes] of Object.entries(table)) assert.equal(takesGzip(header), takes, header);
  assert.equal(takesGzip(undefined), false);
});
