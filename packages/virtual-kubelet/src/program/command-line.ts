// Reads the command line as Go programs do: --flag value, --flag=value, --boolean, --boolean=false; all faults at once.
import { parseArgs } from "node:util";
import { hint } from "./closest.ts";
import type { Fault } from "./fault.ts";
import { type FlagSpec, flagSpecs } from "./flags.ts";

export interface CommandLine {
  /** Words that are no flags: the sub-command and its arguments. */
  readonly words: readonly string[];
  /** Texts given per flag, in order. */
  readonly given: ReadonlyMap<FlagSpec, readonly string[]>;
  readonly faults: readonly Fault[];
}

const byName = new Map(flagSpecs.map((spec) => [spec.name, spec]));
const shortNames: Readonly<Record<string, string>> = { h: "help", v: "version" };

export function parseCommandLine(argv: readonly string[]): CommandLine {
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      flagSpecs.map(({ name, kind }) => [name, { type: kind === "boolean" ? "boolean" : "string" } as const]),
    ),
  });
  const words: string[] = [];
  const given = new Map<FlagSpec, string[]>();
  const faults: Fault[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const spec = byName.get(token.rawName.startsWith("--") ? token.name : (shortNames[token.name] ?? ""));
    const value = token.value ?? (spec?.kind === "boolean" ? "true" : undefined);
    if (spec === undefined) {
      faults.push({ source: token.rawName, message: `unknown flag${hint(token.name, byName.keys(), "--")}` });
    } else if (value === undefined) faults.push({ source: token.rawName, message: "needs a value" });
    else given.set(spec, [...(given.get(spec) ?? []), value]);
  }
  return { words, given, faults };
}
