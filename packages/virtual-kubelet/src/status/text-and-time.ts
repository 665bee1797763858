// What the API takes in a status: times in whole seconds of UTC, texts of a limited number of bytes.
import type { Time } from "../kube/types.gen.ts";

/** A time as the API stores it, e.g. "2026-11-22T17:00:00Z"; undefined for what is no time. */
export function wholeSeconds(time: Time | number | null | undefined): Time | undefined {
  if (time === undefined || time === null || time === "") return undefined;
  if (typeof time === "string" && time.length === 20 && time.endsWith("Z") && time[10] === "T") return time;
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? undefined : `${date.toISOString().slice(0, 19)}Z`;
}

/** At most `bytes` of UTF-8 from the front, never half a character. */
export function cappedText(text: string, bytes: number): string {
  // No character takes more than 3 bytes for each of its UTF-16 units.
  if (text.length * 3 <= bytes) return text;
  const encoded = Buffer.from(text, "utf8");
  if (encoded.length <= bytes) return text;
  let end = bytes;
  while (end > 0 && ((encoded[end] ?? 0) & 0xc0) === 0x80) end--;
  return encoded.toString("utf8", 0, end);
}
