// What is wrong with the program's flags, environment or configuration file: collected, then told all at once.

export interface Fault {
  /** Where the value came from: `--flag`, `$VARIABLE`, or `file.yaml:3:5`. */
  readonly source: string;
  /** Field of the configuration, e.g. `nodes[0].taints[0].effect`; absent where the source says it all. */
  readonly path?: string | undefined;
  /** The bad value and what would be valid. */
  readonly message: string;
}

/** Ends the program with code 2 (usage). */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super(renderFaults(faults));
    this.faults = faults;
  }
}

export function renderFaults(faults: readonly Fault[]): string {
  const lines = faults.map(
    ({ source, path, message }) => `  ${source}: ${path === undefined ? "" : `${path}: `}${message}`,
  );
  return [`${faults.length} ${faults.length === 1 ? "fault" : "faults"} in the configuration:`, ...lines].join("\n");
}

/** `["nodes", 0, "name"]` as `nodes[0].name`. Keys that are no plain words are quoted. */
export function pathText(path: readonly (string | number)[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (!/^[\w-]+$/.test(key)) text += `["${key}"]`;
    else text += text === "" ? key : `.${key}`;
  }
  return text;
}

/** A value as a message shows it: short, and nothing of one that may hold a secret. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value.length > 60 ? `"${value.slice(0, 57)}..."` : `"${value}"`;
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a map" : String(value);
}
