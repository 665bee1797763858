// Durations as users write them in annotations and configuration: "250ms", "5s", "1m30s", "2h". Pure.

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a duration; throws an Error that says what is wrong. */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    throw new Error(`${JSON.stringify(text)} is not a duration, such as "500ms", "5s" or "1m30s"`);
  }
  let total = 0;
  for (const [, value, unit] of text.matchAll(/([\d.]+)(ms|s|m|h)/g)) total += Number(value) * (units[unit ?? ""] ?? 0);
  return Math.round(total);
}
