// npm test: checks, unit tests and end-to-end tests, summed up in the last line: `N passed, N failed[, N skipped]`.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { findBrowser, noBrowser } from "../e2e/browser-program.ts";
import { kubernetesVersion as conformanceVersion } from "../e2e/conformance/programs.ts";
import { prepareRun } from "../e2e/conformance/run.ts";
import { findPeer, peerNames } from "../e2e/peers.ts";
import { errorText, isErrorKind } from "../packages/virtual-kubelet/src/errors.ts";
import {
  findControlPlaneBinaries,
  findKubectl,
  findOnPath,
  kubernetesVersions,
  resolveKubernetesVersion,
} from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { type Machine, planEndToEnd } from "./e2e-plan.ts";
import { seconds } from "./seconds.ts";
import { type Failure, runSuite, type SuiteResult } from "./test-suite.ts";

const root = join(import.meta.dirname, "..");

const usage = `usage: npm test -- [options] [name ...]

Runs the checks (types, lint, import directions), the unit tests and the end-to-end tests: against a real control plane where its
programs or Go are there (with CI=1, some of them against the development cluster, too), else what the development cluster carries.
A name runs only the test files whose path contains it; the path of a file runs that file.

  --checks                 only these parts
  --unit
  --e2e
  --kubernetes <version>   for the end-to-end tests: ${kubernetesVersions.join(", ")}
  --all-versions           end-to-end tests against each of them
  --dev-cluster            end-to-end tests against the development cluster alone
  --test <pattern>         only tests whose name matches this regular expression
  --verbose                print each test, not only each file
  --file-deadline <s>      how long a test file may take; default 900 for unit tests, 1200 end to end;
                           a tenth of it after its last test, and four tenths for one test
  -h, --help

Skipped tests count as failed where CI=1 is set: nothing may go missing there unnoticed.`;

function readCommandLine() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        checks: { type: "boolean", default: false },
        unit: { type: "boolean", default: false },
        e2e: { type: "boolean", default: false },
        kubernetes: { type: "string" },
        "all-versions": { type: "boolean", default: false },
        "dev-cluster": { type: "boolean", default: false },
        test: { type: "string" },
        verbose: { type: "boolean", default: false },
        "file-deadline": { type: "string" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    console.error(`${errorText(error)}\n\n${usage}`);
    return process.exit(2);
  }
}
const { values: flags, positionals: names } = readCommandLine();

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => interrupted.abort());
const print = (line: string): void => console.log(line);
/** End to end, files mostly wait: for containers to end, for leases to run out. Each has a cluster of its own. */
const lanes = Math.min(2, availableParallelism());

/** Of the commit: the same everywhere for one state of the sources. */
const propertySeed = commitSeed();

async function commitSeed(): Promise<Readonly<Record<string, string>>> {
  if (process.env["FC_SEED"] !== undefined) return {};
  const { code, output } = await runProgram("git", ["rev-parse", "HEAD"]).catch(() => ({ code: 1, output: "" }));
  return code === 0 ? { FC_SEED: `${Number.parseInt(output.slice(0, 7), 16)}` } : {};
}

async function main(): Promise<void> {
  const versions = flags["all-versions"] ? kubernetesVersions : [resolveKubernetesVersion(flags.kubernetes)];
  const chosen = flags.checks || flags.unit || flags.e2e;
  const results: SuiteResult[] = [];
  const endToEnd = flags.e2e || !chosen ? select(["e2e/**/*.test.ts"], isEndToEnd) : [];
  // A build of half an hour on a new machine: beside all else, which goes first.
  const hasGo = (await findOnPath("go")) !== undefined;
  const conformance = endToEnd.includes(conformanceTests) && versions.includes(conformanceVersion);
  const prepared =
    conformance && hasGo && !flags["dev-cluster"]
      ? prepareRun({ print, signal: interrupted.signal, niceness: 15 }).catch((error: unknown) => error)
      : undefined;
  if (flags.checks || (!chosen && names.length === 0 && flags.test === undefined)) results.push(await runChecks());
  if (flags.unit || !chosen) {
    const files = select(
      ["packages/*/src/**/*.test.ts", "scripts/**/*.test.ts", "examples/**/*.test.ts"],
      (file) => !isEndToEnd(file),
    );
    if (files.length > 0) results.push(await runTests("unit tests", files, availableParallelism(), 900));
  }
  const files = endToEnd.filter((file) => file !== conformanceTests);
  for (const version of files.length > 0 ? versions : []) results.push(...(await runEndToEnd(version, files)));
  if (prepared !== undefined) {
    const fault = await prepared;
    if (fault !== undefined) throw fault;
    results.push(await runTests("conformance tests", [conformanceTests], 1, 1200));
  } else if (conformance) {
    const reason = hasGo
      ? "only the development cluster is asked for"
      : "their programs are built by Go, which is not here";
    results.push(skipped([{ title: "conformance tests", reason }]));
  }
  if (results.length === 0) throw new Error(`no test file matches ${names.join(", ")}`);
  conclude(results);
}

const conformanceTests = join(root, "e2e/conformance.test.ts");
const isEndToEnd = (file: string): boolean => file.startsWith(join(root, "e2e/"));

/** Files of these patterns that the names on the command line leave, and the files named there that are of this kind. */
function select(patterns: readonly string[], isOfKind: (file: string) => boolean): string[] {
  const exact = names
    .map((name) => resolve(root, name))
    .filter((file) => file.endsWith(".test.ts") && existsSync(file));
  const found = patterns
    .flatMap((pattern) => globSync(pattern, { cwd: root, exclude: ["**/node_modules/**"] }))
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
    .map((file) => join(root, file));
  return [...new Set([...exact.filter(isOfKind), ...found])].sort();
}

async function runChecks(): Promise<SuiteResult> {
  heading("Checks");
  const started = performance.now();
  const failures: Failure[] = [];
  const checks: Readonly<Record<string, readonly string[]>> = {
    types: ["tsc", "-b"],
    "format and lint": ["biome", "check", "."],
    promises: ["oxlint", "--type-aware", "--deny-warnings"],
    imports: [process.execPath, "scripts/check-imports.ts"],
    docs: [process.execPath, "--conditions=source", "scripts/check-docs.ts"],
  };
  for (const [title, [program = "", ...args]] of Object.entries(checks)) {
    const before = performance.now();
    const { code, output } = await runProgram(program, args);
    print(
      `${code === 0 ? "✔" : "✖"} ${title}: ${[program, ...args].join(" ")} (${seconds(performance.now() - before)})`,
    );
    if (code !== 0) failures.push({ title: `check: ${title}`, place: "", details: output.trim() });
  }
  const passed = Object.keys(checks).length - failures.length;
  return { name: "checks", passed, failures, skips: [], milliseconds: performance.now() - started };
}

async function runProgram(program: string, args: readonly string[]): Promise<{ code: unknown; output: string }> {
  const path = `${join(root, "node_modules/.bin")}:${process.env["PATH"] ?? ""}`;
  const child = spawn(program, args, {
    cwd: root,
    env: { ...process.env, PATH: path },
    stdio: ["ignore", "pipe", "pipe"],
    signal: interrupted.signal,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const [code]: unknown[] = await once(child, "close");
  return { code, output };
}

async function runTests(
  name: string,
  files: readonly string[],
  concurrency: number,
  deadlineSeconds: number,
  env: Readonly<Record<string, string>> = {},
): Promise<SuiteResult> {
  heading(`${name[0]?.toUpperCase()}${name.slice(1)}: ${files.length} files`);
  return runSuite({
    name,
    root,
    files,
    concurrency,
    deadlineMs: 1000 * Number(flags["file-deadline"] ?? deadlineSeconds),
    env: { ...(await propertySeed), ...env },
    testNamePattern: flags.test,
    verbose: flags.verbose || concurrency === 1,
    signal: interrupted.signal,
    print,
  });
}

async function runEndToEnd(version: string, files: readonly string[]): Promise<readonly SuiteResult[]> {
  const wish = { files, areNamed: names.length > 0, devClusterOnly: flags["dev-cluster"] };
  const plan = planEndToEnd(wish, await lookAround(version, wish.devClusterOnly));
  for (const { title, reason } of plan.skips) print(`\nnot run ${title}: ${reason}`);
  const results = [skipped(plan.skips)];
  const env = { VIRTUAL_KUBELET_KUBERNETES_VERSION: version };
  if (plan.real.length > 0)
    results.push(await runTests(`end-to-end tests on Kubernetes ${version}`, plan.real, lanes, 1200, env));
  if (plan.devCluster.length > 0) {
    const devEnv = { ...env, VIRTUAL_KUBELET_CONTROL_PLANE: "dev-cluster" };
    results.push(await runTests("end-to-end tests on the development cluster", plan.devCluster, lanes, 1200, devEnv));
  }
  return results;
}

/** Builds what can be built before the first test, which has a deadline. */
async function lookAround(version: string, devClusterOnly: boolean): Promise<Machine> {
  const options = { version, onProgress: print, signal: interrupted.signal };
  const whyNot = async (find: () => Promise<unknown>): Promise<string | undefined> => {
    try {
      await find();
      return undefined;
    } catch (error) {
      if (!isErrorKind(error, "Unavailable")) throw error;
      return errorText(error);
    }
  };
  const noControlPlane = devClusterOnly ? undefined : await whyNot(() => findControlPlaneBinaries(options));
  const isReal = !devClusterOnly && noControlPlane === undefined;
  const hasKubectl = isReal
    ? (await whyNot(() => findKubectl(options))) === undefined
    : (await findOnPath("kubectl")) !== undefined;
  const noPeers = await whyNot(async () => {
    for (const peer of isReal ? peerNames : []) await findPeer(peer, options);
  });
  const blind = findBrowser() === undefined ? noBrowser : undefined;
  const isRoot = process.platform === "linux" && process.getuid?.() === 0;
  const noRoot = isRoot ? undefined : "they need root on Linux";
  const noContainers = noRoot ?? (await missing(["podman", "runc", "busybox", "docker-registry", "htpasswd"]));
  return { noControlPlane, noPeers, noBrowser: blind, noRoot, noContainers, hasKubectl, isCi: mayNotSkip() };
}

async function missing(programs: readonly string[]): Promise<string | undefined> {
  const found = await Promise.all(programs.map((program) => findOnPath(program)));
  const lacking = programs.filter((_, index) => found[index] === undefined);
  return lacking.length === 0 ? undefined : `there is no ${lacking.join(", ")} on the PATH`;
}

function skipped(skips: SuiteResult["skips"]): SuiteResult {
  return { name: "not run", passed: 0, failures: [], skips, milliseconds: 0 };
}

function mayNotSkip(): boolean {
  return !["", "0", "false"].includes(process.env["CI"] ?? "");
}

function heading(text: string): void {
  print(`\n== ${text}`);
}

function conclude(results: readonly SuiteResult[]): void {
  interrupted.signal.throwIfAborted();
  const skips = results.flatMap((result) => result.skips);
  const failures = [
    ...results.flatMap((result) => result.failures),
    ...(mayNotSkip() ? skips.map(({ title, reason }) => ({ title, place: "", details: `skipped: ${reason}` })) : []),
  ];
  const left = mayNotSkip() ? [] : skips;
  if (left.length > 0) heading("Skipped");
  for (const { title, reason } of left) print(`- ${title}: ${reason}`);
  if (failures.length > 0) heading("Failed");
  for (const { title, place, details } of failures)
    print(`\n✖ ${title}${place === "" ? "" : `\n  at ${place}`}\n${details}`);
  heading("Summary");
  for (const result of results.filter(({ milliseconds }) => milliseconds > 0))
    print(`${result.name}: ${seconds(result.milliseconds)}`);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const parts = [`${passed} passed`, `${failures.length} failed`];
  if (left.length > 0) parts.push(`${left.length} skipped`);
  process.exitCode = failures.length === 0 ? 0 : 1;
  print(parts.join(", "));
}

if (flags.help) {
  print(usage);
} else {
  try {
    await main();
  } catch (error) {
    console.error(interrupted.signal.aborted ? "Interrupted." : errorText(error));
    process.exitCode = interrupted.signal.aborted ? 130 : 1;
  }
}
