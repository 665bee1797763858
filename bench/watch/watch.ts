// What the one shared watch costs beside many foreign pods, against a watch per node.
// Writes bench/results/watch.md. Usage: npm run bench:watch [-- --foreign 5000]
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect, type KubeClient, nodes, pods } from "@virtual-kubelet/virtual-kubelet";
import { startControlPlane } from "@virtual-kubelet/virtual-kubelet/testing";
import { machine, report } from "../figures.ts";
import { ProcessMeter } from "../process-meter.ts";
import { startSubject, untilReady } from "../subject.ts";

const { values } = parseArgs({
  options: {
    foreign: { type: "string", default: "5000" },
    nodes: { type: "string", default: "11" },
    output: { type: "string" },
  },
});
const foreign = Number(values.foreign);
const nodeCount = Number(values.nodes);

interface Row {
  readonly mode: string;
  readonly startCpu: number;
  readonly changeCpu: number;
  readonly rss: number;
}

async function inParallel(count: number, work: (index: number) => Promise<unknown>): Promise<void> {
  const indexes = Array.from({ length: count }, (_, index) => index)[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const index of indexes) await work(index);
  };
  await Promise.all(Array.from({ length: 32 }, worker));
}

async function measure(client: KubeClient, kubeconfig: string, mode: "per-node" | "shared"): Promise<Row> {
  const limit = mode === "shared" ? nodeCount - 1 : nodeCount;
  await using subject = await startSubject({
    kubeconfig,
    flags: ["--nodename", `${mode}-{}`, "--nodes", String(nodeCount), "--watch-per-node-limit", String(limit)],
  });
  await untilReady(
    client,
    Array.from({ length: nodeCount }, (_, index) => `${mode}-${index}`),
  );
  await sleep(5000);
  const meter = new ProcessMeter(subject.pid);
  const startCpu = meter.cpuSeconds();
  // One change to each foreign pod.
  const patch = { metadata: { annotations: { "example.com/round": mode } } };
  await inParallel(foreign, (index) =>
    client.patchMeta(pods, { namespace: "default", name: `foreign-${index}` }, "merge", patch),
  );
  await sleep(2000);
  const changeCpu = meter.cpuSeconds() - startCpu;
  return { mode, startCpu, changeCpu, rss: meter.residentMiB() };
}

await using plane = await startControlPlane({ controllers: false, onProgress: (line) => console.error(line) });
const client = await connect({ kubeconfig: plane.kubeconfig });
await client.create(nodes, { metadata: { name: "foreign" } });
await inParallel(foreign, (index) =>
  client.create(pods, {
    metadata: { name: `foreign-${index}`, namespace: "default" },
    spec: {
      nodeName: "foreign",
      automountServiceAccountToken: false,
      containers: [{ name: "main", image: "example/app:1", env: [{ name: "A", value: "b" }] }],
    },
  }),
);
const rows: Row[] = [];
for (const mode of ["per-node", "shared", "per-node", "shared"] as const)
  rows.push(await measure(client, plane.kubeconfig, mode));
await client.close();
const line = ({ mode, startCpu, changeCpu, rss }: Row): string =>
  `| ${mode} | ${startCpu.toFixed(2)} | ${((changeCpu / foreign) * 1e6).toFixed(0)} | ${rss.toFixed(0)} |`;

report(
  "watch",
  `# The shared watch beside ${foreign} foreign pods

\`npm run bench:watch\`, ${machine(plane.version)}. ${nodeCount} nodes of ours without pods; each foreign pod is changed once. The shared watch reads all
bound pods and drops those of foreign nodes before they are kept; the watches per node never see them.

| watches | CPU from start to 5 s after Ready, s | CPU per change of a foreign pod, µs (leases included) | RSS, MiB |
|---|---|---|---|
${rows.map(line).join("\n")}
`,
  values.output,
);
