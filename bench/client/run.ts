// CPU per request of our client against plain undici and bare node:http2, rounds interleaved, medians to
// bench/results/client.md. Arguments: rounds (default 5), calls per measurement (default 4000).
import { execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const rounds = Number(process.argv[2] ?? 5);
const calls = Number(process.argv[3] ?? 4000);
const clients = ["ours, HTTP/2", "bare node:http2", "undici, HTTP/2", "ours, HTTP/1.1", "undici, HTTP/1.1"];
const operations = { get: "get a pod", patch: "patch its status", patchMeta: "patch, metadata answered" };

const server = spawn(process.execPath, [join(import.meta.dirname, "server.ts")], {
  stdio: ["pipe", "pipe", "inherit"],
});
const first = await new Promise<string>((resolve) => createInterface(server.stdout).once("line", resolve));
const { url, ca, podBytes }: { url: string; ca: string; podBytes: number } = JSON.parse(first);

const micros = new Map<string, number[]>();
const memory = new Map<string, number[]>();
for (let round = 0; round < rounds; round++) {
  for (const operation of Object.keys(operations)) {
    for (const client of clients) {
      const script = join(import.meta.dirname, "measure.ts");
      const { stdout } = await promisify(execFile)(process.execPath, [
        script,
        client,
        operation,
        String(calls),
        url,
        ca,
      ]);
      const result: { micros: number; rss: number } = JSON.parse(stdout);
      const key = `${client}|${operation}`;
      micros.set(key, [...(micros.get(key) ?? []), result.micros]);
      memory.set(client, [...(memory.get(client) ?? []), result.rss]);
    }
  }
  console.log(`round ${round + 1} of ${rounds}`);
}
server.stdin.end();

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * q)] ?? Number.NaN;
}
function cell(values: readonly number[]): string {
  return `${quantile(values, 0.5).toFixed(0)} [${quantile(values, 0.25).toFixed(0)}–${quantile(values, 0.75).toFixed(0)}]`;
}

const rows = clients.map((client) => {
  const cells = Object.keys(operations).map((operation) => cell(micros.get(`${client}|${operation}`) ?? []));
  return `| ${client} | ${cells.join(" | ")} | ${(quantile(memory.get(client) ?? [], 0.5) / 1e6).toFixed(0)} |`;
});
const text = `# API client: CPU per request

A TLS server (Node, in a process of its own) that answers with a pod of ${podBytes} bytes, 32 requests in flight, ${calls} per
measurement after 3,000 to warm up. CPU (user and system, all threads) of the client's process per request, answers parsed.
"Ours" has what the others lack: credentials, time limits, retries, abort signals, checks of what was answered. Medians
[quartiles] of ${rounds} interleaved rounds, each measurement in a process of its own.

| µs per request | ${Object.values(operations).join(" | ")} | RSS, MB |
|---|${"---|".repeat(Object.keys(operations).length + 1)}
${rows.join("\n")}

Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.split(" ").slice(0, 2).join(" ") ?? "?"}. Command: \`node bench/client/run.ts ${rounds} ${calls}\`
`;
writeFileSync(join(import.meta.dirname, "../results/client.md"), text);
console.log(text);
