// "Did you mean": the known word nearest to a mistyped one.

/** Letters to insert, drop, change or swap with their neighbour. */
function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, index) => index)];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const changed = at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(Math.min(changed, at(i - 1, j) + 1, at(i, j - 1) + 1, swapped ? at(i - 2, j - 2) + 1 : changed));
    }
  }
  return at(a.length, b.length);
}

const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_.]/g, "");

/** The one that the word is the beginning of, or that is the beginning of the word. */
function extended(word: string, known: readonly string[]): string | undefined {
  const found = known.filter((each) => {
    const [short = "", long = ""] = [plain(word), plain(each)].sort((a, b) => a.length - b.length);
    return short.length >= 4 && long.startsWith(short);
  });
  return found.length === 1 ? found[0] : undefined;
}

/** The nearest of `known`, case and punctuation aside; undefined when none is near enough to be meant. */
export function closest(word: string, candidates: Iterable<string>): string | undefined {
  const known = [...candidates];
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const far = distance(plain(word), plain(candidate));
    if (far < bestDistance) [best, bestDistance] = [candidate, far];
  }
  return best ?? extended(word, known);
}

/** ` (did you mean "x"?)` or nothing, to end a message with. */
export function hint(word: string, known: Iterable<string>, mark = ""): string {
  const found = closest(word, known);
  return found === undefined ? "" : ` (did you mean ${mark}${found}?)`;
}
