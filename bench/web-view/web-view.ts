// What the web view costs with many pods: while they come, and while they only run; switched off, switched on, and looked at.
// Writes bench/results/web-view.md. Usage: tsc -b && node --conditions=source bench/web-view/web-view.ts [--pods 1000]
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect, type KubeClient, pods } from "@virtual-kubelet/virtual-kubelet";
import { startDevCluster } from "../../packages/dev-cluster/src/index.ts";
import { machine, report } from "../figures.ts";
import { ProcessMeter } from "../process-meter.ts";
import { startSubject, untilReady } from "../subject.ts";

const { values } = parseArgs({
  options: { pods: { type: "string", default: "1000" }, seconds: { type: "string", default: "20" } },
});
const count = Number(values.pods);
const seconds = Number(values.seconds);

interface Cost {
  readonly name: string;
  readonly comingMs: number;
  readonly idleMs: number;
  readonly residentMiB: number;
}

async function running(client: KubeClient): Promise<number> {
  const { items } = await client.list(pods);
  return items.filter(({ status }) => status?.phase === "Running").length;
}

async function measure(name: string, flags: readonly string[], lookers: number): Promise<Cost> {
  await using cluster = await startDevCluster();
  const client = await connect({ kubeconfig: cluster.kubeconfig });
  await using subject = await startSubject({
    kubeconfig: cluster.kubeconfig,
    flags: ["--nodename", "vk", "--disable-taint", ...flags],
  });
  await untilReady(client, ["vk"]);
  const left = new AbortController();
  const url = `http://${subject.metricsAddress}/view/api/stream`;
  const looking = Array.from({ length: lookers }, () => look(url, left.signal));
  const meter = new ProcessMeter(subject.pid);
  const begun = meter.cpuSeconds();
  const spec = { nodeName: "vk", containers: [{ name: "app", image: "app" }] };
  const names = Array.from({ length: count }, (_, index) => `pod-${index}`).values();
  const create = async (): Promise<void> => {
    for (const pod of names) await client.create(pods, { metadata: { name: pod, namespace: "default" }, spec });
  };
  await Promise.all(Array.from({ length: 20 }, create));
  while ((await running(client)) < count) await sleep(500);
  const came = meter.cpuSeconds();
  await sleep(5000);
  const rested = meter.cpuSeconds();
  await sleep(seconds * 1000);
  const idleMs = ((meter.cpuSeconds() - rested) / seconds) * 1000;
  const cost = { name, comingMs: ((came - begun) / count) * 1000, idleMs, residentMiB: meter.residentMiB() };
  left.abort();
  await Promise.all(looking);
  await client.close();
  console.error(cost);
  return cost;
}

/** A browser that reads. */
async function look(url: string, signal: AbortSignal): Promise<void> {
  try {
    const response = await fetch(url, { signal });
    for await (const _ of response.body ?? []);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

const on = ["--web-view", "--insecure-web-view-without-authentication"];
const costs = [await measure("off", [], 0), await measure("on", on, 0), await measure("on, one browser looks", on, 1)];

report(
  "web-view",
  `# The web view with ${count} pods

\`node --conditions=source bench/web-view/web-view.ts\`, ${machine("1.36.3 (development cluster)")}. Mock provider, one node; CPU and memory of the process.

| web view | CPU for each pod that comes | CPU while ${count} pods run | RSS |
|---|---|---|---|
${costs.map(({ name, comingMs, idleMs, residentMiB }) => `| ${name} | ${comingMs.toFixed(1)} ms | ${idleMs.toFixed(0)} ms per second | ${residentMiB.toFixed(0)} MiB |`).join("\n")}
`,
);
