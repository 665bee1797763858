// Ends the pods of nodes that shut down: those of the lowest priority first, each group with its own time.
import { type Clock, pause } from "../clock.ts";
import type { Logger } from "../log.ts";
import { type ShutdownRule, shutdownFailure, shutdownOrder } from "./node-shutdown.ts";
import type { PodEntry } from "./pod-entry.ts";

export interface ShutDownOptions {
  readonly entries: Iterable<PodEntry>;
  readonly rules: readonly ShutdownRule[];
  /** Its end is in the API, or it has left that. */
  readonly isOver: (entry: PodEntry) => boolean;
  /** What is to become of it has changed. */
  readonly changed: (entry: PodEntry) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Between two looks at whether a group has ended. */
const lookMs = 100;

/** Resolves when all have ended, or their time has, or the signal aborts. */
export async function shutDown(options: ShutDownOptions, signal: AbortSignal): Promise<void> {
  const { rules, isOver, changed, clock, log } = options;
  const open = [...options.entries].flatMap((entry) =>
    entry.pod === undefined || isOver(entry) ? [] : [{ entry, pod: entry.pod }],
  );
  for (const { gracePeriodSeconds, pods } of shutdownOrder(open, rules)) {
    log.info({ pods: pods.length, gracePeriodSeconds }, "ending pods, as the node shuts down");
    for (const { entry } of pods) {
      // One that is ended already keeps its reason.
      entry.nodeEnd = { failure: entry.nodeEnd?.failure ?? shutdownFailure, gracePeriodSeconds };
      if (entry.deletion === undefined) entry.call?.abort();
      changed(entry);
    }
    const until = clock.now() + gracePeriodSeconds * 1000;
    const late = (): number => pods.filter(({ entry }) => !isOver(entry)).length;
    while (!signal.aborted && late() > 0 && clock.now() < until) await pause(clock, lookMs, signal);
    if (late() > 0) log.warn({ pods: late() }, "the time of these pods is over, and they have not ended");
  }
}
