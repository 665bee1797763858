// The processes beside a run that carry its output into files, and hold its input open. Known by the run's directory being
// theirs: a pid alone may be another's by now.
import { readlinkSync } from "node:fs";
import { join } from "node:path";
import { signal } from "../../host/process-table.ts";
import { readIfThere } from "../../host/state-files.ts";

/** "carriers": of the output; "holder": of the input. */
export type CarrierKind = "carriers" | "holder";

/** Those that are there. */
export function carriersOf(
  directory: string,
  kinds: readonly CarrierKind[] = ["carriers", "holder"],
): readonly number[] {
  return kinds
    .flatMap((kind) => (readIfThere(join(directory, kind)) ?? "").split(/\s+/).filter(Boolean).map(Number))
    .filter((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/cwd`) === directory;
      } catch {
        return false;
      }
    });
}

export function endCarriers(directory: string, kinds?: readonly CarrierKind[]): void {
  for (const pid of carriersOf(directory, kinds)) signal(pid, "SIGTERM");
}
