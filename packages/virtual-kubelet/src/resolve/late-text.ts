// Texts of which parts may be known only once the pod has addresses. Pure.
import type { LateField, LatePart, LateText } from "../resolved-pod.ts";

/** One text of all parts; a plain string where nothing in it is late. */
export function joined(texts: readonly LateText[]): LateText {
  const parts: LatePart[] = [];
  for (const text of texts) {
    for (const part of typeof text === "string" ? [text] : text) {
      const last = parts.at(-1);
      if (part === "") continue;
      if (typeof part === "string" && typeof last === "string") parts[parts.length - 1] = last + part;
      else parts.push(part);
    }
  }
  const [first = "", ...more] = parts;
  return more.length === 0 && typeof first === "string" ? first : parts;
}

/** The value of a field that comes with the pod's addresses. */
export function late(fieldPath: LateField): LateText {
  return [{ fieldPath }];
}

/** A text that stands where nothing else would: in place of what optional keys of files do not bring. */
export function withFallback(text: LateText, fallback: string): LateText {
  if (typeof text === "string") return text;
  return text.map((part) =>
    typeof part === "object" && "fileKey" in part && part.otherwise === undefined
      ? { ...part, otherwise: fallback }
      : part,
  );
}
