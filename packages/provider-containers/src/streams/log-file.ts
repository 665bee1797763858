// Reads a log file of Podman (k8s-file: the lines of a CRI runtime), over its replacement by a new one when it is full, and goes
// on with it while the container runs.
import { type FSWatcher, watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { isMissing, leavable } from "@virtual-kubelet/virtual-kubelet/host";

const readSize = 64 * 1024;
/** A change that nobody told of is found after so long. */
const lookMs = 500;

export interface LogFileOptions {
  readonly follow: boolean;
  readonly signal: AbortSignal;
  /** Asked when there is nothing more to be read: may more come? */
  readonly isRunning: () => Promise<boolean>;
}

/** Without `follow` no more than is there now. The signal ends it, and its reader by `return`. */
export function readLogFile(path: string, options: LogFileOptions): AsyncIterable<Uint8Array> {
  return leavable(options.signal, (signal) => readPieces(path, { ...options, signal }));
}

async function* readPieces(
  path: string,
  { follow, signal, isRunning }: LogFileOptions,
): AsyncGenerator<Uint8Array, undefined> {
  let file: FileHandle | undefined;
  try {
    let at = 0;
    let last = false;
    file = await openIfThere(path);
    const end = follow || file === undefined ? undefined : (await file.stat()).size;
    while (!signal.aborted) {
      const changed = follow ? new Change(path) : undefined;
      try {
        const length = Math.min(readSize, end === undefined ? readSize : end - at);
        const read = length > 0 ? await file?.read(Buffer.allocUnsafe(length), 0, length, at) : undefined;
        if (read !== undefined && read.bytesRead > 0) {
          at += read.bytesRead;
          yield read.buffer.subarray(0, read.bytesRead);
          continue;
        }
        if (!follow) return undefined;
        const other = await replaced(file, path, at);
        if (other === "begun anew") at = 0;
        else if (other !== undefined) {
          await file?.close();
          [file, at] = [other, 0];
          continue;
        }
        // All that was written before the end was known has been read after it.
        if (last) return undefined;
        last = !(await isRunning());
        if (!last) await changed?.wait(signal);
      } finally {
        changed?.close();
      }
    }
    return undefined;
  } finally {
    await file?.close();
  }
}

/** The file that is in its place now, where it is another; or the same one was cut short. */
async function replaced(
  file: FileHandle | undefined,
  path: string,
  at: number,
): Promise<FileHandle | "begun anew" | undefined> {
  if (file === undefined) return openIfThere(path);
  const [now, ours] = await Promise.all([stat(path).catch(() => undefined), file.stat()]);
  if (now !== undefined && now.ino !== ours.ino) {
    // Lines may have come between our last look and its replacement.
    return ours.size > at ? undefined : openIfThere(path);
  }
  return ours.size < at ? "begun anew" : undefined;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Something was written since this was made. */
class Change {
  readonly #happened = Promise.withResolvers<void>();
  #watcher: FSWatcher | undefined;

  constructor(path: string) {
    try {
      this.#watcher = watch(path, () => this.#happened.resolve());
      this.#watcher.on("error", () => this.#happened.resolve());
    } catch {
      // No such file, or no more watches: the timer finds it.
    }
  }

  async wait(signal: AbortSignal): Promise<void> {
    const done = (): void => this.#happened.resolve();
    const timer = setTimeout(done, lookMs);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
    await this.#happened.promise;
    clearTimeout(timer);
    signal.removeEventListener("abort", done);
  }

  close(): void {
    this.#watcher?.close();
  }
}
