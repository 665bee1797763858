// How messages about a configuration name a field and show a value. Pure.

/** `["nodes", 0, "name"]` as `nodes[0].name`. Keys that are no plain words are quoted. */
export function pathText(path: readonly (string | number)[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (!/^[\w-]+$/.test(key)) text += `["${key}"]`;
    else text += text === "" ? key : `.${key}`;
  }
  return text;
}

/** A value as a message shows it: short, and nothing of one that may hold a secret. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value.length > 60 ? `"${value.slice(0, 57)}..."` : `"${value}"`;
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "a map" : String(value);
}
