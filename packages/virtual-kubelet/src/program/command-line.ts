// Reads the command line as Go programs do: --flag value, --flag=value, --boolean, --boolean=false; all faults at once.
import { parseArgs } from "node:util";
import { hint } from "../host/closest.ts";
import type { Fault } from "./fault.ts";
import { type FlagSpec, flagSpecs } from "./flags.ts";

export interface CommandLine {
  /** Words that are no flags: the sub-command and its arguments. */
  readonly words: readonly string[];
  /** Texts given per flag, in order. */
  readonly given: ReadonlyMap<FlagSpec, readonly string[]>;
  readonly faults: readonly Fault[];
}

/** A flag of one sub-command; it goes before one of the program with the same name. */
export interface CommandFlag extends FlagSpec {
  /** One letter: `-o`. */
  readonly short?: string;
}

const shortNames: Readonly<Record<string, string>> = { h: "help", v: "version" };

/** `further`: flags of the sub-command, beside those of the program. */
export function parseCommandLine(argv: readonly string[], further: readonly CommandFlag[] = []): CommandLine {
  const byName = new Map([...flagSpecs, ...further].map((spec) => [spec.name, spec]));
  const shorts = new Map(further.map(({ name, short }) => [name, short]));
  const { tokens } = parseArgs({
    args: [...argv],
    strict: false,
    tokens: true,
    options: Object.fromEntries(
      [...byName.values()].map(({ name, kind }) => {
        const short = shorts.get(name);
        const type = kind === "boolean" ? "boolean" : "string";
        return [name, { type, ...(short === undefined ? {} : { short }) } as const];
      }),
    ),
  });
  const words: string[] = [];
  const given = new Map<FlagSpec, string[]>();
  const faults: Fault[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const spec = byName.get(
      token.rawName.startsWith("--") || shorts.has(token.name) ? token.name : (shortNames[token.name] ?? ""),
    );
    // "-o=json": the letter's value is all that stands behind it.
    const text = token.rawName.startsWith("--") ? token.value : token.value?.replace(/^=/, "");
    const value = text ?? (spec?.kind === "boolean" ? "true" : undefined);
    if (spec === undefined) {
      faults.push({ source: token.rawName, message: `unknown flag${hint(token.name, byName.keys(), "--")}` });
    } else if (value === undefined) faults.push({ source: token.rawName, message: "needs a value" });
    // Those of the program are checked with its configuration.
    else if (spec.kind === "boolean" && shorts.has(spec.name) && !/^(0|f|false|1|t|true)$/i.test(value))
      faults.push({ source: token.rawName, message: `"${value}" must be true or false` });
    else given.set(spec, [...(given.get(spec) ?? []), value]);
  }
  return { words, given, faults };
}
