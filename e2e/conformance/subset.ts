// Which tests: what a query comes to, and the lists that have a name.
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { ciSubset } from "./ci-subset.ts";
import { readGinkgoReport } from "./ginkgo-report.ts";
import { findConformanceProgram } from "./programs.ts";

/** Names of the tests that a run with these options would have, sorted. Needs no cluster. */
export async function chosen(query: {
  readonly labelFilter: string;
  readonly focus: string;
  readonly skip: string;
}): Promise<readonly string[]> {
  const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-conformance-list-"));
  try {
    const file = join(directory, "ginkgo.json");
    const args = Object.entries({ "label-filter": query.labelFilter, focus: query.focus, skip: query.skip })
      .filter(([, value]) => value !== "")
      .map(([name, value]) => `--ginkgo.${name}=${value}`);
    const program = await findConformanceProgram("e2e.test", { onProgress: (line) => console.error(line) });
    await promisify(execFile)(program, ["--ginkgo.dry-run", `--ginkgo.json-report=${file}`, ...args], {
      cwd: directory,
      maxBuffer: 2 ** 28,
    });
    return (await readGinkgoReport(file)).tests.map(({ name }) => name).sort();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** A regular expression that matches the tests of this list. Throws Invalid for a list that there is not. */
export function subsetNames(list: string): string {
  if (list !== "ci") throw new VirtualKubeletError("Invalid", `no subset ${list}; there is: ci`);
  return `(${ciSubset.map((name) => name.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)).join("|")})$`;
}
