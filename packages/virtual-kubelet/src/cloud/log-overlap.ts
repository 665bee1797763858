// Which lines of a log's end are new, seen from the end of it that was read before. Pure.

/** A line as the cloud gives it. */
export interface PolledLine {
  /** RFC 3339, all of one length and zone; absent where the cloud tells none. */
  readonly time?: string | undefined;
  /** Without its line feed. */
  readonly text: string;
}

export interface Overlap<Line extends PolledLine> {
  readonly fresh: readonly Line[];
  /** Between what is known and what is fresh there may have been more. */
  readonly isGap: boolean;
}

/**
 * `known`: the last lines that were read, `answer`: the log's end now, each as long as it happens to be. The longest end of `known`
 * that the answer begins with is old; so lines that come again, with the same time, too, are neither lost nor told twice. Where the
 * two do not meet, because the cloud has put a late line between others, what is not later than the last known line and equal
 * to one of them is old.
 */
export function overlap<Line extends PolledLine>(known: readonly Line[], answer: readonly Line[]): Overlap<Line> {
  if (known.length === 0 || answer.length === 0) return { fresh: answer, isGap: false };
  const met = commonPart(known, answer);
  if (met > 0) return { fresh: answer.slice(met), isGap: false };
  const last = known.at(-1)?.time;
  if (last === undefined) return { fresh: answer, isGap: true };
  const left = new Map<string, number>();
  for (const line of known) left.set(keyOf(line), (left.get(keyOf(line)) ?? 0) + 1);
  const fresh = answer.filter((line) => {
    const count = left.get(keyOf(line)) ?? 0;
    if (line.time === undefined || line.time > last || count === 0) return true;
    left.set(keyOf(line), count - 1);
    return false;
  });
  // A line of before the last one shows that nothing between was left out.
  const isMet = answer.some(({ time }) => time !== undefined && time <= last);
  return { fresh: isMet ? fresh.filter((line) => !isBefore(line, known[0])) : fresh, isGap: !isMet };
}

/** Length of the longest end of `known` that `answer` begins with; in time of both lengths together. */
function commonPart(known: readonly PolledLine[], answer: readonly PolledLine[]): number {
  // How much of the answer's beginning a part of it ends with, for each part: where to go on after a mismatch.
  const fallback = [0];
  for (let at = 1, length = 0; at < answer.length; at++) {
    while (length > 0 && !same(answer[at], answer[length])) length = fallback[length - 1] ?? 0;
    if (same(answer[at], answer[length])) length += 1;
    fallback.push(length);
  }
  let length = 0;
  for (const line of known) {
    while (length > 0 && (length === answer.length || !same(line, answer[length]))) length = fallback[length - 1] ?? 0;
    if (same(line, answer[length])) length += 1;
  }
  return length;
}

function same(one: PolledLine | undefined, other: PolledLine | undefined): boolean {
  return one !== undefined && other !== undefined && one.text === other.text && one.time === other.time;
}

/** Read before what is still remembered. */
function isBefore({ time }: PolledLine, first: PolledLine | undefined): boolean {
  return time !== undefined && first?.time !== undefined && time < first.time;
}

function keyOf({ time = "", text }: PolledLine): string {
  return `${time} ${text}`;
}
