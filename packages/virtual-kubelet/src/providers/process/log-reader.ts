// Reads a run's log from its files, over their rotation, and goes on with it while it grows.
import { type FileHandle, open } from "node:fs/promises";
import { leavable } from "../../host/leavable.ts";
import { isMissing } from "../../host/state-files.ts";
import { type LogCollector, logNumbers, logPath } from "./log-collector.ts";

/** The whole log there is; `follow`: and what comes, until the run is over. The signal ends it, and its reader by `return`. */
export function readLog(
  collector: LogCollector,
  options: { readonly follow: boolean; readonly signal: AbortSignal },
): AsyncIterable<Uint8Array> {
  return leavable(options.signal, (signal) => readPieces(collector, { ...options, signal }));
}

async function* readPieces(
  collector: LogCollector,
  options: { readonly follow: boolean; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array, undefined> {
  const { directory } = collector;
  const { follow, signal } = options;
  let number = logNumbers(directory)[0];
  // Without follow: not beyond what is there now, or a loud container would keep its reader for ever.
  const last = follow ? undefined : logNumbers(directory).at(-1);
  let file: FileHandle | undefined;
  try {
    for (let at = 0; !signal.aborted; ) {
      if (number === undefined) {
        if (!follow || collector.finished) return undefined;
        await collector.changed(signal);
        number = logNumbers(directory)[0];
        continue;
      }
      file ??= await openNumber(directory, number);
      const { finished } = collector;
      const changed = collector.changed(AbortSignal.any([signal, AbortSignal.timeout(1000)]));
      const next = logNumbers(directory).find((each) => each > (number ?? 0));
      const { bytesRead, buffer } = (await file?.read(Buffer.allocUnsafe(64 * 1024), 0, 64 * 1024, at)) ?? {
        bytesRead: 0,
        buffer: Buffer.alloc(0),
      };
      if (bytesRead > 0) {
        at += bytesRead;
        yield buffer.subarray(0, bytesRead);
        continue;
      }
      if (number === last) return undefined;
      // The next was there before we came to the end of this: nothing more is written to it.
      if (next !== undefined) {
        await file?.close();
        [file, number, at] = [undefined, next, 0];
        continue;
      }
      if (!follow || finished) return undefined;
      await changed;
    }
    return undefined;
  } finally {
    await file?.close();
  }
}

/** undefined: it was rotated away. */
async function openNumber(directory: string, number: number): Promise<FileHandle | undefined> {
  try {
    return await open(logPath(directory, number), "r");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
