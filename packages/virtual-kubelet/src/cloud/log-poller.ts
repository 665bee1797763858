// Follows a log that can only be asked for: without loss or repeat as far as the cloud's answers reach into one another.
import { type Clock, pause } from "../clock.ts";
import { isErrorKind } from "../errors.ts";
import { leavable } from "../host/leavable.ts";
import { overlap, type PolledLine } from "./log-overlap.ts";

export interface PolledLog {
  readonly lines: readonly PolledLine[];
  /** The last line has no line feed yet: it is waited for. */
  readonly isOpen?: boolean | undefined;
}

export interface LogPollerOptions {
  /**
   * The log from lines of this time on or from before, or only as much of its end as the cloud gives. `since` is absent at first.
   * Unavailable and Throttled are borne a few times in a row.
   */
  readonly read: (since: string | undefined, signal: AbortSignal) => Promise<PolledLog>;
  /** Nothing more is written. Asked before each read. */
  readonly ended: (signal: AbortSignal) => Promise<boolean>;
  /** Milliseconds between two reads; up to three times as many while nothing comes. */
  readonly everyMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Of the first read only so many lines of its end; absent: all. */
  readonly tailLines?: number | undefined;
}

const bornErrors = 5;
/** Lines that are remembered at least, to know them again. */
const leastKnown = 1_000;

/**
 * Lines with their line feed and, where the cloud tells it, their time and a blank before them. What may have been lost between two
 * answers is told by a line of its own. Ends when the log has, or the signal aborts.
 */
export function followedByPolling(options: LogPollerOptions): AsyncIterable<Uint8Array> {
  return leavable(options.signal, (signal) => pieces({ ...options, signal }));
}

async function* pieces(options: LogPollerOptions): AsyncGenerator<Uint8Array, undefined> {
  const { everyMs, clock, signal, tailLines } = options;
  let known: readonly PolledLine[] = [];
  let isFirst = true;
  let readAt = clock.now();
  let waitMs = everyMs;
  for (let errors = 0; !signal.aborted; ) {
    let isLast: boolean;
    let answer: PolledLog;
    const before = readAt;
    try {
      isLast = await options.ended(signal);
      readAt = clock.now();
      answer = await options.read(known.at(-1)?.time, signal);
      errors = 0;
    } catch (error) {
      if (signal.aborted) return undefined;
      errors += 1;
      if (errors > bornErrors || !isErrorKind(error, "Unavailable", "Throttled")) throw error;
      readAt = before;
      await pause(clock, everyMs * 2 ** errors, signal);
      continue;
    }
    const lines = answer.isOpen === true && !isLast ? answer.lines.slice(0, -1) : answer.lines;
    const { fresh, isGap } = overlap(known, lines);
    const shown = isFirst && tailLines !== undefined ? fresh.slice(Math.max(0, fresh.length - tailLines)) : fresh;
    const gap = isGap ? [gapLine(fresh[0], readAt - before)] : [];
    if (shown.length > 0) yield bytesOf([...gap, ...shown]);
    known = inOrder([...known, ...fresh]).slice(-Math.max(leastKnown, 2 * lines.length));
    isFirst = false;
    // What was written just before the end may be shown a moment later.
    if (isLast && fresh.length === 0) return undefined;
    waitMs = fresh.length > 0 ? everyMs : Math.min(waitMs * 1.5, 3 * everyMs);
    await pause(clock, waitMs, signal);
  }
  return undefined;
}

/** As the cloud will show them, late ones in their place. */
function inOrder(lines: readonly PolledLine[]): readonly PolledLine[] {
  return lines.toSorted(({ time: one = "" }, { time: other = "" }) => (one < other ? -1 : one > other ? 1 : 0));
}

function gapLine(next: PolledLine | undefined, elapsedMs: number): PolledLine {
  const text = `[lines written in the last ${Math.ceil(elapsedMs / 1000)} s may be missing here: the cloud keeps only the log's end]`;
  return { time: next?.time, text };
}

function bytesOf(lines: readonly PolledLine[]): Uint8Array {
  const text = lines.map((line) => (line.time === undefined ? `${line.text}\n` : `${line.time} ${line.text}\n`));
  return new TextEncoder().encode(text.join(""));
}
