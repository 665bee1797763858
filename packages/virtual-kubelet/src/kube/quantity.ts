// Kubernetes quantities ("250m", "1.5Gi", "2e3"), exactly: as a count of billionths, the finest that the API server keeps.
import { VirtualKubeletError } from "../errors.ts";

/** Billionths of the unit: of a core, a byte, a piece. */
export type Nanos = bigint;

/** How the API server writes an amount: with powers of 1000 ("1500M") or of 1024 ("1Gi"). */
export type QuantityFormat = "decimal" | "binary";

const one = 10n ** 9n;

const decimalSuffixes: readonly (readonly [string, bigint])[] = [
  ["E", 10n ** 27n],
  ["P", 10n ** 24n],
  ["T", 10n ** 21n],
  ["G", 10n ** 18n],
  ["M", 10n ** 15n],
  ["k", 10n ** 12n],
  ["", one],
  ["m", 10n ** 6n],
  ["u", 10n ** 3n],
  ["n", 1n],
];
const binarySuffixes: readonly (readonly [string, bigint])[] = [
  ["Ei", one << 60n],
  ["Pi", one << 50n],
  ["Ti", one << 40n],
  ["Gi", one << 30n],
  ["Mi", one << 20n],
  ["Ki", one << 10n],
  ["", one],
];
const unitOf: ReadonlyMap<string, bigint> = new Map([...decimalSuffixes, ...binarySuffixes]);
const grammar = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4})|(\p{L}{1,2}))?$/u;

/** What finer than a billionth is rounded away from zero, as in the API server. Throws Invalid for what is no quantity. */
export function parseQuantity(text: string): Nanos {
  const match = grammar.exec(text);
  const [, sign, whole = "", fraction = "", exponent, suffix = ""] = match ?? [];
  const unit = unitOf.get(suffix);
  if (match === null || unit === undefined || (whole === "" && fraction === "")) {
    throw new VirtualKubeletError("Invalid", `"${text}" is not a quantity (like "250m", "2" or "1.5Gi")`);
  }
  const power = Number(exponent ?? 0) - fraction.length;
  const digits = BigInt(whole + fraction) * unit;
  const amount = power >= 0 ? digits * 10n ** BigInt(power) : dividedUp(digits, 10n ** BigInt(-power));
  return sign === "-" ? -amount : amount;
}

/** Negative, zero or positive, as `a` is less than, equal to or greater than `b`. */
export function compareQuantities(a: string, b: string): number {
  const difference = parseQuantity(a) - parseQuantity(b);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The sum, written in the format of the first: "1Gi" and "500M" give bytes in powers of 1024 as far as they go. */
export function addQuantity(a: string, b: string): string {
  return formatQuantity(parseQuantity(a) + parseQuantity(b), a.endsWith("i") ? "binary" : "decimal");
}

/** The canonical text: no fraction, the largest suffix with which nothing is lost. */
export function formatQuantity(amount: Nanos, format: QuantityFormat): string {
  if (amount === 0n) return "0";
  const suffixes = format === "binary" && amount % one === 0n ? binarySuffixes : decimalSuffixes;
  for (const [suffix, unit] of suffixes) {
    if (amount % unit === 0n) return `${amount / unit}${suffix}`;
  }
  return `${amount}n`;
}

/** In whole units (bytes, pieces), rounded up. */
export function wholeUnits(amount: Nanos): bigint {
  return amount < 0n ? -dividedUp(-amount, one) : dividedUp(amount, one);
}

/** In thousandths (of a core), rounded up. */
export function milliUnits(amount: Nanos): bigint {
  return amount < 0n ? -dividedUp(-amount, 10n ** 6n) : dividedUp(amount, 10n ** 6n);
}

function dividedUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}
