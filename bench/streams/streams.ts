// Many streams through the real API server on one process with the mock: 1000 followed logs of a line a second each, then 200 execs that
// echo a few bytes a second, over SPDY and over WebSocket. Writes bench/results/streams.md.
// Usage: npm run bench:streams [-- --logs N --execs N --seconds N]
import { once } from "node:events";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect } from "@virtual-kubelet/virtual-kubelet";
import { startControlPlane } from "@virtual-kubelet/virtual-kubelet/testing";
import { machine, report } from "../figures.ts";
import { ProcessMeter } from "../process-meter.ts";
import { startSubject, untilReady } from "../subject.ts";
import { accessOf, type Exec, logPath, openExec, openLog, openSession, type Wire } from "./access.ts";
import { createPods, untilRunning } from "./pods.ts";

const { values } = parseArgs({
  options: {
    logs: { type: "string", default: "1000" },
    execs: { type: "string", default: "200" },
    seconds: { type: "string", default: "30" },
    /** For the program's Node.js. */
    node: { type: "string", multiple: true },
    output: { type: "string" },
  },
});
const logs = Number(values.logs);
const execs = Number(values.execs);
const seconds = Number(values.seconds);
const streamsOfSession = 100;

await using plane = await startControlPlane({ controllers: false, onProgress: (line) => console.error(line) });
const client = await connect({ kubeconfig: plane.kubeconfig });
const access = await accessOf(plane.kubeconfig);
const apiServers = ProcessMeter.byName(plane.directory, ["kube-apiserver"]);

interface Load {
  readonly before: number;
  readonly during: number;
  readonly after: number;
  readonly peak: number;
  /** CPU in milliseconds per second, without the streams and with them. */
  readonly idleCpu: number;
  readonly cpu: number;
  readonly serverCpu: number;
  /** CPU seconds of the process to open them all. */
  readonly openCpu: number;
}

/** A fresh process with one node and so many pods on it, `<node>-<index>`, for the time of the work. */
async function onNode<T>(node: string, count: number, work: (meter: ProcessMeter) => Promise<T>): Promise<T> {
  await using subject = await startSubject({
    kubeconfig: plane.kubeconfig,
    flags: ["--nodename", node],
    nodeIP: "127.0.0.1",
    node: values.node ?? [],
  });
  await untilReady(client, [node]);
  await createPods(client, node, node, count, { "mock.virtual-kubelet.io/log-interval": "1s" });
  await untilRunning(client, node);
  return await work(new ProcessMeter(subject.pid));
}

/** Figures around the time in which streams are open. */
async function measure(
  meter: ProcessMeter,
  { open, close }: { readonly open: () => Promise<void>; readonly close: () => Promise<void> },
): Promise<Load> {
  const idle = rate([meter]);
  await sleep(10_000);
  const idleCpu = idle();
  const before = meter.residentMiB();
  const opening = meter.cpuSeconds();
  await open();
  const openCpu = meter.cpuSeconds() - opening;
  await sleep(3000);
  const [own, server] = [rate([meter]), rate(apiServers)];
  await sleep(seconds * 1000);
  const figures = { cpu: own(), serverCpu: server(), during: meter.residentMiB() };
  await close();
  await sleep(10_000);
  return { ...figures, before, after: meter.residentMiB(), peak: meter.stop().peakMiB, idleCpu, openCpu };
}

/** CPU from now on, in milliseconds per second. */
function rate(meters: readonly ProcessMeter[]): () => number {
  const cpu = (): number => meters.reduce((sum, each) => sum + each.cpuSeconds(), 0);
  const [from, begun] = [cpu(), performance.now()];
  return () => ((cpu() - from) * 1e6) / (performance.now() - begun);
}

/** Starts `work` for each, so many at a time. */
async function each<T>(items: Iterable<T>, concurrency: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const item of { [Symbol.iterator]: () => queue }) await work(item);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

/** One log that is followed, and what came of it. */
class Followed {
  readonly pod: string;
  readonly #stream: ClientHttp2Stream;
  readonly #pieces: Buffer[] = [];
  #ended = false;

  constructor(session: ClientHttp2Session, pod: string) {
    this.pod = pod;
    this.#stream = session.request({ ":path": logPath(pod, true) });
    this.#stream.on("data", (piece: Buffer) => this.#pieces.push(piece));
    this.#stream.on("error", () => undefined).once("close", () => (this.#ended = true));
  }

  async opened(): Promise<void> {
    await once(this.#stream, "response");
  }

  get ended(): boolean {
    return this.#ended;
  }

  get text(): string {
    return Buffer.concat(this.#pieces).toString();
  }

  close(): void {
    this.#stream.close();
  }
}

async function followLogs(
  meter: ProcessMeter,
  names: readonly string[],
): Promise<{ readonly load: Load; readonly lines: number; readonly faults: number }> {
  const sessions = await Promise.all(
    Array.from({ length: Math.ceil(logs / streamsOfSession) }, () => openSession(access)),
  );
  const followed: Followed[] = [];
  let [lines, faults] = [0, 0];
  const load = await measure(meter, {
    open: () =>
      each(names.entries(), 20, async ([index, name]) => {
        const session = sessions[Math.floor(index / streamsOfSession)];
        if (session === undefined) return;
        const one = new Followed(session, name);
        followed.push(one);
        await one.opened();
      }),
    close: async () => {
      // A line is due each second: what there is now must have come within two.
      const due = new Map<string, string>();
      await each(followed, 4, async ({ pod }) => void due.set(pod, await text(await openLog(access, pod))));
      await sleep(2000);
      for (const one of followed) {
        const known = due.get(one.pod) ?? "";
        if (one.ended || known === "" || !one.text.startsWith(known)) faults++;
        lines += one.text.split("\n").length - 1;
        one.close();
      }
      for (const session of sessions) session.close();
    },
  });
  return { load, lines, faults };
}

interface ExecFigures {
  readonly load: Load;
  /** Milliseconds from the request to the first byte echoed, in order. */
  readonly setUp: readonly number[];
  readonly echoed: number;
  readonly faults: number;
}

async function runExecs(meter: ProcessMeter, wire: Wire, names: readonly string[]): Promise<ExecFigures> {
  const setUp: number[] = [];
  const open: { readonly exec: Exec; readonly sent: string[]; came: string }[] = [];
  let faults = 0;
  let ticking: NodeJS.Timeout | undefined;
  const load = await measure(meter, {
    open: async () => {
      await each(Array.from({ length: execs }).keys(), 8, async (index) => {
        const begun = performance.now();
        const exec = await openExec(access, wire, names[index % names.length] ?? "", ["cat"], true);
        const one = { exec, sent: ["first\n"], came: "" };
        exec.stdin?.write("first\n");
        exec.stdout.setEncoding("utf8").on("data", (more: string) => {
          one.came += more;
        });
        await once(exec.stdout, "data");
        setUp.push(performance.now() - begun);
        open.push(one);
      });
      ticking = setInterval(() => {
        for (const { exec, sent } of open) {
          const line = `line ${sent.length}\n`;
          sent.push(line);
          exec.stdin?.write(line);
        }
      }, 1000);
    },
    close: async () => {
      clearInterval(ticking);
      await sleep(1000);
      for (const { exec, sent, came } of open) {
        if (came !== sent.join("")) faults++;
        exec.stdin?.end();
      }
      const outcomes = await Promise.all(open.map(({ exec }) => exec.outcome));
      faults += outcomes.filter((outcome) => !outcome.includes("Success")).length;
      for (const { exec } of open) exec.close();
    },
  });
  const echoed = open.reduce((sum, { sent }) => sum + sent.length, 0);
  return { load, setUp: setUp.toSorted((a, b) => a - b), echoed, faults };
}

const podsOf = (node: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${node}-${index}`);
const execPods = 20;
const followedLogs = await onNode("logs", logs, (meter) => followLogs(meter, podsOf("logs", logs)));
console.error(JSON.stringify(followedLogs));
const execsOver = (wire: Wire, node: string): Promise<ExecFigures> =>
  onNode(node, execPods, (meter) => runExecs(meter, wire, podsOf(node, execPods)));
const bySpdy = await execsOver("SPDY", "spdy");
const byWebSocket = await execsOver("WebSocket", "websocket");
await client.close();

const quantile = (sorted: readonly number[], share: number): string =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(0);
const loads = [followedLogs.load, bySpdy.load, byWebSocket.load];
const counts = [logs, execs, execs];
const row = (name: string, of: (load: Load, count: number) => string): string =>
  `| ${name} | ${loads.map((load, index) => of(load, counts[index] ?? 1)).join(" | ")} |`;

report(
  "streams",
  `# Many streams at a time on one process

\`npm run bench:streams\`, ${machine(plane.version)}. Mock provider, ${logs} pods on one node that log a line a second each, all of
them followed (HTTP/2 clients, HTTP/1.1 between API server and kubelet); ${execs} execs of \`cat\` that are sent a line a second each. Through the API server, authentication and
authorisation on; figures over ${seconds} s.

| | ${logs} \`logs -f\` | ${execs} execs, SPDY | ${execs} execs, WebSocket |
|---|---|---|---|
${row("RSS before, MiB", ({ before }) => before.toFixed(0))}
${row("RSS with them, MiB", ({ during }) => during.toFixed(0))}
${row("more per stream, KiB", ({ during, before }, count) => (((during - before) * 1024) / count).toFixed(0))}
${row("peak RSS, MiB", ({ peak }) => peak.toFixed(0))}
${row("RSS 10 s after their end, MiB", ({ after }) => after.toFixed(0))}
${row("CPU before, ms per second", ({ idleCpu }) => idleCpu.toFixed(0))}
${row("CPU with them, ms per second", ({ cpu }) => cpu.toFixed(0))}
${row("CPU to open one, ms", ({ openCpu }, count) => ((openCpu * 1000) / count).toFixed(1))}
${row("CPU of the API server, ms per second", ({ serverCpu }) => serverCpu.toFixed(0))}
| request to first byte echoed p50, ms | | ${quantile(bySpdy.setUp, 0.5)} | ${quantile(byWebSocket.setUp, 0.5)} |
| the same p99, ms (8 at a time) | | ${quantile(bySpdy.setUp, 0.99)} | ${quantile(byWebSocket.setUp, 0.99)} |
| lines delivered | ${followedLogs.lines} | ${bySpdy.echoed} | ${byWebSocket.echoed} |
| streams with a line lost, changed or out of place | ${followedLogs.faults} | ${bySpdy.faults} | ${byWebSocket.faults} |

Each column has a process of its own. "Delivered" is checked against the whole log, byte for byte, and against what was sent.
`,
  values.output,
);
