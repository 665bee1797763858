// The sub-command `trial`: its options read, then run; wrong usage is told.
import { UsageError } from "../program/fault.ts";
import type { ProgramInput } from "../program/load-config.ts";
import { readTrialOptions } from "./options.ts";
import { runTrial } from "./trial.ts";

export interface TrialCommandInput extends ProgramInput {
  /** Tells of wrong usage; answers the exit code. */
  readonly usage: (message: string) => number;
}

export async function trial({ argv, env, cwd, usage }: TrialCommandInput): Promise<number> {
  try {
    const options = readTrialOptions(argv.slice(argv.indexOf("trial") + 1), cwd);
    return await runTrial({ options, env, cwd });
  } catch (error) {
    if (error instanceof UsageError) return usage(error.message);
    throw error;
  }
}
