// The program as a user runs it: built, then started as a process of its own, which never outlives this one.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import type { ManagedProcess, ProcessGroup } from "../../packages/virtual-kubelet/src/testing/processes.ts";

const root = join(import.meta.dirname, "../..");
const executable = join(root, "packages/virtual-kubelet/bin/virtual-kubelet.js");

/** tsc itself sees what is out of date; when nothing is, this takes a moment. */
export async function buildProgram(signal: AbortSignal): Promise<void> {
  const child = spawn(join(root, "node_modules/.bin/tsc"), ["-b", "packages/virtual-kubelet"], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    signal,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const [code]: unknown[] = await once(child, "close");
  if (code !== 0) throw new VirtualKubeletError("Invalid", `the build failed (tsc -b):\n${output.trim()}`);
}

export interface Program {
  /** As it can be typed. */
  readonly command: string;
  readonly logFile: string;
  /** Resolves to why, when it ends, asked or not. */
  readonly ended: Promise<string>;
  logTail(): Promise<string>;
  /** `host:port` of its metrics, once it has said so. */
  metricsAddress(): Promise<string | undefined>;
  /** Ends it as its user would; by force when that takes longer than `limitMs`, which is answered with false. */
  stop(limitMs: number): Promise<boolean>;
}

export interface ProgramOptions {
  readonly group: ProcessGroup;
  readonly node: string;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** Address for the node and its kubelet API; default: the program's choice, on all of the machine's. */
  readonly address?: string | undefined;
}

export async function startProgram(options: ProgramOptions): Promise<Program> {
  const { group, node, kubeconfig, context, address } = options;
  const args = ["--nodename", node, "--provider", "mock", "--shutdown-node", "delete"];
  if (kubeconfig !== undefined) args.push("--kubeconfig", kubeconfig);
  if (context !== undefined) args.push("--kube-context", context);
  if (address !== undefined) args.push("--node-ip", address, "--kubelet-address", address);
  // Free ports, for others may run here; and lines for people, though they go to a file.
  args.push("--kubelet-port", "0");
  const quiet = ["--metrics-addr", "127.0.0.1:0", "--log-format", "pretty"];
  const child = await group.start("virtual-kubelet", process.execPath, [executable, ...args, ...quiet]);
  return {
    command: `${relative(process.cwd(), join(root, "node_modules/.bin/virtual-kubelet"))} ${args.map(quote).join(" ")}`,
    logFile: child.logFile,
    ended: child.ended.then(({ code, signal }) => signal ?? `code ${code}`),
    logTail: () => child.logTail(2048),
    metricsAddress: async () => /127\.0\.0\.1:[1-9]\d*/.exec(await child.logTail(65_536))?.[0],
    stop: (limitMs) => stop(child, limitMs),
  };
}

async function stop(child: ManagedProcess, limitMs: number): Promise<boolean> {
  const timeout = new AbortController();
  const late = sleep(limitMs, true, { signal: timeout.signal }).catch(() => false);
  const wasLate = await Promise.race([child.kill("SIGTERM").then(() => false), late]);
  timeout.abort();
  if (wasLate) await child.kill();
  return !wasLate;
}

/** For a POSIX shell, where it is needed. */
export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
