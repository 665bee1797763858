// Users of a root directory, as its /etc/passwd has them. A file that is not there has none.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { targetIn } from "./container-files.ts";

export interface PasswdEntry {
  readonly gid: number;
  readonly home: string;
}

const largest = 1024 * 1024;

/** `image`: its root directory; undefined: the host's. */
export function passwdEntry(image: string | undefined, uid: number): PasswdEntry | undefined {
  const path = join(image ?? "/", targetIn(image, "/etc/passwd"));
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isFile() || found.size > largest) return undefined;
  for (const line of readFileSync(path, "utf8").split("\n")) {
    const [, , id, gid, , home] = line.split(":");
    if (id === String(uid) && gid !== undefined && /^\d+$/.test(gid))
      return { gid: Number(gid), home: home === undefined || home === "" ? "/" : home };
  }
  return undefined;
}
