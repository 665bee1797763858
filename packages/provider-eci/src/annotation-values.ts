// Values of annotations, checked. Each throws Invalid with the annotation; an empty text is none. Pure.
import { invalid } from "@virtual-kubelet/virtual-kubelet/cloud";

export class AnnotationValues {
  readonly #all: Readonly<Record<string, string>>;
  readonly #read = new Set<string>();

  constructor(all: Readonly<Record<string, string>>) {
    this.#all = all;
  }

  static field(key: string): string {
    return `metadata.annotations[${key}]`;
  }

  text(key: string): string | undefined {
    this.#read.add(key);
    const value = this.#all[key]?.trim();
    return value === "" ? undefined : value;
  }

  /** Separated by commas. */
  list(key: string, pattern: RegExp, what: string): readonly string[] | undefined {
    const parts = this.text(key)
      ?.split(",")
      .map((part) => part.trim())
      .filter((part) => part !== "");
    const wrong = parts?.find((part) => !pattern.test(part));
    if (wrong !== undefined) throw invalid(AnnotationValues.field(key), `"${wrong.slice(0, 80)}" must be ${what}`);
    return parts === undefined || parts.length === 0 ? undefined : parts;
  }

  matched(key: string, pattern: RegExp, what: string): string | undefined {
    const value = this.text(key);
    if (value !== undefined && !pattern.test(value))
      throw invalid(AnnotationValues.field(key), `"${value.slice(0, 80)}" must be ${what}`);
    return value;
  }

  oneOf<T extends string>(key: string, values: readonly T[]): T | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const found = values.find((each) => each.toLowerCase() === value.toLowerCase());
    if (found === undefined)
      throw invalid(AnnotationValues.field(key), `"${value.slice(0, 80)}" must be ${values.join(" or ")}`);
    return found;
  }

  flag(key: string): boolean | undefined {
    const found = this.oneOf(key, ["true", "false"]);
    return found === undefined ? undefined : found === "true";
  }

  whole(key: string, least: number, most: number): number | undefined {
    const value = this.text(key);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < least || number > most)
      throw invalid(
        AnnotationValues.field(key),
        `"${value.slice(0, 80)}" must be a whole number from ${least} to ${most}`,
      );
    return number;
  }

  /** Of those that begin with the prefix, what nobody asked for. */
  unread(prefix: string): readonly string[] {
    return Object.keys(this.#all).filter((key) => key.startsWith(prefix) && !this.#read.has(key));
  }
}
