// Runs one of the sub-commands that look at things and end: its flags read, its faults told, its exit code answered.
import { errorText, VirtualKubeletError } from "../errors.ts";
import { printableLines } from "../printable.ts";
import { type CommandLine, parseCommandLine } from "../program/command-line.ts";
import { renderFaults, UsageError } from "../program/fault.ts";
import { flagText, type ProgramInput } from "../program/load-config.ts";
import { redactText } from "../program/redact.ts";
import type { DiagnosisName, SubCommandSpec } from "../program/sub-commands.ts";

interface Writer {
  write(text: string): unknown;
}

export interface SubCommandInput extends ProgramInput {
  readonly stdout: Writer;
  readonly stderr: Writer;
  /** Tells of wrong usage; answers the exit code. */
  readonly usage: (message: string) => number;
}

export interface Invocation extends SubCommandInput {
  readonly line: CommandLine;
  /** The words after the command. */
  readonly operands: readonly string[];
  /** -o json: for programs. */
  readonly json: boolean;
}

/** 0: all well; 1: something is not; 2: wrong usage. */
export async function runSubCommand(
  spec: SubCommandSpec & { readonly name: DiagnosisName },
  input: SubCommandInput,
): Promise<number> {
  const line = parseCommandLine(input.argv, spec.flags);
  if (line.faults.length > 0) return input.usage(renderFaults(line.faults));
  const output = flagText(line, "output") ?? "text";
  if (output !== "text" && output !== "json") return input.usage(`-o ${output}: must be text or json`);
  const [stdout, stderr] = [forTerminal(input.stdout), forTerminal(input.stderr)];
  const invocation = { ...input, stdout, stderr, line, operands: line.words.slice(1), json: output === "json" };
  try {
    switch (spec.name) {
      case "plan":
        return await (await import("./plan.ts")).plan(invocation);
      case "why":
        return await (await import("./why.ts")).why(invocation);
      case "doctor":
        return await (await import("./doctor.ts")).doctor(invocation);
    }
  } catch (error) {
    if (error instanceof UsageError) return input.usage(error.message);
    if (VirtualKubeletError.from(error).kind === "Internal") throw error;
    stderr.write(`${redactText(errorText(error))}\n`);
    return 1;
  }
}

/** What is told is others' words for the most part: of objects, of servers, of providers. JSON stays JSON. */
const forTerminal = (to: Writer): Writer => ({ write: (text) => to.write(printableLines(text)) });
