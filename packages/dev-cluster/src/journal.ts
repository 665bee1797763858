// The state of a cluster in a file: one line for each write, so that a cluster that comes back has what it had.
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { isObject, number, object, parseJson, text } from "./json.ts";
import { type Journal, Store } from "./store.ts";

/** A file is made short again when it has grown by so much since, and by as much as it then was. */
const growthBytes = 16 * 2 ** 20;

/** A store that is kept in a file, as it was left there. The file is made as short as it can be at first, and now and then. */
export function storeFrom(file: string, growth: number = growthBytes): { readonly store: Store; close(): void } {
  const objects = new Map<string, string>();
  let revision = 1;
  if (existsSync(file)) {
    for (const line of readFileSync(file, "utf8").split("\n")) {
      const entry = entryOf(line);
      if (entry === undefined) continue;
      revision = Math.max(revision, entry.revision);
      const key = `${entry.resource} ${entry.id}`;
      if (entry.isDeletion) objects.delete(key);
      else objects.set(key, line);
    }
  }
  let descriptor: number | undefined;
  let left = 0;
  const journal: Journal = {
    wrote(entry) {
      if (descriptor === undefined) return;
      left -= writeSync(descriptor, `${JSON.stringify(entry)}\n`);
      if (left < 0) rewrite();
    },
  };
  const store = new Store({ revision, journal });
  for (const line of objects.values()) {
    const entry = parseJson(line);
    store.restore(text(entry, "resource"), text(entry, "id"), object(entry, "object"));
  }
  const rewrite = (): void => {
    // The revision stays known, even where what it was given to is gone.
    const lines = [JSON.stringify({ revision: store.revision, resource: "", id: "" })];
    for (const { resource, id, object: kept } of store.all()) {
      lines.push(
        JSON.stringify({ revision: Number(text(kept, "metadata", "resourceVersion")), resource, id, object: kept }),
      );
    }
    const content = `${lines.join("\n")}\n`;
    writeWhole(file, content);
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = openSync(file, "a", 0o600);
    left = Math.max(growth, content.length);
  };
  rewrite();
  return {
    store,
    close() {
      if (descriptor !== undefined) closeSync(descriptor);
      descriptor = undefined;
    },
  };
}

/** All of it or nothing, whenever this process may end; for this user alone (0600), whatever was there. */
export function writeWhole(file: string, content: string): void {
  rmSync(`${file}.new`, { force: true });
  writeFileSync(`${file}.new`, content, { mode: 0o600, flag: "wx" });
  renameSync(`${file}.new`, file);
}

/** undefined for a line that was not written to its end. */
function entryOf(
  line: string,
):
  | { readonly revision: number; readonly resource: string; readonly id: string; readonly isDeletion: boolean }
  | undefined {
  try {
    const entry = parseJson(line);
    const revision = number(entry, "revision");
    if (revision === undefined) return undefined;
    const isDeletion = !isObject(object(entry)["object"]);
    return { revision, resource: text(entry, "resource"), id: text(entry, "id"), isDeletion };
  } catch {
    return undefined;
  }
}
