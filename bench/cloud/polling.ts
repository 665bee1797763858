// Calls that pods cost at a cloud: while they are made, while they run, while they are removed. The provider as it is configured by
// default, called as the core calls it, on the fake of its cloud; nothing runs. Writes bench/results/cloud-<provider>.md.
// Usage: node --conditions=source bench/cloud/polling.ts --provider aci|fargate [--pods 1000] [--seconds 300]
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  type CallContext,
  isErrorKind,
  type Pod,
  type PodRequest,
  type Provider,
  type ResolvedContainer,
  type Stored,
  silentLogger,
} from "@virtual-kubelet/virtual-kubelet";
import { MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { AciWorld } from "../../e2e/cloud/aci-world.ts";
import { FargateWorld } from "../../e2e/cloud/fargate-world.ts";
import type { CloudWorld } from "../../e2e/cloud/world.ts";
import { loadProvider } from "../../packages/virtual-kubelet/src/program/load-provider.ts";
import { report } from "../figures.ts";

const { values } = parseArgs({
  options: {
    provider: { type: "string", default: "aci" },
    pods: { type: "string", default: "1000" },
    seconds: { type: "string", default: "300" },
  },
});
const { provider: kind } = values;
const count = Number(values.pods);
const seconds = Number(values.seconds);
/** The core's own: podSyncWorkers, fullResyncPeriod, ping.interval; metrics-server's. */
const [workers, resyncMs, pingMs, scrapeMs] = [10, 60_000, 10_000, 15_000];
const restMs = 60_000;

const world: CloudWorld =
  kind === "fargate"
    ? await FargateWorld.start(new MemoryGroups(), "runs", "")
    : await AciWorld.start(new MemoryGroups(), "runs");
const owner = { cluster: "bench", node: "bench", namespace: "default" };
const ended = new AbortController();
const context: CallContext = { signal: ended.signal, log: silentLogger };
const createProvider = await loadProvider(kind, import.meta.dirname);
const provider: Provider = await createProvider(
  {
    ...{ node: owner.node, cluster: owner.cluster, operatingSystem: "linux", clusterDomain: "cluster.local" },
    ...{ daemonEndpointPort: 10_250, config: world.config, log: silentLogger },
  },
  context,
);

function requestOf(index: number): PodRequest {
  const name = `pod-${index}`;
  const uid = `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`;
  const resources = { requests: { cpu: "250m", memory: "512Mi" } };
  const pod: Stored<Pod> = {
    metadata: { name, namespace: owner.namespace, uid, resourceVersion: "1" },
    spec: { containers: [{ name: "main", image: world.image, resources }] },
  };
  const main: ResolvedContainer = {
    name: "main",
    image: world.image,
    imagePullPolicy: "IfNotPresent",
    env: [],
    mounts: [],
  };
  return {
    ...{ owner: { ...owner, name, uid }, pod, revision: "1" },
    resolved: { hostname: name, setHostnameAsFQDN: false, containers: [main], volumes: [], imageCredentials: [] },
  };
}

/** As many at the same time as the core has workers; what is throttled is tried again, as there. */
async function forAll(requests: readonly PodRequest[], work: (request: PodRequest) => Promise<void>): Promise<void> {
  const left = [...requests];
  const one = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift())
      try {
        await work(next);
      } catch (error) {
        if (!isErrorKind(error, "Throttled", "Unavailable")) throw error;
        left.push(next);
        await sleep(1000);
      }
  };
  await Promise.all(Array.from({ length: workers }, one));
}

/** Until the work is done the core's own calls are made, too: listings, pings. */
async function phase(work: () => Promise<void>): Promise<{ readonly seconds: number; readonly calls: Calls }> {
  const before = new Map(Object.entries(world.calls()));
  const begun = performance.now();
  const done = new AbortController();
  const every = async (ms: number, call: () => Promise<unknown>): Promise<void> => {
    while (!done.signal.aborted) {
      await call();
      await sleep(ms, undefined, { signal: done.signal }).catch(() => {});
    }
  };
  const core = [every(resyncMs, () => provider.getPods(context)), every(pingMs, async () => provider.ping?.(context))];
  await work();
  const took = (performance.now() - begun) / 1000;
  const calls = Object.entries(world.calls()).map(([name, total]) => [name, total - (before.get(name) ?? 0)] as const);
  done.abort();
  await Promise.all(core);
  return { seconds: took, calls: calls.filter(([, made]) => made > 0).toSorted(([, a], [, b]) => b - a) };
}
type Calls = readonly (readonly [operation: string, made: number])[];

/** UIDs of pods that run. */
const running = new Set<string>();
const gone = new Set<string>();
async function watch(): Promise<void> {
  if (provider.watchPods === undefined) throw new Error("the provider pushes nothing");
  for await (const update of provider.watchPods(context)) {
    if (update.type === "gone") gone.add(update.owner.uid);
    if (update.type === "report" && update.report.containers.every(({ state }) => state.running !== undefined))
      running.add(update.report.owner.uid);
  }
}
const watching = watch().catch((error: unknown) => {
  if (!ended.signal.aborted) throw error;
});
async function until(done: () => boolean): Promise<void> {
  while (!done()) await sleep(100);
}

const total = (calls: Calls): number => calls.reduce((sum, [, made]) => sum + made, 0);
const list = (calls: Calls, per: number): string =>
  calls.map(([name, made]) => `${name} ${(made / per).toFixed(2).replace(/\.?0+$/, "")}`).join(", ");

const requests = Array.from({ length: count }, (_, index) => requestOf(index));
const created = await phase(async () => {
  await forAll(requests, (request) => provider.createPod(request, context));
  await until(() => running.size === count);
});
console.error(`created: ${JSON.stringify(created)}`);
await sleep(restMs);
const steady = await phase(() => sleep(seconds * 1000));
console.error(`steady: ${JSON.stringify(steady)}`);
const figures = await phase(async () => {
  const end = performance.now() + 120_000;
  while (performance.now() < end) {
    await provider.getStatsSummary?.(context);
    await sleep(scrapeMs);
  }
});
console.error(`figures: ${JSON.stringify(figures)}`);
const removed = await phase(async () => {
  await forAll(requests, ({ owner: of }) => provider.deletePod(of, { gracePeriodSeconds: 0 }, context));
  await until(() => gone.size === count);
});
console.error(`removed: ${JSON.stringify(removed)}`);
ended.abort();
await watching;
await provider[Symbol.asyncDispose]?.();
await world[Symbol.asyncDispose]();

const minutes = steady.seconds / 60;
report(
  `cloud-${kind}`,
  `# Calls of ${count} pods at ${kind}

\`node --conditions=source bench/cloud/polling.ts --provider ${kind} --pods ${count} --seconds ${seconds}\`, ${new Date().toISOString().slice(0, 10)}. Pods of one container on the fake of the cloud, called as the core does: ${workers} workers, a listing each ${resyncMs / 1000} s, a ping each ${pingMs / 1000} s, all limits as by default.

| | calls | of these |
|---|---|---|
| ${count} pods made, until all run: ${created.seconds.toFixed(0)} s | ${(total(created.calls) / count).toFixed(2)} per pod | ${list(created.calls, count)} |
| they run | ${(total(steady.calls) / minutes).toFixed(0)} per minute | ${list(steady.calls, minutes)} |
| they run, and figures are asked for each ${scrapeMs / 1000} s | ${((total(figures.calls) / figures.seconds) * 60).toFixed(0)} per minute | ${list(figures.calls, figures.seconds / 60)} |
| removed, until all are gone: ${removed.seconds.toFixed(0)} s | ${(total(removed.calls) / count).toFixed(2)} per pod | ${list(removed.calls, count)} |
`,
);
