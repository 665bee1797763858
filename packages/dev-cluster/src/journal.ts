// The state of a cluster in a file: one line for each write, so that a cluster that comes back has what it had.
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { at, isObject, number, parseJson, text } from "./json.ts";
import { type Entry, type Journal, Store } from "./store.ts";

/** A file is made short again when it has grown by so much since, and by as much as it then was. */
const growthBytes = 16 * 2 ** 20;

/** A store that is kept in a file, as it was left there. The file is made as short as it can be at first, and now and then. */
export function storeFrom(file: string, growth: number = growthBytes): { readonly store: Store; close(): void } {
  const entries = new Map<string, Entry>();
  let revision = 1;
  for (const line of existsSync(file) ? readFileSync(file, "utf8").split("\n") : []) {
    const entry = entryOf(line);
    if (entry === undefined) continue;
    revision = Math.max(revision, entry.revision);
    const key = `${entry.resource} ${entry.id}`;
    if (entry.object === undefined) entries.delete(key);
    else entries.set(key, entry);
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
  for (const { resource, id, object: kept } of entries.values()) store.restore(resource, id, kept ?? {});
  const rewrite = (): void => {
    // The revision stays known, even where what it was given to is gone.
    const lines = [JSON.stringify({ revision: store.revision, resource: "", id: "" })];
    for (const { resource, id, object: kept } of store.all()) {
      const version = Number(text(kept, "metadata", "resourceVersion"));
      lines.push(JSON.stringify({ revision: version, resource, id, object: kept }));
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
function entryOf(line: string): Entry | undefined {
  try {
    const entry = parseJson(line);
    const [revision, kept] = [number(entry, "revision"), at(entry, "object")];
    if (revision === undefined) return undefined;
    const written = { revision, resource: text(entry, "resource"), id: text(entry, "id") };
    return isObject(kept) ? { ...written, object: kept } : written;
  } catch {
    return undefined;
  }
}
