// Configuration of a provider, from the object in the program's configuration or from a file of its own; all its faults at once.
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { parse } from "yaml";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { pathText } from "./config-words.ts";
import { type Path, type SchemaFault, unknownKeys } from "./schema-walk.ts";

export interface ProviderConfigSource {
  /** File in JSON or YAML. */
  readonly path?: string | undefined;
  readonly object?: unknown;
}

/** Throws Invalid with all faults in one message. `provider`: its name. */
export function checkedConfig<T>(provider: string, schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const lines = configFaults(schema, value, result.issues);
  throw new VirtualKubeletError("Invalid", `configuration of the ${provider} provider: ${lines.join("; ")}`);
}

/** What a configuration file of the program has at its top, and a provider's has not. */
const ofProgram: ReadonlySet<string> = new Set(["nodes", "nodeDefaults"]);
const programs =
  "unknown setting: a configuration of the program is given by --config; here stands what it has under provider.config of a node";

/** Each fault with the path of its field: settings that there are not, with those that may be meant, and values that cannot be. */
export function configFaults<T>(
  schema: v.GenericSchema<unknown, T>,
  value: unknown,
  issues: readonly v.BaseIssue<unknown>[],
): readonly string[] {
  const unknown = unknownKeys(schema, value).map(
    (fault): SchemaFault => (ofProgram.has(pathText(fault.path)) ? { ...fault, message: programs } : fault),
  );
  const others = issues.flatMap((issue) =>
    leaves(issue).map((leaf) => ({
      path: leaf === issue ? pathOf(issue) : [...pathOf(issue), ...pathOf(leaf)],
      message: words(leaf),
    })),
  );
  const named = unknown.map(({ path }) => pathText(path));
  const isNamed = (path: string): boolean => named.some((one) => path === one || path.startsWith(`${one}.`));
  return [...others.filter(({ path }) => !isNamed(pathText(path))), ...unknown].map(line);
}

const line = ({ path, message }: SchemaFault): string =>
  path.length === 0 ? message : `${pathText(path)}: ${message}`;

function pathOf({ path }: v.BaseIssue<unknown>): Path {
  return (path ?? []).map(({ key }) => (typeof key === "number" ? key : String(key)));
}

/** A union says only that nothing matched: what is wrong stands in its parts. */
function leaves(issue: v.BaseIssue<unknown>): readonly v.BaseIssue<unknown>[] {
  const parts = (issue.issues ?? []).filter((part) => part.kind === "transformation" || part.kind === "validation");
  return parts.length > 0 ? parts : [issue];
}

const kinds: Readonly<Record<string, string>> = {
  number: "a number",
  boolean: "true or false",
  string: "a text",
  Object: "a map",
  Array: "a list",
};

/** The library's own words, in ours; values are not shown: they may be secrets. */
function words({ message }: v.BaseIssue<unknown>): string {
  if (/^Invalid key: Expected ".*" but received undefined$/.test(message)) return "is required";
  if (/^Invalid key: Expected never\b/.test(message)) return "unknown setting";
  const [, expected = ""] = /^Invalid type: Expected (.+) but received /.exec(message) ?? [];
  const options = [...expected.matchAll(/"([^"]*)"/g)].map(([, option]) => option);
  if (options.length > 0) return `must be one of ${options.join(", ")}`;
  if (kinds[expected] !== undefined) return `must be ${kinds[expected]}`;
  const [, what = "", sign = "", amount = ""] =
    /^Invalid (value|length): Expected ([<>]=)(\S+) but received /.exec(message) ?? [];
  if (amount !== "") return `must ${what === "value" ? "be" : "have"} at ${sign === ">=" ? "least" : "most"} ${amount}`;
  return message.startsWith("Invalid integer: ") ? "must be a whole number" : message;
}

/** Checked by `check`, which throws; without either it is an empty object. Throws Invalid for both, or what cannot be read. */
export async function readProviderConfig<T>(
  provider: string,
  { path, object }: ProviderConfigSource,
  check: (value: unknown) => T,
): Promise<T> {
  if (path === undefined) return check(object ?? {});
  if (object !== undefined)
    throw new VirtualKubeletError(
      "Invalid",
      `the ${provider} provider takes its configuration from a file or in place, not both`,
    );
  return check(await parsedFile(path));
}

async function parsedFile(path: string): Promise<unknown> {
  try {
    return parse(await readFile(path, "utf8"));
  } catch (cause) {
    throw new VirtualKubeletError("Invalid", `cannot read ${path}: ${errorText(cause)}`, { cause });
  }
}
