// Two columns of text, the first as wide as its longest entry. Pure.

export function renderTable(rows: readonly (readonly [string, string])[], indent = 2): string {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows
    .map(([left, right]) => `${" ".repeat(indent)}${left.padEnd(width)}  ${right}`.trimEnd())
    .map((line) => `${line}\n`)
    .join("");
}
