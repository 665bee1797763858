// The churn bench: 1000 pods bound to one mock node of a real API server, to Running and to gone; our process side by side
// with the ceiling, in turns, in one run. Writes bench/results/churn.md. Usage: npm run bench:churn [-- --rounds N --pods N --form patch|put]
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect, type KubeClient, nodes } from "@virtual-kubelet/virtual-kubelet";
import { startControlPlane } from "@virtual-kubelet/virtual-kubelet/testing";
import { type LoadFigures, runLoad } from "./load.ts";
import { type ProcessFigures, ProcessMeter } from "./process-meter.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    pods: { type: "string", default: "1000" },
    concurrency: { type: "string", default: "32" },
    /** For the program. */
    flags: { type: "string", multiple: true },
    /** For its Node.js, e.g. --cpu-prof. */
    node: { type: "string", multiple: true },
    form: { type: "string", default: "patch" },
    output: { type: "string", default: join(import.meta.dirname, "../results/churn.md") },
  },
});
const rounds = Number(values.rounds);
const count = Number(values.pods);
const concurrency = Number(values.concurrency);
const root = join(import.meta.dirname, "../..");

interface Round extends LoadFigures {
  readonly process?: ProcessFigures;
  /** API requests of ours by verb and resource, events apart. */
  readonly requests?: ReadonlyMap<string, number>;
  /** CPU seconds of the API server and etcd. */
  readonly serverCpu: number;
}

async function ceilingRound(client: KubeClient, servers: readonly ProcessMeter[]): Promise<Round> {
  const name = "ceiling";
  await client.create(nodes, { metadata: { name } }).catch(() => {});
  const before = total(servers);
  const figures = await runLoad({ client, node: name, count, concurrency, kubelet: true }, async () => {});
  return { ...figures, serverCpu: total(servers) - before };
}

/** Our program, started once: the rounds after the first measure it warm, as a daemon is. */
interface Subject extends AsyncDisposable {
  readonly pid: number;
  readonly metrics: string;
}

async function startSubject(kubeconfig: string): Promise<Subject> {
  const child = spawn(
    process.execPath,
    [
      ...(values.node ?? []),
      join(root, "packages/virtual-kubelet/bin/virtual-kubelet.js"),
      ...["--kubeconfig", kubeconfig, "--nodename", "ours", "--provider", "mock", "--metrics-addr", "127.0.0.1:0"],
      ...["--log-format", "json"],
      ...(values.flags ?? []),
    ],
    { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, VKUBELET_POD_IP: "10.0.0.1" } },
  );
  return {
    pid: child.pid ?? 0,
    metrics: await metricsAddress(child.stderr),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

async function ourRound(client: KubeClient, subject: Subject, servers: readonly ProcessMeter[]): Promise<Round> {
  const meter = new ProcessMeter(subject.pid);
  const requestsBefore = await apiRequests(subject.metrics);
  const before = total(servers);
  meter.start();
  const figures = await runLoad({ client, node: "ours", count, concurrency, kubelet: false }, async () => {});
  const process_ = meter.stop();
  const serverCpu = total(servers) - before;
  const requests = difference(await apiRequests(subject.metrics), requestsBefore);
  return { ...figures, process: process_, requests, serverCpu };
}

function total(meters: readonly ProcessMeter[]): number {
  return meters.reduce((sum, meter) => sum + meter.cpuSeconds(), 0);
}

async function metricsAddress(output: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of output) {
    text += String(chunk);
    const match = /"address":"([^"]+)"|(127\.0\.0\.1:\d+)/.exec(text);
    if (match !== null) {
      output.on("data", () => {});
      return `http://${match[2] ?? match[1]}/metrics`;
    }
  }
  throw new Error(`the program ended: ${text}`);
}

async function waitRegistered(client: KubeClient): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const node = await client.get(nodes, { name: "ours" }).catch(() => undefined);
    if (node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true) return;
    await sleep(50);
  }
  throw new Error("the node did not become ready");
}

async function apiRequests(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(url)).text();
  const counts = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^virtual_kubelet_api_requests_total\{([^}]*)\} (\d+)/.exec(line);
    if (match === null) continue;
    const labels = match[1] ?? "";
    const label = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(labels)?.[1] ?? "";
    const key = `${label("verb")} ${label("resource")}`;
    counts.set(key, (counts.get(key) ?? 0) + Number(match[2]));
  }
  return counts;
}

function difference(after: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>): Map<string, number> {
  const out = new Map<string, number>();
  for (const [key, value] of after) if (value !== (before.get(key) ?? 0)) out.set(key, value - (before.get(key) ?? 0));
  return out;
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

await using plane = await startControlPlane({ controllers: false, onProgress: (line) => console.error(line) });
const client = await connect({ kubeconfig: plane.kubeconfig });
const servers = ProcessMeter.byName(plane.directory, ["kube-apiserver", "etcd"]);
await using subject = await startSubject(plane.kubeconfig);
await waitRegistered(client);
let cold: Round | undefined;
const ceiling: Round[] = [];
const ours: Round[] = [];
for (let round = 0; round <= rounds; round++) {
  const a = await ceilingRound(client, servers);
  const b = await ourRound(client, subject, servers);
  console.error(
    `round ${round}${round === 0 ? " (warm-up)" : ""}: ceiling ${text(a)}; ours ${text(b)}; ${b.process?.cpuSeconds.toFixed(2)} s CPU`,
  );
  if (round === 0) cold = b;
  if (round === 0) continue;
  ceiling.push(a);
  ours.push(b);
}
await client.close();

function text(round: Round): string {
  const phase = (name: "running" | "gone"): string => `${round[name].perSecond.toFixed(0)}/s p50 ${round[name].p50.toFixed(2)} s`;
  return `${phase("running")}, gone ${phase("gone")}`;
}

const row = (name: string, of: (round: Round) => number, digits: number): string => {
  const [c, o] = [median(ceiling.map(of)), median(ours.map(of))];
  const ratio = median(ours.map((round, index) => of(round) / of(ceiling[index] ?? round)));
  return `| ${name} | ${c.toFixed(digits)} | ${o.toFixed(digits)} | ${ratio.toFixed(2)} |`;
};
const last = ours.at(-1);
const isEvent = (key: string): boolean => key.endsWith(" events");
const perPod = median(
  ours.map((round) => [...(round.requests ?? [])].filter(([key]) => / pods(\/|$)/.test(key)).reduce((sum, [, n]) => sum + n, 0) / count),
);
const report = `# Churn: ${count} pods on one mock node

\`npm run bench:churn\` on ${new Date().toISOString().slice(0, 10)}: Kubernetes ${plane.version}, Node.js ${process.version}, ${cpus().length} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; API
server, etcd, load tool and subject share them. ${rounds} rounds after a warm-up, ceiling and ours in turns, medians; the ratio is the median of
the rounds' own. Status form: ${values.form}. The ceiling is the load tool itself playing the smallest kubelet on the watch that it has anyway.
${concurrency} requests of the load tool in flight.

| | ceiling | ours | ratio |
|---|---|---|---|
${row("pods/s to Running", (round) => round.running.perSecond, 0)}
${row("latency to Running p50, s", (round) => round.running.p50, 2)}
${row("latency to Running p99, s", (round) => round.running.p99, 2)}
${row("pods/s to gone", (round) => round.gone.perSecond, 0)}
${row("latency to gone p50, s", (round) => round.gone.p50, 2)}
${row("latency to gone p99, s", (round) => round.gone.p99, 2)}
${row("API server + etcd CPU, s", (round) => round.serverCpu, 1)}

| our process | median |
|---|---|
| CPU per pod life, ms | ${median(ours.map((round) => ((round.process?.cpuSeconds ?? 0) * 1000) / count)).toFixed(2)} |
| the same in the first round, from a cold start, ms | ${(((cold?.process?.cpuSeconds ?? 0) * 1000) / count).toFixed(2)} |
| peak RSS, MiB | ${median(ours.map((round) => round.process?.peakMiB ?? 0)).toFixed(0)} |
| API requests per pod life, events apart | ${perPod.toFixed(2)} |

Requests of the last round: ${[...(last?.requests ?? [])].map(([key, n]) => `${n} ${key}${isEvent(key) ? " (events)" : ""}`).join(", ")}.
`;
mkdirSync(join(import.meta.dirname, "../results"), { recursive: true });
writeFileSync(values.output, report);
console.log(report);
