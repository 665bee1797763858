// Values of the chart in docs: by the chart's schema, and each configuration in them by the program's own loader.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Schema, Validator } from "@cfworker/json-schema";
import { configurationFaults } from "./configurations.ts";

export interface ValuesFault {
  /** Within the values, like `instances[0].config`. */
  readonly path: string;
  readonly message: string;
}

export async function valuesFaults(values: unknown, root: string): Promise<ValuesFault[]> {
  const schema: Schema = JSON.parse(readFileSync(join(root, "deploy/chart/values.schema.json"), "utf8"));
  const { errors } = new Validator(schema, "7", false).validate(values);
  const bySchema = errors
    // What holds parts together is told by the parts.
    .filter(({ keyword }) => !["properties", "items", "$ref", "allOf", "additionalProperties"].includes(keyword))
    .map(({ instanceLocation, error }) => ({
      path: pathOf(instanceLocation),
      message: error.replace("False boolean schema.", "there is no such value"),
    }));
  if (bySchema.length > 0 || errors.length > 0)
    return bySchema.length > 0 ? bySchema : errors.map(({ error }) => ({ path: "", message: error }));
  const found: ValuesFault[] = [];
  for (const [index, config] of configsOf(values).entries())
    for (const { message } of await configurationFaults(JSON.stringify(config ?? {}), root))
      found.push({ path: `instances[${index}].config`, message });
  return found;
}

function configsOf(values: unknown): readonly unknown[] {
  const instances: unknown = typeof values === "object" && values !== null ? Reflect.get(values, "instances") : [];
  return Array.isArray(instances)
    ? instances.map((one: unknown) =>
        typeof one === "object" && one !== null ? Reflect.get(one, "config") : undefined,
      )
    : [];
}

/** `#/instances/0/config` as `instances[0].config`. */
function pathOf(pointer: string): string {
  return pointer
    .replace(/^#\/?/, "")
    .replaceAll(/(?:^|\/)(\d+)(?=\/|$)/g, "[$1]")
    .replaceAll("/", ".");
}
