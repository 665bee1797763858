// What a sub-command that does as kubectl does is given, and how it reads its flags.
import type { CommandLine } from "../program/command-line.ts";
import { flagText } from "../program/load-config.ts";

export interface Invocation {
  readonly line: CommandLine;
  /** The words after the command. */
  readonly operands: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** Of the last use of a boolean flag. */
export function isSet(line: CommandLine, name: string): boolean {
  const text = flagText(line, name);
  return text !== undefined && !/^(0|f|false)$/i.test(text);
}

/** The command was used wrongly; the program ends with code 2. */
export class WrongUse extends Error {
  override readonly name = "WrongUse";
}
