// Patterns of names: `*` stands for any part, `?` for any character; case does not count. Pure.

export function fitsPattern(text: string, pattern: string): boolean {
  const expression = pattern
    .replaceAll(/[\\^$+.()|[\]{}]/g, String.raw`\$&`)
    .replaceAll(/\*+/g, ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${expression}$`, "i").test(text);
}
