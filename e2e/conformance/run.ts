// One run from outside: builds what is missing, runs all in a machine of its own, tells how far it is, reads the reports, and
// leaves nothing behind, however it ends.
import { existsSync } from "node:fs";
import { mkdir, open, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errorText, VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { findControlPlaneBinaries, findKubectl } from "../../packages/virtual-kubelet/src/testing/binaries.ts";
import { cacheDirectory } from "../../packages/virtual-kubelet/src/testing/go-build.ts";
import { type ManagedProcess, ProcessGroup } from "../../packages/virtual-kubelet/src/testing/processes.ts";
import { type GinkgoReport, readGinkgoReport, type TestResult } from "./ginkgo-report.ts";
import { hostLimits } from "./host-limits.ts";
import { inMachine, nodeName, removeControlGroups } from "./machine.ts";
import { conformancePrograms, findConformanceProgram, kubernetesVersion } from "./programs.ts";
import { type Progress, progressOf } from "./progress.ts";
import { type RunSettings, writeSettings } from "./settings.ts";

export interface RunOptions extends Omit<RunSettings, "directory" | "reportDirectory" | "node" | "provider"> {
  /** Default: the containers provider. */
  readonly provider?: string | undefined;
  /** Default: a new one in the user's cache, where the ten newest stay. */
  readonly reportDirectory?: string | undefined;
  readonly print: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface RunResult {
  /** Of each repetition that came to its end. */
  readonly repetitions: readonly (readonly TestResult[])[];
  readonly faults: readonly string[];
  readonly reportDirectory: string;
}

/** Builds the programs of a run where they are missing: it has no network. */
export async function prepareRun(
  options: Pick<RunOptions, "print" | "signal"> & { readonly niceness?: number },
): Promise<void> {
  const { print, signal, niceness } = options;
  const version = { version: kubernetesVersion, onProgress: print, signal };
  await findControlPlaneBinaries(version);
  await findKubectl(version);
  for (const name of conformancePrograms) await findConformanceProgram(name, { onProgress: print, signal, niceness });
}

/** Throws Unavailable where the machine lacks something, and the signal's reason when it is ended. Needs root on Linux. */
export async function runConformance(options: RunOptions): Promise<RunResult> {
  const { print, signal } = options;
  await prepareRun(options);
  const reportDirectory = options.reportDirectory ?? (await newReportDirectory());
  await mkdir(reportDirectory, { recursive: true });
  const group = new ProcessGroup({ parent: tmpdir(), prefix: "virtual-kubelet-conformance-" });
  try {
    const { print: _, signal: __, provider = "containers", ...rest } = options;
    const file = join(group.directory, "settings.json");
    const { skip, skipped } = await hostLimits(options);
    await writeSettings(file, { ...rest, skip, provider, node: nodeName, reportDirectory, directory: group.directory });
    const inside = [process.execPath, "--conditions=source", join(import.meta.dirname, "inside.ts"), file];
    const [program = "", ...args] = inMachine(inside);
    const machine = await group.start("run", program, args);
    const kept = await follow(machine, options, reportDirectory);
    if (!kept) signal.throwIfAborted();
    const reports = await readReports(reportDirectory);
    const fault = kept || (await machine.ended).code === 0 ? [] : [await machine.logTail()];
    if (reports.length === 0)
      throw new VirtualKubeletError("Unavailable", `no test has run: ${fault.join("\n") || "none was chosen"}`);
    return {
      repetitions: reports.map(({ tests }) => [...tests, ...skipped]),
      faults: [...reports.flatMap(({ faults }) => faults), ...fault],
      reportDirectory,
    };
  } finally {
    await group.close();
    await removeControlGroups();
    print(`reports and logs: ${reportDirectory}`);
  }
}

/** Prints what the run and its tests say, until it ends or is ended. True when that was after the tests. */
async function follow(machine: ManagedProcess, options: RunOptions, reportDirectory: string): Promise<boolean> {
  const { print, signal } = options;
  const outputs = new Map<string, number>();
  const news = async (file: string): Promise<string> => {
    const { text, end } = await readFrom(file, outputs.get(file) ?? 0);
    outputs.set(file, end);
    return text;
  };
  let said = "";
  let kept = false;
  let progress: Progress = { rest: "", passed: 0, failed: 0, skipped: 0 };
  for (let running = true; running; ) {
    running = machine.running && !signal.aborted;
    const lines = `${said}${await news(machine.logFile)}`.split("\n");
    said = running ? (lines.pop() ?? "") : "";
    for (const line of lines.filter((each) => each !== "")) {
      print(line);
      if (!line.startsWith("kept")) continue;
      kept = true;
      print(`nsenter --target ${await childOf(machine.pid)} --mount --net --pid bash`);
    }
    for (let each = 1; each <= options.repeat; each++) {
      const output = join(reportDirectory, `${each}`, "output.log");
      progress = progressOf({ ...progress, rest: progress.rest + (await news(output)) }, print);
    }
    if (running) await sleep(300);
  }
  return kept;
}

async function readFrom(file: string, from: number): Promise<{ readonly text: string; readonly end: number }> {
  if (!existsSync(file)) return { text: "", end: from };
  await using handle = await open(file, "r");
  const { size } = await handle.stat();
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(size - from), 0, size - from, from);
  // Never half a character: the rest comes the next time.
  const whole = bytesRead === 0 ? 0 : buffer.lastIndexOf(0x0a, bytesRead - 1) + 1;
  return { text: buffer.toString("utf8", 0, whole), end: from + whole };
}

async function childOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim();
}

async function readReports(directory: string): Promise<readonly GinkgoReport[]> {
  const reports: GinkgoReport[] = [];
  for (const name of (await readdir(directory)).filter((each) => /^\d+$/.test(each)).sort()) {
    const file = join(directory, name, "ginkgo.json");
    try {
      reports.push(await readGinkgoReport(file));
    } catch (cause) {
      throw new VirtualKubeletError("Internal", `no report of the tests: ${errorText(cause)}`, { cause });
    }
  }
  return reports;
}

async function newReportDirectory(): Promise<string> {
  const parent = join(cacheDirectory(process.env), "conformance", "reports");
  await mkdir(parent, { recursive: true });
  const older = (await readdir(parent)).sort().slice(0, -9);
  for (const name of older) await rm(join(parent, name), { recursive: true, force: true });
  return join(parent, `${new Date().toISOString().replaceAll(/[:.]/g, "-")}-${process.pid}`);
}
