// Which trials of this user run: each leaves a file with its kubeconfig where the other sub-commands look for it.
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { isObject } from "../kube/stored.ts";

export interface RunningTrial {
  readonly pid: number;
  readonly kubeconfig: string;
  readonly server: string;
  /** Its nodes' configuration file. */
  readonly config: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** $XDG_STATE_HOME or ~/.local/state, below it a directory of ours. */
export function trialsDirectory(env: Environment): string {
  const state = env["XDG_STATE_HOME"] || join(env["HOME"] || homedir(), ".local/state");
  return join(state, "virtual-kubelet/trials");
}

/** Until what it answers is called, which leaves no empty directory. Throws where the file cannot be written. */
export function announceTrial(trial: RunningTrial, env: Environment): () => void {
  const directory = trialsDirectory(env);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, `${trial.pid}.json`);
  rmSync(file, { force: true });
  writeFileSync(file, `${JSON.stringify(trial)}\n`, { mode: 0o600, flag: "wx" });
  return () => {
    rmSync(file, { force: true });
    removeEmpty(directory);
    removeEmpty(dirname(directory));
  };
}

/** Of the environment and the flags --kubeconfig and --context: where none says which cluster is meant, the newest that runs. */
export function meantTrial(env: Environment, ...flags: readonly (string | undefined)[]): RunningTrial | undefined {
  const isSaid = Boolean(env["KUBECONFIG"]) || flags.some((flag) => flag !== undefined);
  return isSaid ? undefined : runningTrials(env)[0];
}

/** A line for those who may have meant another cluster. */
export const trialNote = ({ server }: RunningTrial): string =>
  `Of the trial that runs at ${server}; --kubeconfig FILE is for another cluster.\n`;

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // Another trial, or somebody else, has something in it.
  }
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
    const { pid, kubeconfig, server, config, startedAt } = content;
    if (typeof pid !== "number" || typeof kubeconfig !== "string") return undefined;
    if (typeof server !== "string" || typeof startedAt !== "number" || typeof config !== "string") return undefined;
    lstatSync(kubeconfig);
    return { pid, kubeconfig, server, config, startedAt };
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
