// Are two quantities the same? The API server rewrites them ("0.5" as "500m"), so that their texts cannot be compared.

const multipliers: Readonly<Record<string, bigint>> = {
  n: 1n,
  u: 1_000n,
  m: 1_000_000n,
  "": 10n ** 9n,
  k: 10n ** 12n,
  M: 10n ** 15n,
  G: 10n ** 18n,
  T: 10n ** 21n,
  P: 10n ** 24n,
  E: 10n ** 27n,
  Ki: (10n ** 9n) << 10n,
  Mi: (10n ** 9n) << 20n,
  Gi: (10n ** 9n) << 30n,
  Ti: (10n ** 9n) << 40n,
  Pi: (10n ** 9n) << 50n,
  Ei: (10n ** 9n) << 60n,
};

/** The quantity in billionths, rounded up as the API server does; undefined when the text is none. */
export function quantityNanos(text: string): bigint | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3})|(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?)$/.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = "", fraction = "", exponent, suffix = ""] = match;
  if (whole === "" && fraction === "") return undefined;
  const power = Number(exponent ?? 0) - fraction.length;
  const scaled = BigInt(whole + fraction) * (multipliers[suffix] ?? 0n) * (power > 0 ? 10n ** BigInt(power) : 1n);
  const divisor = power < 0 ? 10n ** BigInt(-power) : 1n;
  const nanos = (scaled + divisor - 1n) / divisor;
  return sign === "-" ? -nanos : nanos;
}

/** Texts that are no quantities are equal only when they are the same. */
export function sameQuantity(a: string, b: string): boolean {
  if (a === b) return true;
  const left = quantityNanos(a);
  return left !== undefined && left === quantityNanos(b);
}
