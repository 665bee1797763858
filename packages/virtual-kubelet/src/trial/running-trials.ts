// Which trials of this user run: each leaves a file with its kubeconfig where the other sub-commands look for it.
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { isObject } from "../kube/stored.ts";

export interface RunningTrial {
  readonly pid: number;
  readonly kubeconfig: string;
  readonly server: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** $XDG_STATE_HOME or ~/.local/state, below it a directory of ours. */
export function trialsDirectory(env: Environment): string {
  const state = env["XDG_STATE_HOME"] || join(env["HOME"] || homedir(), ".local/state");
  return join(state, "virtual-kubelet/trials");
}

/** Answers the path of the file, which is to be deleted at the end. Throws where it cannot be written. */
export function announceTrial(trial: RunningTrial, env: Environment): string {
  const directory = trialsDirectory(env);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, `${trial.pid}.json`);
  rmSync(file, { force: true });
  writeFileSync(file, `${JSON.stringify(trial)}\n`, { mode: 0o600, flag: "wx" });
  return file;
}

/** Those whose process lives, the newest first; what others left behind is deleted. */
export function runningTrials(env: Environment): readonly RunningTrial[] {
  const directory = trialsDirectory(env);
  const found: RunningTrial[] = [];
  let names: readonly string[];
  try {
    names = readdirSync(directory).filter((name) => /^\d+\.json$/.test(name));
  } catch {
    return [];
  }
  for (const name of names) {
    const file = join(directory, name);
    const trial = readTrial(file);
    if (trial !== undefined && isAlive(trial.pid)) found.push(trial);
    else rmSync(file, { force: true });
  }
  return found.toSorted((a, b) => b.startedAt - a.startedAt);
}

/** Undefined for what this user has not written, or that says nothing of a kubeconfig that is there. */
function readTrial(file: string): RunningTrial | undefined {
  try {
    const { uid, mode } = lstatSync(file);
    if ((process.getuid !== undefined && uid !== process.getuid()) || (mode & 0o022) !== 0) return undefined;
    const content: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (!isObject(content)) return undefined;
    const { pid, kubeconfig, server, startedAt } = content;
    if (typeof pid !== "number" || typeof kubeconfig !== "string") return undefined;
    if (typeof server !== "string" || typeof startedAt !== "number") return undefined;
    lstatSync(kubeconfig);
    return { pid, kubeconfig, server, startedAt };
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
