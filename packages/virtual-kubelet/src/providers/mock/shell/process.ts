// What a simulated command gets to work with: arguments, streams, environment, files and the facts of its container.
import type { Clock } from "../../../clock.ts";
import type { TerminalSize } from "../../../provider/streams.ts";
import { type Input, type Output, print } from "./bytes.ts";
import { absolute, type Files } from "./files.ts";

/** The container in which commands run. */
export interface Machine {
  readonly hostname: string;
  readonly clock: Clock;
  readonly files: Files;
  /** Undefined: the command has no terminal. */
  readonly terminal?: TerminalOfProcess | undefined;
}

export interface TerminalOfProcess {
  /** Waits a moment for the first one. */
  size(): Promise<TerminalSize>;
  /** Who is told of ctrl-C from now on, until the returned function is called; true: whoever reads is to see an end. */
  onInterrupt(listener: () => boolean): () => void;
}

export interface Process {
  readonly machine: Machine;
  /** Without the command's own name. */
  readonly args: readonly string[];
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly environment: ReadonlyMap<string, string>;
  readonly directory: string;
  /** Aborted: end now. Reads then answer with the end, writes with false. */
  readonly signal: AbortSignal;
}

/** Answers with the exit code. */
export type Command = (process: Process) => Promise<number>;

/** As a command that was ended by a signal: 128 and its number. */
export const killedByInterrupt = 130;
export const brokenPipe = 141;

/** Says what went wrong, and answers with the exit code to return. */
export async function fail(process: Pick<Process, "stderr">, message: string, code = 1): Promise<number> {
  await print(process.stderr, `${message}\n`);
  return code;
}

/** Writes text; answers with the exit code. */
export async function say(process: Pick<Process, "stdout">, text: string): Promise<number> {
  return (await print(process.stdout, text)) ? 0 : brokenPipe;
}

export function pathOf(process: Pick<Process, "directory">, path: string): string {
  return absolute(process.directory, path);
}
