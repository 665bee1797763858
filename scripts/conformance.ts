// npm run conformance: Kubernetes' own node conformance tests against the containers provider, on this machine.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { writeResults } from "../e2e/conformance/documentation.ts";
import { type RunOptions, runConformance } from "../e2e/conformance/run.ts";
import { chosen, subsetNames } from "../e2e/conformance/subset.ts";
import { counts, summaryText, verdicts } from "../e2e/conformance/summary.ts";
import { errorText } from "../packages/virtual-kubelet/src/errors.ts";

const usage = `usage: npm run conformance -- [options]

Runs Kubernetes' own tests for nodes against a control plane and a node with the containers provider, all of it on this
machine in namespaces of its own. Needs root, Podman and the packages that docs/conformance.md names; the first run builds
the test program, which takes half an hour of a processor.

  --label-filter <query>   which tests, by labels (default: NodeConformance)
  --focus <regexp>         only those whose name matches
  --skip <regexp>          not those whose name matches
  --subset ci              the fast and stable ones that run with the end-to-end tests
  --sig-node, --sig-storage  those of [Conformance] of this group, in place of [NodeConformance]
  --procs <n>              tests at the same time (default 8)
  --repeat <n>             all of it so many times: what passes and fails is flaky
  --timeout <minutes>      of one repetition (default 120)
  --keep                   leave the cluster running after the tests, until Ctrl-C
  --list-tests             only tell which tests would run
  --dry-run                start everything, run none
  --provider <name>        another provider than the containers one
  --report-dir <path>      default: a new directory in the user's cache
  --write-docs             write the figures into docs/conformance.md
  -h, --help

Exit code 0: none failed. 1: some did, or the run itself. 2: wrong options. 130: ended by Ctrl-C.`;

function readCommandLine() {
  try {
    return parseArgs({
      options: {
        "label-filter": { type: "string", default: "NodeConformance" },
        focus: { type: "string", default: "" },
        skip: { type: "string", default: "" },
        subset: { type: "string" },
        "sig-node": { type: "boolean", default: false },
        "sig-storage": { type: "boolean", default: false },
        procs: { type: "string", default: "8" },
        repeat: { type: "string", default: "1" },
        timeout: { type: "string", default: "120" },
        keep: { type: "boolean", default: false },
        "list-tests": { type: "boolean", default: false },
        "dry-run": { type: "boolean", default: false },
        provider: { type: "string" },
        "report-dir": { type: "string" },
        "write-docs": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }).values;
  } catch (error) {
    console.error(`${errorText(error)}\n\n${usage}`);
    return process.exit(2);
  }
}

const flags = readCommandLine();
const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => interrupted.abort());

function options(): RunOptions {
  const groups = (["sig-node", "sig-storage"] as const).filter((group) => flags[group]);
  const ofGroups = groups.length === 0 ? undefined : `Conformance && (${groups.join(" || ")}) && !Disruptive`;
  return {
    labelFilter: ofGroups ?? flags["label-filter"],
    focus: flags.subset === undefined ? flags.focus : subsetNames(flags.subset),
    skip: flags.skip,
    procs: positive("procs"),
    repeat: positive("repeat"),
    timeout: 60 * positive("timeout"),
    keep: flags.keep,
    dryRun: flags["dry-run"],
    provider: flags.provider,
    reportDirectory: flags["report-dir"],
    print: (line) => console.log(line),
    signal: interrupted.signal,
  };
}

function positive(name: "procs" | "repeat" | "timeout"): number {
  const value = Number(flags[name]);
  if (Number.isSafeInteger(value) && value > 0) return value;
  console.error(`--${name} must be a whole number above 0\n\n${usage}`);
  return process.exit(2);
}

async function main(): Promise<void> {
  const run = options();
  if (flags["list-tests"]) {
    for (const name of await chosen(run)) console.log(name);
    return;
  }
  const { repetitions, faults, reportDirectory } = await runConformance(run);
  const all = verdicts(repetitions);
  await writeFile(join(reportDirectory, "results.json"), `${JSON.stringify(all, undefined, 1)}\n`);
  console.log(summaryText(all, faults));
  if (flags["write-docs"]) await writeResults(all, repetitions.length);
  const { failed, flaky } = counts(all);
  process.exitCode = failed + flaky + faults.length === 0 && all.length > 0 ? 0 : 1;
}

if (flags.help) {
  console.log(usage);
} else {
  try {
    await main();
  } catch (error) {
    console.error(interrupted.signal.aborted ? "Interrupted." : errorText(error));
    process.exitCode = interrupted.signal.aborted ? 130 : 1;
  }
}
