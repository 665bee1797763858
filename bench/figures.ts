// How figures are put down: medians, the machine, and the file they go to.
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";

export const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;

export function machine(kubernetes: string): string {
  const today = new Date().toISOString().slice(0, 10);
  const memory = (totalmem() / 2 ** 30).toFixed(0);
  return `${today}: Kubernetes ${kubernetes}, Node.js ${process.version}, ${cpus().length} cores, ${memory} GiB; API server, etcd, load and subject share them`;
}

/** Writes bench/results/<name>.md (or `output`) and prints it. */
export function report(name: string, text: string, output?: string): void {
  const directory = join(import.meta.dirname, "results");
  mkdirSync(directory, { recursive: true });
  writeFileSync(output ?? join(directory, `${name}.md`), text);
  console.log(text);
}
