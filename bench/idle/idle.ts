// What many idle nodes in one process cost: start, then a minute of nothing but leases and heartbeats.
// Writes bench/results/idle.md. Usage: npm run bench:idle [-- --nodes 500]
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect } from "@virtual-kubelet/virtual-kubelet";
import { startControlPlane } from "@virtual-kubelet/virtual-kubelet/testing";
import { machine, report } from "../figures.ts";
import { ProcessMeter } from "../process-meter.ts";
import { difference, startSubject, untilReady } from "../subject.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "500" },
    seconds: { type: "string", default: "60" },
    output: { type: "string" },
  },
});
const count = Number(values.nodes);
const seconds = Number(values.seconds);

await using plane = await startControlPlane({ controllers: false, onProgress: (line) => console.error(line) });
const client = await connect({ kubeconfig: plane.kubeconfig });
const begun = performance.now();
await using subject = await startSubject({
  kubeconfig: plane.kubeconfig,
  flags: ["--nodename", "idle-{}", "--nodes", String(count)],
});
const names = Array.from({ length: count }, (_, index) => `idle-${index}`);
await untilReady(client, names);
const startSeconds = (performance.now() - begun) / 1000;
// The first leases spread themselves over their period.
await sleep(30_000);

const meter = new ProcessMeter(subject.pid);
const server = ProcessMeter.byName(plane.directory, ["kube-apiserver", "etcd"]);
const serverCpu = (): number => server.reduce((sum, one) => sum + one.cpuSeconds(), 0);
const before = { requests: await subject.apiRequests(), cpu: meter.cpuSeconds(), server: serverCpu() };
await sleep(seconds * 1000);
const cpu = meter.cpuSeconds() - before.cpu;
const cpuOfServer = serverCpu() - before.server;
const requests = [...difference(await subject.apiRequests(), before.requests)].sort(([, a], [, b]) => b - a);
const total = requests.reduce((sum, [, n]) => sum + n, 0);
await client.close();

report(
  "idle",
  `# ${count} idle nodes in one process

\`npm run bench:idle\`, ${machine(plane.version)}. Mock provider, leases of 40 s renewed every 10 s, ${seconds} s after 30 s of rest.

| | |
|---|---|
| from the program's start to all nodes Ready | ${startSeconds.toFixed(1)} s |
| API requests per second | ${(total / seconds).toFixed(1)} |
| CPU of the process | ${((cpu / seconds) * 1000).toFixed(0)} ms per second |
| CPU per node and hour | ${((cpu / seconds / count) * 3600).toFixed(2)} s |
| CPU of API server and etcd | ${((cpuOfServer / seconds) * 1000).toFixed(0)} ms per second |
| RSS | ${meter.residentMiB().toFixed(0)} MiB |

Requests: ${requests.map(([key, n]) => `${n} ${key}`).join(", ")}.
`,
  values.output,
);
