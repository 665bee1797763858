// Cold start: from spawning the program to its Node being Ready in the API, and the memory it then has.
// Writes bench/results/start.md. Usage: npm run bench:start
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { connect } from "@virtual-kubelet/virtual-kubelet";
import { startControlPlane } from "@virtual-kubelet/virtual-kubelet/testing";
import { machine, median, report } from "../figures.ts";
import { ProcessMeter } from "../process-meter.ts";
import { startSubject, untilReady } from "../subject.ts";

const { values } = parseArgs({ options: { runs: { type: "string", default: "7" }, output: { type: "string" } } });
const seconds: number[] = [];
const memory: number[] = [];

await using plane = await startControlPlane({ controllers: false, onProgress: (line) => console.error(line) });
const client = await connect({ kubeconfig: plane.kubeconfig });
for (let run = 0; run < Number(values.runs); run++) {
  const name = `start-${run}`;
  const begun = performance.now();
  await using subject = await startSubject({ kubeconfig: plane.kubeconfig, flags: ["--nodename", name] });
  await untilReady(client, [name]);
  seconds.push((performance.now() - begun) / 1000);
  await sleep(3000);
  memory.push(new ProcessMeter(subject.pid).residentMiB());
}
await client.close();

report(
  "start",
  `# Cold start with the mock provider

\`npm run bench:start\`, ${machine(plane.version)}. Median of ${values.runs} runs.

| | |
|---|---|
| from spawning the program to the Node being Ready | ${median(seconds).toFixed(2)} s |
| RSS 3 s later | ${median(memory).toFixed(0)} MiB |
`,
  values.output,
);
