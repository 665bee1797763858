// The command line of `npm start`: that of the trial, and which real control plane it is to be on. All faults at once.
import { errorText } from "../../packages/virtual-kubelet/src/errors.ts";
import { closest } from "../../packages/virtual-kubelet/src/host/closest.ts";
import type { CommandFlag } from "../../packages/virtual-kubelet/src/program/command-line.ts";
import { UsageError } from "../../packages/virtual-kubelet/src/program/fault.ts";
import { subCommandHelp } from "../../packages/virtual-kubelet/src/program/sub-command-help.ts";
import { subCommands } from "../../packages/virtual-kubelet/src/program/sub-commands.ts";
import { kubernetesVersions, resolveKubernetesVersion } from "../../packages/virtual-kubelet/src/testing/binaries.ts";
import { readTrialOptions, type TrialOptions } from "../../packages/virtual-kubelet/src/trial/options.ts";

const kubernetes: CommandFlag = {
  name: "kubernetes",
  kind: "text",
  value: "VERSION",
  about: `Uses a real control plane on this machine, built with Go once (some minutes): ${kubernetesVersions.join(", ")}.`,
};
const trial = subCommands.find(({ name }) => name === "trial");
const flags: readonly CommandFlag[] = [...(trial?.flags ?? []), kubernetes];

export interface StartOptions {
  readonly trial: TrialOptions;
  /** Version of the real control plane; undefined: none. */
  readonly kubernetes?: string | undefined;
}

export const usage = (width: number): string =>
  subCommandHelp(
    {
      usage: "npm start -- [options]",
      about:
        "Starts a Kubernetes control plane in one process with a virtual node on it, runs a sample there and shows what happens. Ctrl-C stops and deletes everything. Nothing else is needed: no Go, no container engine, no cluster.",
      flags,
    },
    width,
  );

/** Relative paths are meant from `cwd`. Throws UsageError. */
export function readOptions(argv: readonly string[], env: NodeJS.ProcessEnv, cwd: string): StartOptions | "help" {
  if (argv.some((word) => ["-h", "--help", "help"].includes(word))) return "help";
  const { version, rest } = takeVersion(argv);
  const faults: { source: string; message: string }[] = [];
  let found: string | undefined;
  if (version !== undefined) {
    try {
      found = resolveKubernetesVersion(version === "" ? undefined : version, env);
    } catch (error) {
      faults.push({ source: "--kubernetes", message: errorText(error) });
    }
  }
  try {
    const options = readTrialOptions(rest, cwd, "npm start");
    if (version !== undefined && options.cluster.kind === "existing")
      faults.push({ source: "--kubernetes", message: "has no effect on a cluster that is there already" });
    if (version !== undefined && options.cluster.kind === "own" && options.cluster.directory !== undefined)
      faults.push({ source: "--directory", message: "is for the control plane in one process, not for --kubernetes" });
    if (faults.length === 0) return { trial: options, kubernetes: found };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    faults.push(...error.faults.map((fault) => forNpm(fault)));
  }
  throw new UsageError(faults);
}

function takeVersion(argv: readonly string[]): {
  readonly version: string | undefined;
  readonly rest: readonly string[];
} {
  const rest: string[] = [];
  let version: string | undefined;
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? "";
    if (word === "--kubernetes") {
      const next = argv[index + 1];
      version = next === undefined || next.startsWith("-") ? "" : next;
      if (version !== "") index += 1;
    } else if (word.startsWith("--kubernetes=")) version = word.slice("--kubernetes=".length);
    else rest.push(word);
  }
  return { version, rest };
}

/** npm takes options itself unless `--` stands before them, and passes on their values alone. */
function forNpm({ source, message }: { source: string; message: string }): { source: string; message: string } {
  if (source.startsWith("-") && closest(source.slice(2), ["kubernetes"]) !== undefined)
    return { source, message: `${message} (did you mean --kubernetes?)` };
  if (source.startsWith("-") || message.includes("did you mean")) return { source, message };
  return { source, message: `${message}; options go behind \`npm start --\`` };
}
