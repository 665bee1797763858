// The churn bench: 1000 pods bound to one mock node of a real API server, to Running and to gone; our process side by side
// with the ceiling, in turns, in one run, with each form of writing a status. Writes bench/results/churn.md.
// Usage: npm run bench:churn [-- --rounds N --pods N]
import { parseArgs } from "node:util";
import { connect, type KubeClient, nodes } from "@virtual-kubelet/virtual-kubelet";
import { startControlPlane } from "@virtual-kubelet/virtual-kubelet/testing";
import { machine, median, report } from "../figures.ts";
import { type ProcessFigures, ProcessMeter } from "../process-meter.ts";
import { difference, type Subject, startSubject, untilReady } from "../subject.ts";
import { type LoadFigures, type PhaseFigures, runLoad } from "./load.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    pods: { type: "string", default: "1000" },
    concurrency: { type: "string", default: "32" },
    /** For the program. */
    flags: { type: "string", multiple: true },
    /** For its Node.js, e.g. --cpu-prof. */
    node: { type: "string", multiple: true },
    output: { type: "string" },
  },
});
const count = Number(values.pods);
const concurrency = Number(values.concurrency);

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

async function ourRound(
  client: KubeClient,
  node: string,
  subject: Subject,
  servers: readonly ProcessMeter[],
): Promise<Round> {
  const meter = new ProcessMeter(subject.pid);
  const requestsBefore = await subject.apiRequests();
  const before = total(servers);
  meter.start();
  const figures = await runLoad({ client, node, count, concurrency, kubelet: false }, async () => {});
  const process_ = meter.stop();
  const serverCpu = total(servers) - before;
  const requests = difference(await subject.apiRequests(), requestsBefore);
  return { ...figures, process: process_, requests, serverCpu };
}

function total(meters: readonly ProcessMeter[]): number {
  return meters.reduce((sum, meter) => sum + meter.cpuSeconds(), 0);
}

await using plane = await startControlPlane({ controllers: false, onProgress: (line) => console.error(line) });
const client = await connect({ kubeconfig: plane.kubeconfig });
const servers = ProcessMeter.byName(plane.directory, ["kube-apiserver", "etcd"]);
await using byPatch = await start("patch");
await using byPut = await start("put");
const rounds: Record<"ceiling" | "patch" | "put", Round[]> = { ceiling: [], patch: [], put: [] };
for (let round = 0; round <= Number(values.rounds); round++) {
  const results = {
    ceiling: await ceilingRound(client, servers),
    patch: await ourRound(client, "ours-patch", byPatch, servers),
    put: await ourRound(client, "ours-put", byPut, servers),
  };
  for (const name of ["ceiling", "patch", "put"] as const) {
    rounds[name].push(results[name]);
    console.error(`round ${round} ${name}: ${text(results[name])}`);
  }
}
await client.close();

async function start(form: "patch" | "put"): Promise<Subject> {
  const flags = ["--nodename", `ours-${form}`, "--pod-status-form", form, ...(values.flags ?? [])];
  const subject = await startSubject({ kubeconfig: plane.kubeconfig, flags, node: values.node ?? [] });
  await untilReady(client, [`ours-${form}`]);
  return subject;
}

function text({ running, gone, process: own }: Round): string {
  const phase = ({ perSecond, p50 }: PhaseFigures): string => `${perSecond.toFixed(0)}/s p50 ${p50.toFixed(2)} s`;
  return `${phase(running)}, gone ${phase(gone)}${own === undefined ? "" : `, ${own.cpuSeconds.toFixed(2)} s CPU`}`;
}

/** Medians over the rounds after the first, and of each round's ratio to its own ceiling. */
function row(name: string, of: (round: Round) => number, digits: number): string {
  const [ceiling, patch, put] = [rounds.ceiling, rounds.patch, rounds.put].map((list) => list.slice(1).map(of));
  const ratio = (ours: readonly number[] = []): string =>
    median(ours.map((value, index) => value / (ceiling?.[index] ?? Number.NaN))).toFixed(2);
  const cell = (list: readonly number[] = []): string => median(list).toFixed(digits);
  return `| ${name} | ${cell(ceiling)} | ${cell(patch)} | ${ratio(patch)} | ${cell(put)} | ${ratio(put)} |`;
}

function ourRow(name: string, of: (round: Round) => number, digits: number, from = 1): string {
  const cell = (list: readonly Round[]): string =>
    median(list.slice(from, from === 0 ? 1 : undefined).map(of)).toFixed(digits);
  return `| ${name} | ${cell(rounds.patch)} | ${cell(rounds.put)} |`;
}

function requestsOf(round: Round, matches: RegExp): number {
  return [...(round.requests ?? [])].filter(([key]) => matches.test(key)).reduce((sum, [, n]) => sum + n, 0);
}

const cpuPerPod = (round: Round): number => ((round.process?.cpuSeconds ?? 0) * 1000) / count;
const list = (round: Round | undefined): string =>
  [...(round?.requests ?? [])].map(([key, n]) => `${n} ${key}`).join(", ");

report(
  "churn",
  `# Churn: ${count} pods on one mock node

\`npm run bench:churn\`, ${machine(plane.version)}. ${values.rounds} rounds after a warm-up, ceiling and
ours in turns, medians; a ratio is the median of the rounds' own. The ceiling is the load tool itself playing the smallest kubelet (one Running status, one
terminal status, one DELETE per pod) on the watch that it has anyway; ours is a process of its own with a watch of its own. ${concurrency} requests of the load tool
in flight. "patch" and "put" are the two forms of writing a status; both are answered with metadata alone.

| | ceiling | ours, patch | ratio | ours, put | ratio |
|---|---|---|---|---|---|
${row("pods/s to Running", ({ running }) => running.perSecond, 0)}
${row("latency to Running p50, s", ({ running }) => running.p50, 2)}
${row("latency to Running p99, s", ({ running }) => running.p99, 2)}
${row("pods/s to gone", ({ gone }) => gone.perSecond, 0)}
${row("latency to gone p50, s", ({ gone }) => gone.p50, 2)}
${row("latency to gone p99, s", ({ gone }) => gone.p99, 2)}
${row("API server and etcd, CPU s", ({ serverCpu }) => serverCpu, 1)}

| our process | patch | put |
|---|---|---|
${ourRow("CPU per pod life, ms", cpuPerPod, 2)}
${ourRow("the same in its first round, cold, ms", cpuPerPod, 2, 0)}
${ourRow("peak RSS, MiB", (round) => round.process?.peakMiB ?? 0, 0)}
${ourRow("API requests per pod life: statuses and DELETE", (round) => requestsOf(round, /^(?!watch).* pods/) / count, 2)}
${ourRow("events sent", (round) => requestsOf(round, / events$/), 0)}
${ourRow("watches begun again", (round) => requestsOf(round, /^watch/), 0)}

Requests of the last round: ${list(rounds.patch.at(-1))}; ${list(rounds.put.at(-1))}.
`,
  values.output,
);
