// Durations as Go writes them ("1m30s", "1.5h", "250ms"), in milliseconds: the form of every flag and configuration value.

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};
const whole = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const part = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;

/** Milliseconds, or undefined when `text` is no duration. "0" needs no unit. */
export function parseDuration(text: string): number | undefined {
  if (/^[+-]?0+$/.test(text)) return 0;
  if (!whole.test(text)) return undefined;
  let total = 0;
  for (const [, amount = "0", unit = ""] of text.matchAll(part)) total += Number(amount) * (unitMs[unit] ?? 0);
  const rounded = Math.round(total * 1e6) / 1e6;
  return text.startsWith("-") ? -rounded : rounded;
}

/** The shortest usual form, without zero units: "1m", "1h30m", "250ms", "0s". */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < 0) return `-${formatDuration(-ms)}`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const rest = Math.round((ms % 60_000) * 1e6) / 1e6;
  const small = rest === 0 ? "" : rest >= 1000 ? `${rest / 1000}s` : `${rest}ms`;
  return `${hours > 0 ? `${hours}h` : ""}${minutes > 0 ? `${minutes}m` : ""}${small}`;
}
