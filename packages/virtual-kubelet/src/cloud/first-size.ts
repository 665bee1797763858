// The size of a client's terminal, for clouds that take one when a command begins and change none later.
import { type Clock, pause } from "../clock.ts";
import type { TerminalSize } from "../provider/streams.ts";

/** For so long a client's first size is waited for, milliseconds. */
const sizeWaitMs = 500;

/** Undefined where the client tells none soon. */
export async function firstSize(
  sizes: AsyncIterable<TerminalSize>,
  clock: Clock,
  signal: AbortSignal,
): Promise<TerminalSize | undefined> {
  const iterator = sizes[Symbol.asyncIterator]();
  const found = iterator.next();
  // Who does not wait for it any more is not told that it failed.
  found.catch(() => {});
  const waited = new AbortController();
  try {
    const next = await Promise.race([
      found,
      pause(clock, sizeWaitMs, AbortSignal.any([signal, waited.signal])).then(() => undefined),
    ]);
    return next === undefined || next.done === true ? undefined : next.value;
  } finally {
    waited.abort();
  }
}
