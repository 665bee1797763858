// Writes Prometheus' text format, version 0.0.4. Plain strings: thousands of series are written at each scrape. Pure.

export const prometheusContentType = "text/plain; version=0.0.4; charset=utf-8";

export type MetricType = "counter" | "gauge" | "histogram" | "summary" | "untyped";

const needsEscape = /[\\"\n]/;

/** A label's value between quotes. */
export function labelValue(value: string): string {
  if (!needsEscape.test(value)) return value;
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** `a="x",b="y"` in the given order; without braces, so that more can be added. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  let text = "";
  for (const [name, value] of Object.entries(labels)) text += `${text === "" ? "" : ","}${name}="${labelValue(value)}"`;
  return text;
}

export function numberText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}

/** Lines of one metric, in the order in which they are added; nothing at all when there are none. */
export class MetricFamily {
  readonly #name: string;
  readonly #head: string;
  readonly #lines: string[] = [];

  constructor(name: string, type: MetricType, help: string) {
    this.#name = name;
    this.#head = `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n# TYPE ${name} ${type}\n`;
  }

  /** `labels` as of `labelText`; `timeMs` in epoch milliseconds, where the sample was not taken just now. */
  add(labels: string, value: number, timeMs?: number): this {
    return this.addTo("", labels, value, timeMs);
  }

  /** The same for a series of a histogram or summary, whose name goes on with `suffix`. */
  addTo(suffix: string, labels: string, value: number, timeMs?: number): this {
    const time = timeMs === undefined ? "" : ` ${Math.trunc(timeMs)}`;
    const braces = labels === "" ? "" : `{${labels}}`;
    this.#lines.push(`${this.#name}${suffix}${braces} ${numberText(value)}${time}\n`);
    return this;
  }

  toString(): string {
    return this.#lines.length === 0 ? "" : this.#head + this.#lines.join("");
  }
}
