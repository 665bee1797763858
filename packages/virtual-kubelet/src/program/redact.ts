// Keeps secrets out of what the program prints: by the name of a key, and credentials inside of texts.

const secretKey =
  /(?:token|password|passwd|passphrase|authorization|secret|credentials?|cookie|(?:private|access|api|secret)[-_]?key|connectionString)s?$/i;

/** Does a key of this name hold a secret? Names of secrets (`secretName`) and paths (`tokenFile`) do not. */
export function isSecretKey(key: string): boolean {
  return secretKey.test(key);
}

const hidden = "[redacted]";

/** A copy with the values of secret keys replaced; numbers and booleans are no secrets. Errors are left to their serialiser. */
export function redact(value: unknown, depth = 6): unknown {
  if (typeof value !== "object" || value === null || value instanceof Error || value instanceof Date) return value;
  if (depth === 0) return Array.isArray(value) ? "[list]" : "[map]";
  if (Array.isArray(value)) return value.map((inner: unknown) => redact(inner, depth - 1));
  const copy: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    const secret = isSecretKey(key) && (typeof inner === "string" || (typeof inner === "object" && inner !== null));
    copy[key] = secret ? hidden : redact(inner, depth - 1);
  }
  return copy;
}

/** A text without bearer tokens, basic credentials and passwords of URLs. */
export function redactText(text: string): string {
  if (!/bearer|basic|:\/\//i.test(text)) return text;
  return text
    .replaceAll(/\b(bearer|basic)\s+[\w.~+/-]{8,}=*/gi, `$1 ${hidden}`)
    .replaceAll(/(\w:\/\/[^\s/@:]*):[^\s/@]+@/g, `$1:${hidden}@`);
}
