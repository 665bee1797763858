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

  /** `cause`: what was thrown of the first of them, where something was. */
  constructor(faults: readonly Fault[], cause?: unknown) {
    super(renderFaults(faults), cause === undefined ? undefined : { cause });
    this.faults = faults;
  }
}

export function renderFaults(faults: readonly Fault[]): string {
  const lines = faults.map(
    ({ source, path, message }) => `  ${source}: ${path === undefined ? "" : `${path}: `}${message}`,
  );
  return [`${faults.length} ${faults.length === 1 ? "fault" : "faults"} in the configuration:`, ...lines].join("\n");
}
