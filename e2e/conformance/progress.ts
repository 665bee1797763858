// How far the tests are, from what Ginkgo prints while they run.

export interface Progress {
  /** Text that was not read yet. */
  readonly rest: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** A test that has ended is told by a mark, its time, and on the next line its name. */
const ending = /^(?:•|S|P)(?: \[([A-Z]+)\])?(?: \[([\d.]+) seconds\])?.*\n(\[sig-.+?)(?: \[sig-[^\]]*\])?\n/gm;

/** Prints a line for each test that ended; answers what is left to read. */
export function progressOf(from: Progress, print: (line: string) => void): Progress {
  let { passed, failed, skipped } = from;
  let read = 0;
  for (const match of from.rest.matchAll(ending)) {
    const [whole, mark, seconds = "0", name = ""] = match;
    read = match.index + whole.length;
    if (mark === "SKIPPED" || mark === "PENDING") skipped += 1;
    else if (mark === undefined) passed += 1;
    else failed += 1;
    const sign = mark === undefined ? "✔" : mark === "SKIPPED" ? "-" : "✖";
    const total = `${passed} passed, ${failed} failed, ${skipped} skipped`;
    print(`${sign} ${name} (${Number(seconds).toFixed(0)} s) [${total}]`);
  }
  // A name may stand in the next piece.
  return { rest: from.rest.slice(Math.max(read, from.rest.length - 4096)), passed, failed, skipped };
}
