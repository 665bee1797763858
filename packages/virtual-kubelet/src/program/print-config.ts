// The configuration in effect as YAML that the program would take as its file again; secrets of a provider's settings are hidden.
import { stringify } from "yaml";
import { fieldsOf } from "../host/schema-walk.ts";
import type { Config } from "./config.ts";
import { fileSchema } from "./config-schema.ts";
import { formatDuration } from "./duration.ts";
import { redact } from "./redact.ts";

export function printConfig(config: Config): string {
  const durations = new Set(fieldsOf(fileSchema).flatMap(({ path, duration }) => (duration ? [path] : [])));
  const inForm = (value: unknown, path: string): unknown => {
    if (typeof value === "number" && durations.has(path)) return formatDuration(value);
    if (Array.isArray(value)) return value.map((inner: unknown) => inForm(inner, path));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, inner]) => inner !== undefined)
        .map(([key, inner]) => [
          key,
          // A provider's own settings have no form that is known here.
          key === "config" ? redact(inner) : inForm(inner, path === "" ? key : `${path}.${key}`),
        ]),
    );
  };
  const { nodes, ...process } = config;
  return stringify({ ...Object(inForm(process, "")), nodes: inForm(nodes, "nodes") }, { aliasDuplicateObjects: false });
}
