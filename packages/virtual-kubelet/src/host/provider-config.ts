// Configuration of a provider, from the object in the program's configuration or from a file of its own; all its faults at once.
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import { parse } from "yaml";
import { errorText, VirtualKubeletError } from "../errors.ts";

export interface ProviderConfigSource {
  /** File in JSON or YAML. */
  readonly path?: string | undefined;
  readonly object?: unknown;
}

/** Throws Invalid with all faults in one message. `provider`: its name. */
export function checkedConfig<T>(provider: string, schema: v.GenericSchema<unknown, T>, value: unknown): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const { root = [], nested = {} } = v.flatten(result.issues);
  const lines = [
    ...root,
    ...Object.entries(nested).flatMap(([key, messages]) =>
      (messages ?? []).map((message) => `${key}: ${plain(message)}`),
    ),
  ];
  throw new VirtualKubeletError("Invalid", `configuration of the ${provider} provider: ${lines.join("; ")}`);
}

/** The library's own words about keys that are missing or too many, in ours. */
function plain(message: string): string {
  if (/^Invalid key: Expected ".*" but received undefined$/.test(message)) return "is required";
  return /^Invalid key: Expected never\b/.test(message) ? "unknown setting" : message;
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
