// Files of the state directory: replaced as a whole or not at all, readable by their owner alone.
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

let counter = 0;

/** Writes a file under another name, to the disk, and renames it. Readers see the old content or the new. */
export async function writeWhole(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = join(dirname(path), `.${process.pid}.${counter++}.tmp`);
  try {
    // Another program that had our pid, and was killed, may have left one.
    await rm(temporary, { force: true });
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // Tried again and again on a full disk, it would take all there is.
    await rm(temporary, { force: true });
    throw error;
  }
}

/** undefined when there is no such file. */
export function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** At most the last so many bytes; "" when it cannot be read. */
export function endOfFile(path: string | undefined, bytes: number): string {
  if (path === undefined) return "";
  let file: number | undefined;
  try {
    file = openSync(path, "r");
    const { size } = fstatSync(file);
    const buffer = Buffer.alloc(Math.min(size, bytes));
    const read = readSync(file, buffer, 0, buffer.length, Math.max(0, size - bytes));
    return buffer.toString("utf8", 0, read);
  } catch {
    return "";
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
}

export async function privateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}
