// From command line, environment and file to the checked configuration, and what has to be said about it in the log.
import { type CommandLine, parseCommandLine } from "./command-line.ts";
import type { Config } from "./config.ts";
import { UsageError } from "./fault.ts";
import { environmentLayer, flagLayer } from "./overrides.ts";
import { resolveConfig } from "./resolve-config.ts";

export interface ProgramInput {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** To be logged at start: what was given and has no effect. */
  readonly notices: readonly string[];
  /** The metrics address was asked for: that it cannot be had is a fault, not a warning. */
  readonly metricsAddrGiven: boolean;
}

/** Text of the last use of a flag that the program itself looks at. */
export function flagText(line: CommandLine, name: string): string | undefined {
  for (const [spec, texts] of line.given) if (spec.name === name) return texts.at(-1);
  return undefined;
}

/** Throws UsageError with all faults of all sources. */
export async function loadConfig(
  input: ProgramInput,
  line: CommandLine = parseCommandLine(input.argv),
): Promise<LoadedConfig> {
  const flags = flagLayer(line.given);
  const environment = environmentLayer(input.env);
  const path = flagText(line, "config");
  const file =
    path === undefined || path === ""
      ? undefined
      : await (await import("./config-file.ts")).readConfigFile(path, input.cwd);
  const { config, faults } = resolveConfig({ flags, environment, file });
  const all = [...line.faults, ...faults];
  if (all.length > 0) throw new UsageError(all);
  const layers = [flags, environment, ...(file === undefined ? [] : [file])];
  const given = (setting: string): string | undefined =>
    layers.map((layer) => layer.sourceOf(setting)).find((source) => source !== undefined);

  const verbose = Number(flagText(line, "klog.v") ?? 0) > 0 && flagText(line, "log-level") === undefined;
  return {
    config: verbose ? { ...config, logging: { ...config.logging, level: "debug" } } : config,
    notices: ignoredFlags(line),
    metricsAddrGiven: given("metricsAddr") !== undefined,
  };
}

function ignoredFlags(line: CommandLine): string[] {
  const notices: string[] = [];
  for (const [{ name, ignored }] of line.given) {
    if (ignored !== undefined) notices.push(`--${name} has no effect: ${ignored}`);
    if (name === "taint") notices.push("--taint is deprecated: use VKUBELET_TAINT_KEY or the configuration file");
  }
  return notices;
}
