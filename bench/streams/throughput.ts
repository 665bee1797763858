// Throughput of logs and execs through the real API server: ours beside the Go project's server, in turns, in one run, each behind the same
// few lines of a provider; and CPU of each kubelet and of the API server. Writes bench/results/logs.md.
// Usage: npm run bench:logs [-- --rounds N --node=--cpu-prof]
import { join } from "node:path";
import { parseArgs } from "node:util";
import { connect } from "@virtual-kubelet/virtual-kubelet";
import { startControlPlane } from "@virtual-kubelet/virtual-kubelet/testing";
import { machine, median, report } from "../figures.ts";
import { ProcessMeter } from "../process-meter.ts";
import { startSubject, untilReady } from "../subject.ts";
import { type Access, accessOf, countBytes, openExec, openLog, type Wire } from "./access.ts";
import { logBytes } from "./memory-provider.ts";
import { startOpponent } from "./opponent.ts";
import { createPods, untilRunning } from "./pods.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    /** For the program's Node.js, e.g. --cpu-prof. */
    node: { type: "string", multiple: true },
    /** Part of the names of what is measured. */
    only: { type: "string", default: "" },
    output: { type: "string" },
  },
});

interface Server {
  readonly name: string;
  readonly pod: string;
  readonly meter: ProcessMeter;
}

interface Work {
  readonly name: string;
  readonly run: (access: Access, pod: string) => Promise<number>;
}

interface Figures {
  readonly megabytesPerSecond: number;
  /** CPU seconds per gigabyte. */
  readonly kubelet: number;
  readonly apiServer: number;
}

const execBytes = 100_000_000;
const piece = Buffer.alloc(32 * 1024);

async function flood(access: Access, wire: Wire, pod: string): Promise<number> {
  const running = await openExec(access, wire, pod, ["flood", String(execBytes)], false);
  const bytes = await countBytes(running.stdout);
  await running.outcome;
  running.close();
  return bytes;
}

/** Bytes go in and come out again; each byte is counted once. */
async function echo(access: Access, wire: Wire, pod: string): Promise<number> {
  const running = await openExec(access, wire, pod, ["cat"], true);
  const { stdin } = running;
  if (stdin === undefined) throw new Error("no stdin");
  const counted = countBytes(running.stdout);
  let left = execBytes;
  const more = (): void => {
    for (; left > 0; left -= piece.length) {
      if (stdin.write(piece.subarray(0, left))) continue;
      left -= piece.length;
      stdin.once("drain", more);
      return;
    }
    stdin.end();
  };
  more();
  const bytes = await counted;
  await running.outcome;
  running.close();
  return bytes;
}

const everything: readonly Work[] = [
  { name: "logs", run: async (access, pod) => countBytes(await openLog(access, pod)) },
  { name: "exec stdout, SPDY", run: (access, pod) => flood(access, "SPDY", pod) },
  { name: "exec stdout, WebSocket", run: (access, pod) => flood(access, "WebSocket", pod) },
  { name: "exec stdin to stdout, SPDY", run: (access, pod) => echo(access, "SPDY", pod) },
  { name: "exec stdin to stdout, WebSocket", run: (access, pod) => echo(access, "WebSocket", pod) },
];
const works = everything.filter(({ name }) => name.includes(values.only));

await using plane = await startControlPlane({ controllers: false, onProgress: (line) => console.error(line) });
const client = await connect({ kubeconfig: plane.kubeconfig });
const access = await accessOf(plane.kubeconfig);
await using go = await startOpponent(client, plane, { node: "go", bytes: logBytes });
await using goHttp2 = await startOpponent(client, plane, { node: "go-http2", bytes: logBytes, http2: true });
await using subject = await startSubject({
  kubeconfig: plane.kubeconfig,
  flags: ["--nodename", "ours"],
  provider: join(import.meta.dirname, "memory-provider.ts"),
  nodeIP: "127.0.0.1",
  node: values.node ?? [],
});
await untilReady(client, ["ours"]);
const servers: Server[] = [];
for (const [name, { pid }] of [
  ["ours", subject],
  ["go", go],
  ["go-http2", goHttp2],
] as const) {
  const [pod = ""] = await createPods(client, name, name, 1);
  servers.push({ name, pod, meter: new ProcessMeter(pid) });
}
await untilRunning(client, "ours");
const [apiServer] = ProcessMeter.byName(plane.directory, ["kube-apiserver"]);
if (apiServer === undefined) throw new Error("no API server");

const figures = new Map<string, Figures[]>();
for (let round = 0; round <= Number(values.rounds); round++) {
  for (const work of works) {
    for (const server of servers) {
      if (server.name === "go-http2" && work.name !== "logs") continue;
      const one = await measure(work, server, apiServer);
      console.error(
        `round ${round} ${work.name}, ${server.name}: ${JSON.stringify(one, (_, v) => (typeof v === "number" ? Number(v.toFixed(2)) : v))}`,
      );
      const key = `${work.name} ${server.name}`;
      // The first is for warming up.
      if (round > 0) figures.set(key, [...(figures.get(key) ?? []), one]);
    }
  }
}
await client.close();

async function measure({ name, run }: Work, { pod, meter }: Server, server: ProcessMeter): Promise<Figures> {
  const before = { kubelet: meter.cpuSeconds(), apiServer: server.cpuSeconds() };
  const begun = performance.now();
  const bytes = await run(access, pod);
  const seconds = (performance.now() - begun) / 1000;
  const wanted = name === "logs" ? logBytes : execBytes;
  if (bytes !== wanted) throw new Error(`${name}: ${bytes} of ${wanted} bytes`);
  return {
    megabytesPerSecond: bytes / 1e6 / seconds,
    kubelet: (meter.cpuSeconds() - before.kubelet) / (bytes / 1e9),
    apiServer: (server.cpuSeconds() - before.apiServer) / (bytes / 1e9),
  };
}

function row(work: string, server: string): string {
  const list = figures.get(`${work} ${server}`) ?? [];
  if (list.length === 0) return "";
  const of = (pick: (one: Figures) => number, digits: number): string => median(list.map(pick)).toFixed(digits);
  const rates = list.map(({ megabytesPerSecond }) => megabytesPerSecond);
  const base = figures.get(`${work} go`) ?? [];
  const ratio = median(rates.map((rate, index) => rate / (base[index]?.megabytesPerSecond ?? Number.NaN))).toFixed(2);
  const range = `${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)}`;
  return `| ${work} | ${server} | ${median(rates).toFixed(0)} | ${range} | ${ratio} | ${of((one) => one.kubelet, 1)} | ${of((one) => one.apiServer, 1)} |\n`;
}

report(
  "logs",
  `# Throughput of logs and execs

\`npm run bench:logs\`, ${machine(plane.version)}. ${values.rounds} rounds after a warm-up, the servers in turns, medians. "go" is
the HTTP server of github.com/virtual-kubelet/virtual-kubelet ${go.version} set up as its nodeutil does (HTTP/1.1), "go-http2" the same with HTTP/2 offered. All have the
same few lines of a provider: ${(logBytes / 2 ** 20).toFixed(0)} MiB of lines of 100 bytes from memory in pieces of 32 KiB, and commands that write ${execBytes / 1e6} MB or send back what they get. The
client reads from the API server and shares the machine. MB/s are 10⁶ bytes; CPU is in seconds per 10⁹ bytes. Ratio: the median of the rounds' own ratios to "go".
With a client over SPDY all of it is SPDY; of a client over WebSocket, ours is sent the WebSocket itself, and "go" what the API server makes of it in SPDY.

| | kubelet | MB/s | range | ratio | kubelet CPU s/GB | API server CPU s/GB |
|---|---|---|---|---|---|---|
${works.flatMap(({ name }) => servers.map((server) => row(name, server.name))).join("")}
The Go server has no authentication and authorisation here; ours has both, and asks nothing twice.

Why logs come over HTTP/1.1 where the client has the choice: a Go client of HTTP/2 answers each 16 KiB with a TLS record of two window updates, which is a read of its own for
the server; "go-http2" shows the same price. Ours over HTTP/2, 2026-11-25: 0.69 of "go" (1.7 s/GB, the API server 2.0) before, 0.9 and more since.
What stdin costs more than in Go: each TLS record that is read is a buffer outside of V8's heap, and every so many of them begin a marking of the whole heap; two fifths of
the CPU of "stdin to stdout" are in V8's own threads (perf, 2026-11-25).
`,
  values.output,
);
