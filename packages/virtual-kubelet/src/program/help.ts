// The text of --help, made from the flag table and the schema, so that neither can fall behind.
import { styleText } from "node:util";
import { type Field, fieldsOf } from "../host/schema-walk.ts";
import { processDefaults } from "./config.ts";
import { overrideSchema } from "./config-schema.ts";
import { formatDuration } from "./duration.ts";
import { type FlagSpec, flagSpecs } from "./flags.ts";
import { entry, wrap } from "./help-text.ts";
import { variables } from "./overrides.ts";
import { subCommands } from "./sub-commands.ts";

/** The value of a dotted path in the defaults, as a user would write it; undefined where there is none. */
export function defaultText(path: string, isDuration: boolean): string | undefined {
  let value: unknown = processDefaults;
  for (const key of path.split(".")) {
    value =
      typeof value === "object" && value !== null
        ? Object.entries(value).find(([name]) => name === key)?.[1]
        : undefined;
  }
  if (value === undefined || (typeof value === "object" && value !== null)) return undefined;
  return isDuration && typeof value === "number" ? formatDuration(value) : String(value);
}

function flagLine(spec: FlagSpec, fields: ReadonlyMap<string, Field>, width: number): string {
  const field = spec.path === undefined ? undefined : (fields.get(spec.path) ?? fields.get(`${spec.path}[]`));
  const standard =
    spec.default ?? (spec.path === undefined ? undefined : defaultText(spec.path, field?.duration ?? false));
  const text = `${spec.about ?? field?.description ?? ""}${standard === undefined ? "" : ` [${standard}]`}`;
  return entry(`--${spec.name}${spec.value === undefined ? "" : ` ${spec.value}`}`, text, width);
}

export interface HelpOptions {
  /** Columns; default 100. */
  readonly width?: number;
  readonly color?: boolean;
}

export function helpText({ width = 100, color = false }: HelpOptions = {}): string {
  const heading = (text: string): string => (color ? styleText("bold", text, { validateStream: false }) : text);
  const fields = new Map(fieldsOf(overrideSchema).map((field) => [field.path, field]));
  const groups = Map.groupBy(
    flagSpecs.filter((spec) => spec.group !== undefined),
    (spec) => spec.group ?? "",
  );
  return [
    "Registers virtual nodes in a Kubernetes cluster and has a provider run their pods.",
    "",
    heading("Usage:"),
    "  virtual-kubelet [flags]            run until SIGINT or SIGTERM; a second one ends it at once",
    ...subCommands.map(({ usage, about }) => `  ${`virtual-kubelet ${usage}`.padEnd(34)} ${about}`),
    "  virtual-kubelet providers [name]   list the built-in providers, or look for one",
    "  virtual-kubelet version            show the version",
    ...[...groups].flatMap(([group, specs]) => [
      "",
      heading(`${group}:`),
      ...specs.map((spec) => flagLine(spec, fields, width)),
    ]),
    "",
    heading("Environment:"),
    ...variables.map(({ name, about }) => entry(name, about, width)),
    entry("OTEL_EXPORTER_OTLP_*", "Address, headers and time-out of the OTLP receiver.", width),
    "",
    ...wrap(
      'Flags win over the environment, which wins over the configuration file. Durations are written like "30s", "1m30s" or "1h". Exit codes: 0 ended well, 1 fault, 2 wrong flags or configuration.',
      width,
    ),
    "",
  ].join("\n");
}
