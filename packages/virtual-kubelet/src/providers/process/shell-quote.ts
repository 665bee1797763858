// Text as one word of a POSIX shell. Pure.

/** Quoted so that no shell sees more in it than its bytes. Must not hold NUL. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

export function shellWords(texts: readonly string[]): string {
  return texts.map(shellWord).join(" ");
}
