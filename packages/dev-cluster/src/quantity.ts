// Quantities in the form in which the API server gives them back: `0.5` is `500m`, `1024Mi` is `1Gi`.

const pattern = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?$/;
/** Each a thousand times the next. */
const decimal: readonly string[] = ["E", "P", "T", "G", "M", "k", "", "m", "u", "n"];
/** Each 1,024 times the next. */
const binary: readonly string[] = ["Ei", "Pi", "Ti", "Gi", "Mi", "Ki"];

/** In billionths, rounded up; undefined where the text is no quantity. */
function parse(text: string): { readonly billionths: bigint; readonly suffix: string } | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const [, sign = "", digits = "", suffix = ""] = match;
  const [whole = "", fraction = ""] = digits.split(".");
  let numerator = BigInt(`${whole}${fraction}` || "0");
  let exponent = 9 - fraction.length;
  const power = binary.indexOf(suffix);
  if (power >= 0) numerator *= 1024n ** BigInt(binary.length - power);
  else if (/^[eE][+-]?\d/.test(suffix)) exponent += Number(suffix.slice(1));
  else exponent += 18 - 3 * decimal.indexOf(suffix);
  if (exponent > 60) return undefined;
  const scaled =
    exponent >= 0 ? numerator * 10n ** BigInt(exponent) : ceil(numerator, 10n ** BigInt(Math.min(-exponent, 400)));
  return { billionths: sign === "-" ? -scaled : scaled, suffix };
}

function ceil(numerator: bigint, divisor: bigint): bigint {
  return (numerator + divisor - 1n) / divisor;
}

/** undefined where the text is no quantity. */
export function canonicalQuantity(text: string): string | undefined {
  const parsed = parse(text);
  if (parsed === undefined) return undefined;
  const { billionths, suffix } = parsed;
  if (billionths === 0n) return "0";
  if (suffix.endsWith("i") && billionths % 1_000_000_000n === 0n) {
    const units = billionths / 1_000_000_000n;
    const absolute = units < 0n ? -units : units;
    for (const [index, name] of binary.entries()) {
      const size = 1024n ** BigInt(binary.length - index);
      if (absolute >= size && absolute % size === 0n) return `${units / size}${name}`;
    }
    return `${units}`;
  }
  const isExponent = /^[eE][+-]?\d/.test(suffix);
  for (const [index, name] of decimal.entries()) {
    const power = 18 - 3 * index;
    const size = 10n ** BigInt(power + 9);
    if (billionths % size === 0n) return `${billionths / size}${isExponent && power !== 0 ? `e${power}` : name}`;
  }
  return `${billionths}n`;
}

/** As a number, for comparisons and sums; 0 where the text is no quantity. */
export function quantityValue(text: string): number {
  return Number(parse(text)?.billionths ?? 0n) / 1e9;
}
