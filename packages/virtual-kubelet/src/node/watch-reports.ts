// Follows what a provider tells about its node, for as long as the node is there, through every failure of the provider.
import { type Clock, pause } from "../clock.ts";
import { errorText } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { NodeReport } from "../provider/node.ts";

const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/**
 * Hands every report to `take` until the signal aborts. When the iteration ends or throws it is begun again, after a pause that
 * grows while no report comes. Returns at the abort even when the provider does not.
 */
export async function watchReports(
  watch: (signal: AbortSignal) => AsyncIterable<NodeReport>,
  take: (report: NodeReport) => void,
  signal: AbortSignal,
  options: { readonly node: string; readonly clock: Clock; readonly random: () => number; readonly log: Logger },
): Promise<void> {
  const { node, clock, random, log } = options;
  let pauseMs = firstPauseMs;
  while (!signal.aborted) {
    let why = "the provider ended it";
    try {
      for await (const report of untilAbort(watch(signal), signal)) {
        pauseMs = firstPauseMs;
        try {
          take(report);
        } catch (error) {
          log.error(
            { node, err: errorText(error) },
            "provider's report of its node is not usable, the one before stays",
          );
        }
      }
    } catch (error) {
      why = errorText(error);
    }
    if (signal.aborted) return;
    log.warn({ node, err: why, retryInMs: pauseMs }, "provider no longer tells about its node, asking again");
    await pause(clock, pauseMs * (1 - random() / 2), signal);
    pauseMs = Math.min(longestPauseMs, pauseMs * 2);
  }
}

/** Ends with the signal, whether or not the source does. */
async function* untilAbort<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const { promise: aborted, resolve } = Promise.withResolvers<undefined>();
  const abort = (): void => resolve(undefined);
  signal.addEventListener("abort", abort, { once: true });
  try {
    while (!signal.aborted) {
      const result = await Promise.race([iterator.next(), aborted]);
      if (result === undefined || result.done === true) return;
      yield result.value;
    }
  } finally {
    signal.removeEventListener("abort", abort);
    // Not awaited: a source that hangs would hold up the end of the program.
    Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}
