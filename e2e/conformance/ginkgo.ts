// Runs Kubernetes' test program by Ginkgo's own command, which shares the tests out over several processes: those that may
// not run beside others come last, alone.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { findConformanceProgram } from "./programs.ts";

export interface GinkgoRun {
  readonly labelFilter: string;
  readonly focus: string;
  readonly skip: string;
  readonly procs: number;
  readonly timeoutSeconds: number;
  readonly dryRun: boolean;
  readonly kubeconfig: string;
  readonly kubectl: string;
  /** The API server. */
  readonly host: string;
  /** Gets ginkgo.json, junit.xml and output.log. */
  readonly directory: string;
}

/** Resolves to the exit code when all have ended. A failed test is an exit code, not an error. */
export async function runGinkgo(options: GinkgoRun): Promise<number | null> {
  const given = (name: string, value: string): readonly string[] => (value === "" ? [] : [`--${name}=${value}`]);
  const ginkgo = [
    ...given("label-filter", options.labelFilter),
    ...given("focus", options.focus),
    ...given("skip", options.skip),
    ...(options.dryRun ? ["--dry-run"] : [`--procs=${options.procs}`]),
    ...[`--timeout=${options.timeoutSeconds}s`, "--grace-period=30s", "--no-color", "-v"],
    ...[`--output-dir=${options.directory}`, "--json-report=ginkgo.json", "--junit-report=junit.xml"],
  ];
  const tests = [
    ...[`--kubeconfig=${options.kubeconfig}`, `--host=${options.host}`, `--kubectl-path=${options.kubectl}`],
    "--provider=skeleton",
    // The one node, whatever else is said of it, and no pods of a system.
    ...["--num-nodes=1", "--allowed-not-ready-nodes=-1", "--minStartupPods=-1", "--node-os-distro=debian"],
    "--disable-log-dump",
  ];
  const program = await findConformanceProgram("ginkgo");
  await using log = await open(join(options.directory, "output.log"), "a");
  const child = spawn(program, [...ginkgo, await findConformanceProgram("e2e.test"), "--", ...tests], {
    cwd: options.directory,
    stdio: ["ignore", log.fd, log.fd],
  });
  const [code]: unknown[] = await once(child, "exit");
  return typeof code === "number" ? code : null;
}
