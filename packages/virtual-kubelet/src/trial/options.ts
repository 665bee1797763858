// The command line of `virtual-kubelet trial`: everything that is wrong with it is told at once.
import { resolve } from "node:path";
import { hint } from "../host/closest.ts";
import { type CommandLine, parseCommandLine } from "../program/command-line.ts";
import { parseDuration } from "../program/duration.ts";
import { type Fault, UsageError } from "../program/fault.ts";
import type { FlagSpec } from "../program/flags.ts";
import { subCommands } from "../program/sub-commands.ts";

export type TrialProvider = "mock" | "process" | "containers";
const providers: readonly TrialProvider[] = ["mock", "process", "containers"];

export type TrialCluster =
  | {
      /** A new one in this process. */
      readonly kind: "own";
      /** Absolute; its state is kept there. Undefined: in memory. */
      readonly directory?: string | undefined;
    }
  | {
      readonly kind: "existing";
      /** Absolute path; undefined: what the environment says. */
      readonly kubeconfig?: string | undefined;
      readonly context?: string | undefined;
    };

export interface TrialOptions {
  readonly cluster: TrialCluster;
  readonly provider: TrialProvider;
  /** Of the sample's containers, where they are no simulation. */
  readonly image: string;
  /** Address of the container engine; undefined: the one that is found. */
  readonly engine?: string | undefined;
  readonly nodes: number;
  /** Show the web view in a browser. */
  readonly open: boolean;
  readonly exitAfterReady: boolean;
  readonly timeLimitMs: number;
}

const mostNodes = 100;

/** Throws UsageError. Relative paths are meant from `cwd`. `command`: what stands before the options, for messages. */
export function readTrialOptions(argv: readonly string[], cwd: string, command = "trial"): TrialOptions {
  const own = subCommands.find(({ name }) => name === "trial")?.flags ?? [];
  const line = parseCommandLine(["trial", ...argv], own);
  const faults: Fault[] = [...line.faults, ...strangers(line, own, command)];
  const given = (name: string): string | undefined => {
    for (const [spec, texts] of line.given) if (spec.name === name) return texts.at(-1);
    return undefined;
  };
  const fault = (source: string, message: string): void => void faults.push({ source, message });
  const isSet = (name: string): boolean => !/^(0|f|false)$/i.test(given(name) ?? "false");

  const kubeconfig = given("kubeconfig");
  const existing = kubeconfig !== undefined || isSet("use-kubeconfig") || given("context") !== undefined;
  if (kubeconfig !== undefined && isSet("use-kubeconfig"))
    fault("--kubeconfig and --use-kubeconfig", "give only one of them");

  const provider = providers.find((each) => each === (given("provider") ?? "mock"));
  if (provider === undefined) {
    const name = given("provider") ?? "";
    fault(
      "--provider",
      `"${name}" must be mock (simulates containers), process (runs them as processes) or containers (in Docker or Podman)${hint(name, providers)}`,
    );
  }
  const directory = given("directory");
  if (directory !== undefined && existing) fault("--directory", "is for a cluster of the trial's own");
  if (directory !== undefined && provider !== "mock")
    fault("--directory", "keeps a cluster, not what runs: only with the provider mock");
  if (isSet("open") && existing) fault("--open", "is for a cluster of the trial's own: only there is a web view");
  if (given("engine") !== undefined && provider !== "containers") fault("--engine", "is for --provider containers");
  if (given("image") !== undefined && provider !== "containers") fault("--image", "is for --provider containers");

  const count = given("nodes") ?? "1";
  const nodes = /^\d+$/.test(count) ? Number(count) : 0;
  if (nodes < 1 || nodes > mostNodes) fault("--nodes", `"${count}" must be a number from 1 to ${mostNodes}`);

  const limit = given("time-limit") ?? "1m";
  const timeLimitMs = parseDuration(limit) ?? 0;
  if (timeLimitMs <= 0) fault("--time-limit", `"${limit}" is no time like 90s or 2m`);
  else if (given("time-limit") !== undefined && !isSet("exit-after-ready"))
    fault("--time-limit", "has no effect without --exit-after-ready");

  if (faults.length > 0 || provider === undefined) throw new UsageError(faults);
  return {
    cluster: existing
      ? {
          kind: "existing",
          kubeconfig: kubeconfig === undefined ? undefined : resolve(cwd, kubeconfig),
          context: given("context"),
        }
      : { kind: "own", directory: directory === undefined ? undefined : resolve(cwd, directory) },
    provider,
    image: given("image") ?? (provider === "containers" ? "busybox" : "host"),
    engine: given("engine"),
    nodes,
    open: isSet("open"),
    exitAfterReady: isSet("exit-after-ready"),
    timeLimitMs,
  };
}

/** Flags of the program that mean nothing here, and words. */
function* strangers(line: CommandLine, own: readonly FlagSpec[], command: string): Generator<Fault> {
  for (const spec of line.given.keys()) {
    if (own.includes(spec)) continue;
    const near = hint(
      spec.name,
      own.map(({ name }) => name),
      "--",
    );
    yield { source: `--${spec.name}`, message: `is not for ${command}${near}` };
  }
  for (const word of line.words.slice(1)) {
    const near = hint(
      word,
      own.map(({ name }) => name),
      "--",
    );
    yield { source: word, message: `${command} takes no arguments${near}` };
  }
}
