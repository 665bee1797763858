// A trial: from spawning `virtual-kubelet trial` to its control plane, its node, and its sample Running, as the command itself says.
// Writes bench/results/trial.md. Usage: npm run bench:trial
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { median, report } from "../figures.ts";
import { ProcessMeter } from "../process-meter.ts";

const program = join(import.meta.dirname, "../../packages/virtual-kubelet/bin/virtual-kubelet.js");
const { values } = parseArgs({ options: { runs: { type: "string", default: "7" }, output: { type: "string" } } });
const home = mkdtempSync(join(tmpdir(), "virtual-kubelet-bench-trial-"));
const plane: number[] = [];
const node: number[] = [];
const sample: number[] = [];
const end: number[] = [];
const memory: number[] = [];

/** Milliseconds that the command names there. */
function told(output: string, pattern: RegExp): number {
  const [, amount = "", unit = ""] = pattern.exec(output) ?? [];
  return Number(amount) * (unit === "s" ? 1000 : 1);
}

for (let run = 0; run < Number(values.runs); run++) {
  const begun = performance.now();
  const env = { ...process.env, HOME: home, TMPDIR: home };
  const child = spawn(process.execPath, [program, "trial"], { env, stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  const running = Promise.withResolvers<void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (/The pods of sample-web run/.test(output)) running.resolve();
  });
  const closed = once(child, "close");
  await Promise.race([running.promise, closed]);
  sample.push(performance.now() - begun);
  plane.push(told(output, /Kubernetes \S+ API at \S+ after ([\d.]+) (m?s)/));
  node.push(told(output, /is Ready after ([\d.]+) (m?s)/));
  memory.push(new ProcessMeter(child.pid ?? 0).residentMiB());
  const stopped = performance.now();
  child.kill("SIGINT");
  await closed;
  end.push(performance.now() - stopped);
}
rmSync(home, { recursive: true });

const today = new Date().toISOString().slice(0, 10);
const seconds = (all: readonly number[]): string => `${(median(all) / 1000).toFixed(2)} s`;
report(
  "trial",
  `# A trial without a cluster

\`npm run bench:trial\`, ${today}: Node.js ${process.version}, ${cpus().length} cores. Median of ${values.runs} runs of \`virtual-kubelet trial\`.

| | |
|---|---|
| the control plane in the process, from its start until it answers | ${seconds(plane)} |
| the node, from its start to Ready | ${seconds(node)} |
| from spawning the command until the sample's three pods are Running | ${seconds(sample)} |
| RSS then, control plane and node | ${median(memory).toFixed(0)} MiB |
| from Ctrl-C until nothing is left | ${seconds(end)} |
`,
  values.output,
);
