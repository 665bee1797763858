// The sub-commands that look at things and end: their flags beside the program's own, and how they are described in --help.
import type { CommandFlag } from "./command-line.ts";

export interface SubCommandSpec {
  readonly name: "plan" | "why" | "doctor";
  /** Operands and flags, for --help. */
  readonly usage: string;
  readonly about: string;
  readonly flags: readonly CommandFlag[];
}

const output: CommandFlag = { name: "output", short: "o", kind: "text" };

export const subCommands: readonly SubCommandSpec[] = [
  {
    name: "plan",
    usage: "plan -f FILE",
    about: "what pods would become here, or what refuses them",
    flags: [{ name: "filename", short: "f", kind: "text" }, output],
  },
  {
    name: "why",
    usage: "why POD [-n NS]",
    about: "why a pod is where it is, and what to do",
    flags: [{ name: "namespace", short: "n", kind: "text" }, output],
  },
  { name: "doctor", usage: "doctor", about: "checks cluster, rights, network and provider", flags: [output] },
];
