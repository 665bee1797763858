// What the command line asks for: help, version, the list of providers, the configuration, or to run. Answers with the exit code.
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { parseCommandLine } from "./command-line.ts";
import { renderFaults, UsageError } from "./fault.ts";
import { flagText, type LoadedConfig, loadConfig, type ProgramInput } from "./load-config.ts";

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface ProgramOptions extends ProgramInput {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Runs the daemon with the configuration until it is stopped. */
  readonly run: (loaded: LoadedConfig, log: Logger) => Promise<void>;
}

/** 0: ended well; 1: fault; 2: wrong usage or configuration. */
export async function program(options: ProgramOptions): Promise<number> {
  const { stdout, stderr } = options;
  const line = parseCommandLine(options.argv);
  const [command, ...operands] = line.words;
  const usage = (message: string, where = ""): number => {
    stderr.write(`${message}\nTry "virtual-kubelet ${where}--help".\n`);
    return 2;
  };
  if (isGiven(flagText(line, "help")) || command === "help") {
    const width = Math.min(stdout.columns ?? 100, 120);
    const { subCommands } = await import("./sub-commands.ts");
    const spec = subCommands.find(({ name }) => name === (command === "help" ? operands[0] : command));
    if (spec === undefined) {
      const { helpText } = await import("./help.ts");
      stdout.write(helpText({ width, color: stdout.isTTY === true }));
    } else {
      const { subCommandHelp } = await import("./sub-command-help.ts");
      stdout.write(subCommandHelp({ ...spec, usage: `virtual-kubelet ${spec.usage}` }, width));
    }
    return 0;
  }
  if (isGiven(flagText(line, "version")) || command === "version") {
    stdout.write((await import("./version.ts")).versionText());
    return 0;
  }
  if (command === "providers") return providers(operands, stdout, stderr);
  if (command !== undefined) {
    const { kubectlVerbs, subCommands } = await import("./sub-commands.ts");
    const spec = subCommands.find(({ name }) => name === command);
    const ofCommand = (message: string): number => usage(message, `${command} `);
    switch (spec?.name) {
      case "plan":
      case "why":
      case "doctor": {
        const { runSubCommand } = await import("../diagnosis/run.ts");
        return runSubCommand({ ...spec, name: spec.name }, { ...options, usage: ofCommand });
      }
      case "get":
      case "logs":
      case "exec": {
        const { runCommand } = await import("../commands/run.ts");
        return runCommand({ ...spec, name: spec.name }, { ...options, usage: ofCommand });
      }
      case "trial":
        return (await import("../trial/command.ts")).trial({ ...options, usage: ofCommand });
    }
    if (options.argv[0] === command && kubectlVerbs.has(command))
      return usage(`"${command}" is kubectl's; here are get, logs and exec, and why for what is with a pod`);
    // What stands behind an unknown flag looks like a command.
    if (line.faults.length > 0) return usage(renderFaults(line.faults));
    const { hint } = await import("../host/closest.ts");
    const names = [...subCommands.map(({ name }) => name), "providers", "version", "help"];
    return usage(`unknown command "${command}"${hint(command, names)}`);
  }

  let loaded: LoadedConfig;
  try {
    loaded = await loadConfig(options, line);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // Who types the name alone is new here.
    const look = options.argv.length === 0 ? '\nJust looking? "virtual-kubelet trial" needs no cluster.' : "";
    return usage(error.message + look);
  }
  const { config } = loaded;
  if (isGiven(flagText(line, "print-config"))) {
    stdout.write((await import("./print-config.ts")).printConfig(config));
    return 0;
  }
  const { createLogger } = await import("./logging.ts");
  const log = createLogger(config.logging);
  try {
    await options.run(loaded, log);
    log.info({}, "stopped");
    return 0;
  } catch (error) {
    if (error instanceof UsageError) return usage(error.message);
    const internal = VirtualKubeletError.from(error).kind === "Internal" && error instanceof Error;
    log.error({ err: error, ...(internal ? { stack: error.stack } : {}) }, "ended by a fault");
    return 1;
  }
}

/** A boolean flag that the configuration does not check. */
function isGiven(text: string | undefined): boolean {
  return text !== undefined && !/^(0|f|false)$/i.test(text);
}

async function providers(names: readonly string[], stdout: Output, stderr: Output): Promise<number> {
  const { builtInProviders, isBuiltIn } = await import("./load-provider.ts");
  const [name] = names;
  if (name === undefined) {
    for (const known of builtInProviders) stdout.write(`${known.name}\n`);
    return 0;
  }
  if (!isBuiltIn(name)) {
    stderr.write(`no such provider: ${name}\n`);
    return 1;
  }
  stdout.write(`${name}\n`);
  return 0;
}
