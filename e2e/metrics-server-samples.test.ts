// metrics-server, unmodified, reads nodes of providers that know only some of the figures, or give zeros now and then: no pod is
// lost, and usage is what it is.
import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer as createTLSServer } from "node:https";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { createMetrics } from "../packages/virtual-kubelet/src/metrics.ts";
import { createStatsHandlers } from "../packages/virtual-kubelet/src/server/stats-handlers.ts";
import type { ContainerStats, CPUStats, PodStats } from "../packages/virtual-kubelet/src/stats-summary.ts";
import type { ControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { createAuthority } from "../packages/virtual-kubelet/src/testing/pki.ts";
import { ProcessGroup } from "../packages/virtual-kubelet/src/testing/processes.ts";
import {
  kubeletCall,
  runningPod,
  runningStatus,
  servedNode,
  summary,
} from "../packages/virtual-kubelet/src/testing/stats-fixtures.ts";
import { startChosenControlPlane } from "./dev-control-plane.ts";
import { eventually, throughout } from "./harness.ts";
import { findPeer } from "./peers.ts";

let plane: ControlPlane;
let processes: ProcessGroup;
let metricsServer = "";
before(async () => {
  metricsServer = await findPeer("metrics-server");
  plane = await startChosenControlPlane({ controllers: false });
  processes = new ProcessGroup({ parent: tmpdir(), prefix: "virtual-kubelet-metrics-server-" });
});
after(async () => {
  await using _plane = plane;
  await processes?.close();
});

const timeText = (ms: number): string => new Date(ms).toISOString();
/** All containers have run for an hour. */
const start = timeText(Date.now() - 3_600_000);
const bytes = 50e6;

/** Of one look at all: a machine that is busy may stand still between two. */
let now = Date.now();

function container(name: string, cpu: Omit<CPUStats, "time">, workingSetBytes = bytes): ContainerStats {
  const time = timeText(now);
  return { name, startTime: start, cpu: { time, ...cpu }, memory: { time, workingSetBytes } };
}

/** A counter that has gone up by so many cores since the start. */
const counter = (cores: number) => ({
  usageCoreNanoSeconds: Math.round((now - Date.parse(start)) * 1e6 * cores),
});

function podStats(name: string, ...containers: ContainerStats[]): PodStats {
  return { podRef: { name, namespace: "default", uid: `uid-${name}` }, startTime: start, containers };
}

/** Cores that each pod uses. */
const expected: Readonly<Record<string, number>> = { counter: 0.25, rate: 0.5, gap: 0.125, idle: 0, partly: 0.1 };

let calls = 0;
const node = servedNode(
  () =>
    Object.keys(expected).map((name) => {
      const names = name === "partly" ? ["main", "side"] : ["main"];
      return runningPod(name, names, { containerStatuses: names.map((each) => runningStatus(each, start)) });
    }),
  {
    async getStatsSummary() {
      now = Date.now();
      const zeros = calls++ % 3 === 2;
      return summary(
        podStats("counter", container("main", counter(0.25))),
        podStats("rate", container("main", { usageNanoCores: 5e8 })),
        podStats("gap", zeros ? container("main", { usageCoreNanoSeconds: 0 }, 0) : container("main", counter(0.125))),
        podStats("idle", container("main", { usageNanoCores: 0, usageCoreNanoSeconds: 0 })),
        podStats("partly", container("main", counter(0.1)), container("side", { usageCoreNanoSeconds: 0 }, 0)),
      );
    },
  },
);

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return address.port;
}

async function kubectl(...args: string[]): Promise<string> {
  const { stdout, stderr, code } = await plane.kubectl(...args);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function create(object: object, status: object): Promise<void> {
  const file = join(processes.directory, "object.json");
  await writeFile(file, JSON.stringify(object));
  await kubectl("create", "-f", file);
  const patch = ["--subresource=status", "--type=merge", "-p", JSON.stringify({ status })];
  await kubectl("patch", "-f", file, ...patch);
}

/** Cores: "250m", "499999999n", "1". */
const cores = (text: string): number =>
  Number.parseFloat(text) * ({ n: 1e-9, u: 1e-6, m: 1e-3 }[text.at(-1) ?? ""] ?? 1);

interface Usage {
  readonly cpu: string;
  readonly memory: string;
}
interface PodMetrics {
  readonly metadata: { readonly name: string };
  readonly containers: readonly { readonly name: string; readonly usage: Usage }[];
}

test("all pods of such a node are there, at each scrape", async (context) => {
  const { certificate, key } = createAuthority("kubelets").issue({ commonName: "vk", ipAddresses: ["127.0.0.1"] });
  const handlers = createStatsHandlers({ metrics: createMetrics(), kubeletVersion: "v1.36.3", log: silentLogger });
  const server = createTLSServer({ cert: certificate, key }, (request, response) => {
    handlers.resourceMetrics(kubeletCall(node, request, response)).catch(() => response.destroy());
  });
  context.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const Port = await listen(server);
  const at = timeText(Date.now());
  await create(
    { apiVersion: "v1", kind: "Node", metadata: { name: "vk", labels: { "kubernetes.io/hostname": "vk" } } },
    {
      addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
      daemonEndpoints: { kubeletEndpoint: { Port } },
      conditions: [
        { type: "Ready", status: "True", reason: "r", message: "m", lastHeartbeatTime: at, lastTransitionTime: at },
      ],
    },
  );
  for (const { metadata, spec } of node.pods()) {
    const { name } = metadata;
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: { ...spec, automountServiceAccountToken: false },
    };
    await create(pod, { phase: "Running" });
  }

  const securePort = await freePort();
  const files = ["kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"];
  const program = await processes.start("metrics-server", metricsServer, [
    ...files.map((flag) => `--${flag}=${plane.kubeconfig}`),
    `--secure-port=${securePort}`,
    `--cert-dir=${processes.directory}`,
    "--bind-address=127.0.0.1",
    "--kubelet-insecure-tls",
    "--kubelet-use-node-status-port",
    "--kubelet-preferred-address-types=InternalIP",
    "--metric-resolution=10s",
    "--kubelet-request-timeout=9s",
  ]);

  async function list<T>(what: "nodes" | "pods"): Promise<readonly T[]> {
    const path = `/apis/metrics.k8s.io/v1beta1/${what}`;
    const where = [`--server=https://127.0.0.1:${securePort}`, "--insecure-skip-tls-verify"];
    const { stdout, code } = await plane.kubectl("get", "--raw", path, ...where);
    if (!program.running) throw new Error(`metrics-server has ended: ${await program.logTail()}`);
    return code === 0 ? JSON.parse(stdout).items : [];
  }
  const complete = async (): Promise<boolean> => {
    const pods = await list<PodMetrics>("pods");
    return Object.keys(expected).every((name) => pods.some((pod) => pod.metadata.name === name));
  };
  await eventually("all pods have metrics", 90_000, complete);
  const asked = calls;
  await throughout("all pods keep them", 35_000, complete);
  assert.ok(calls - asked >= 3, "the node was scraped on");
  for (const { metadata, containers } of await list<PodMetrics>("pods")) {
    const [first, ...others] = containers;
    const wanted = expected[metadata.name] ?? -1;
    assert.equal(first?.usage.memory, "50000000", metadata.name);
    assert.ok(Math.abs(cores(first.usage.cpu) - wanted) <= wanted * 0.05, `${metadata.name}: ${first.usage.cpu}`);
    assert.equal(others.length, 0);
  }
  const [usage] = await list<{ readonly usage: Usage }>("nodes");
  assert.equal(usage?.usage.memory, "250000000");
  assert.ok(cores(usage.usage.cpu) > 0.7 && cores(usage.usage.cpu) < 1.3, usage.usage.cpu);
});
