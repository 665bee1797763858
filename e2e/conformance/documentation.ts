// The figures of a run in docs/conformance.md, between two marks.
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { kubernetesVersion } from "./programs.ts";
import { summaryTable, type Verdict } from "./summary.ts";

const file = join(import.meta.dirname, "../../docs/conformance.md");
const marks = ["<!-- results: written by npm run conformance -- --write-docs -->", "<!-- end of results -->"] as const;

export async function writeResults(all: readonly Verdict[], repetitions: number): Promise<void> {
  const { stdout } = await promisify(execFile)("podman", ["--version"]);
  const engine = stdout.trim().replace(" version", "");
  const times = repetitions === 1 ? "one run" : `${repetitions} runs`;
  const head = `Kubernetes ${kubernetesVersion}, ${engine}, Linux ${release()}, ${times}.`;
  await writeFile(file, withResults(await readFile(file, "utf8"), `${head}\n\n${summaryTable(all)}`));
}

/** The page with this between the marks. */
export function withResults(page: string, results: string): string {
  const [begin, end] = marks;
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined)
    throw new VirtualKubeletError("Internal", `${file} has no marks for the results`);
  return `${before}${begin}\n${results}\n${end}${after}`;
}
