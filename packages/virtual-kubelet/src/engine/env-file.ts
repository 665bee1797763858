// Env files of `fileKeyRef`: NAME='value' lines, of which every POSIX shell makes the same. Pure.

export type EnvFileOutcome =
  | { readonly type: "found"; readonly value: string }
  | { readonly type: "absent" }
  /** `line` counts from 1. */
  | { readonly type: "malformed"; readonly line: number; readonly why: string };

/**
 * The value of a key: literally what is between its single quotes, line ends too. Lines are skipped that are blank or begin
 * with `#`, and what follows a value after `#`. Nothing after the key is looked at. An empty value counts as none, as it does
 * for a kubelet.
 */
export function envFileValue(text: string, key: string): EnvFileOutcome {
  let line = 1;
  let at = 0;
  const lineEnd = (from: number): number => {
    const end = text.indexOf("\n", from);
    return end === -1 ? text.length : end;
  };
  while (at < text.length) {
    const malformed = (why: string): EnvFileOutcome => ({ type: "malformed", line, why });
    const end = lineEnd(at);
    const content = text.slice(at, end).trimStart();
    if (content === "" || content.startsWith("#")) {
      at = end + 1;
      line += 1;
      continue;
    }
    const equals = text.indexOf("=", at);
    const name = text.slice(at, equals).trimStart();
    if (equals === -1 || equals > end || name === "") return malformed("invalid environment variable format");
    if (/\s/.test(name)) return malformed("whitespace before '=' is not allowed");
    if (text[equals + 1] !== "'") return malformed("value must be enclosed in single quotes");
    const close = text.indexOf("'", equals + 2);
    if (close === -1) return malformed("the single quote is not closed");
    const after = lineEnd(close);
    if (!/^\s*$|^\s+#/.test(text.slice(close + 1, after))) return malformed("unexpected content after closing quote");
    const value = text.slice(equals + 2, close);
    if (name === key) return value === "" ? { type: "absent" } : { type: "found", value };
    line += value.split("\n").length;
    at = after + 1;
  }
  return { type: "absent" };
}
