// What each flag of the program comes to in a configuration, as text: for /flagz. Pure.
import type { Config } from "./config.ts";
import { formatDuration } from "./duration.ts";
import { flagSpecs } from "./flags.ts";
import { redactText } from "./redact.ts";

/** Of flags that hold for the process and have a value; those of single nodes are in the configuration alone. */
export function flagValues(config: Config): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const { name, kind, path } of flagSpecs) {
    const value = path === undefined ? undefined : valueAt(config, path.split("."));
    if (value === undefined) continue;
    values[name] = redactText(kind === "duration" && typeof value === "number" ? formatDuration(value) : textOf(value));
  }
  return values;
}

function valueAt(from: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return from;
  return typeof from === "object" && from !== null ? valueAt(Reflect.get(from, key), rest) : undefined;
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(",");
  if (typeof value !== "object" || value === null) return String(value);
  return Object.entries(value)
    .map(([key, inner]) => `${key}=${String(inner)}`)
    .join(",");
}
