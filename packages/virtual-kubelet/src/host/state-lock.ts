// One process at a time works on a state directory: whoever holds it is named in it by pid and start time.
import { linkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { VirtualKubeletError } from "../errors.ts";
import { bootId, isAlive, statOf } from "./process-table.ts";
import { readIfThere } from "./state-files.ts";

/** Throws Conflict while another process holds it. Returns what lets it go. */
export function lockState(directory: string): () => void {
  const path = join(directory, "lock");
  const own = `${process.pid} ${statOf(process.pid)?.start ?? ""} ${bootId()}\n`;
  const mine = join(directory, `.lock.${process.pid}`);
  writeFileSync(mine, own, { mode: 0o600 });
  try {
    for (let turn = 0; ; turn++) {
      try {
        linkSync(mine, path);
        return () => {
          if (readIfThere(path) === own) rmSync(path, { force: true });
        };
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
      const [pid = "", start = "", boot] = (readIfThere(path) ?? "").trim().split(" ");
      if (boot === bootId() && isAlive({ pid: Number(pid), start }))
        throw new VirtualKubeletError("Conflict", `${directory} is in use by process ${pid}`);
      if (turn > 10) throw new VirtualKubeletError("Conflict", `${directory} cannot be locked`);
      // Its holder has gone without a word.
      rmSync(path, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
}
