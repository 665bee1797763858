// All that a simulated container can run.
import { tar } from "./command-tar.ts";
import { fileCommands } from "./commands-files.ts";
import { systemCommands } from "./commands-system.ts";
import { textCommands } from "./commands-text.ts";
import type { Command } from "./process.ts";
import { shellCommand } from "./shell.ts";

const sh = shellCommand(() => commands);

export const commands: Readonly<Record<string, Command>> = {
  ...fileCommands,
  ...systemCommands,
  ...textCommands,
  ash: sh,
  bash: sh,
  sh,
  tar,
};
