// Runs one of the sub-commands that do as kubectl does, for who has none: flags read, faults told, the exit code answered.
import { VirtualKubeletError } from "../errors.ts";
import { parseCommandLine } from "../program/command-line.ts";
import type { ProgramInput } from "../program/load-config.ts";
import { redactText } from "../program/redact.ts";
import type { KubectlName, SubCommandSpec } from "../program/sub-commands.ts";
import { serverError } from "./cluster.ts";
import { type Invocation, WrongUse } from "./invocation.ts";

export interface CommandInput extends ProgramInput {
  /** Tells of wrong usage; answers the exit code. */
  readonly usage: (message: string) => number;
}

/** Flags of the program that say which cluster; its others mean nothing here. */
const shared: readonly string[] = ["kubeconfig", "kube-context"];

/** That of the command, for exec; else 0: all well; 1: something is not; 2: wrong usage. */
export async function runCommand(
  spec: SubCommandSpec & { readonly name: KubectlName },
  { argv, env, usage }: CommandInput,
): Promise<number> {
  const line = parseCommandLine(argv, spec.flags);
  const strangers = [...line.given.keys()]
    .filter((flag) => !spec.flags.some((own) => own === flag) && !shared.includes(flag.name))
    .map(({ name }) => ({ source: `--${name}`, message: `is not for ${spec.name}` }));
  const faults = [...line.faults, ...strangers];
  if (faults.length > 0) {
    const hint = spec.name === "exec" ? "\nFlags of the command itself go behind `--`: exec POD -- COMMAND" : "";
    return usage(faults.map(({ source, message }) => `${source}: ${message}`).join("\n") + hint);
  }
  const { stdin, stdout, stderr } = process;
  // Nobody reads on, as behind `| head`.
  stdout.on("error", () => process.exit(0));
  const input: Invocation = { line, operands: line.words.slice(1), env, stdin, stdout, stderr };
  try {
    switch (spec.name) {
      case "get":
        return await (await import("./get.ts")).get(input);
      case "logs":
        return await (await import("./logs.ts")).logs(input);
      case "exec":
        return await (await import("./exec.ts")).exec(input);
    }
  } catch (error) {
    if (error instanceof WrongUse) return usage(error.message);
    const { kind } = VirtualKubeletError.from(error);
    if (kind === "Internal") throw error;
    stderr.write(`${redactText(serverError(error))}\n`);
    return 1;
  }
}
