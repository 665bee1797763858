// Copies bytes from one stream into another, no faster than that takes them, until the first ends or nobody wants them any more.
import type { Readable, Writable } from "node:stream";

/** Resolves at the end of `from`, when the signal aborts, or when `to` is gone. Ends neither. Never throws. */
export async function copyInto(
  from: Readable,
  to: Writable | undefined,
  signal: AbortSignal,
  moved: () => void = () => {},
): Promise<void> {
  const stop = (): void => void from.destroy();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const chunk of from) {
      moved();
      // What nobody asked for is read all the same: the command must not wait for it.
      if (to === undefined || to.destroyed || to.writableEnded) continue;
      if (!to.write(chunk)) await drained(to, signal);
      moved();
    }
  } catch {
    // Cut off: by the signal, or at its other end.
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** Can be written to again, or never will. */
export function drained(to: Writable, signal: AbortSignal): Promise<void> {
  if (!to.writableNeedDrain || signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => {
    for (const event of ["drain", "close", "error"]) to.off(event, done);
    signal.removeEventListener("abort", done);
    resolve();
  };
  for (const event of ["drain", "close", "error"]) to.once(event, done);
  signal.addEventListener("abort", done, { once: true });
  return promise;
}
