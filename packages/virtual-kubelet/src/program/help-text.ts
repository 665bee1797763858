// Text in columns, for what --help says. Pure.

export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

const column = 38;

/** `left`, and beside or below it the text. */
export function entry(left: string, text: string, width: number): string {
  const lines = wrap(text, Math.max(30, width - column));
  const head = left.length + 4 > column ? [`  ${left}`, ...lines.map((line) => " ".repeat(column) + line)] : [];
  if (head.length > 0) return head.join("\n");
  return lines.map((line, index) => (index === 0 ? `  ${left}`.padEnd(column) : " ".repeat(column)) + line).join("\n");
}
