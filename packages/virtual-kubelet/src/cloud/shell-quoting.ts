// Words for a POSIX shell. Pure.

/** The text as one word, whatever it holds. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** As a format of `printf` that prints these bytes: what it, a terminal or a shell could take for something else as an octal number. */
export function printfFormat(bytes: Uint8Array): string {
  let format = "";
  for (const byte of bytes) {
    const letter = String.fromCharCode(byte);
    format += /[A-Za-z0-9_@+=:,./]/.test(letter) ? letter : `\\${byte.toString(8).padStart(3, "0")}`;
  }
  return format;
}
