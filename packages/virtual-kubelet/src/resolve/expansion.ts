// `$(NAME)` in values, commands and arguments of containers. Pure.
import type { LateText } from "../resolved-pod.ts";
import { joined, withFallback } from "./late-text.ts";

/** The value of a variable; undefined when there is none of this name. */
export type Lookup = (name: string) => LateText | undefined;

/** `$(NAME)` becomes the variable's value, or stays where there is none; `$$` becomes `$`, so that `$$(NAME)` stays as `$(NAME)`. */
export function expand(text: string, lookup: Lookup): LateText {
  if (!text.includes("$")) return text;
  const parts: LateText[] = [];
  let end = 0;
  for (const match of text.matchAll(/\$(?:\$|\(([^)]*)\))/g)) {
    const [reference, name] = match;
    const value = name === undefined ? "$" : (lookup(name) ?? reference);
    parts.push(text.slice(end, match.index), withFallback(value, reference));
    end = match.index + reference.length;
  }
  parts.push(text.slice(end));
  return joined(parts);
}
