// The kinds of values that settings have, each with the one message for all that can be wrong with it.
import { isIP } from "node:net";
import * as v from "valibot";
import { parseDuration } from "./duration.ts";

/** A check with one message for all that can be wrong: `must be ...`. */
export function leaf<T>(is: (value: unknown) => boolean, must: string): v.GenericSchema<T> {
  return v.custom<T>(is, must);
}
export const matches =
  (pattern: RegExp) =>
  (value: unknown): boolean =>
    typeof value === "string" && pattern.test(value);
export const text = (what = "text"): v.GenericSchema<string> => leaf(matches(/./s), `must be ${what}`);
export const flag = (): v.GenericSchema<boolean> =>
  leaf((value) => typeof value === "boolean", "must be true or false");
export const integer = (least: number, most: number): v.GenericSchema<number> =>
  leaf(
    (value) => typeof value === "number" && Number.isInteger(value) && value >= least && value <= most,
    `must be a whole number from ${least} to ${most}`,
  );
export const oneOf = <const T extends string>(...options: readonly T[]): v.PicklistSchema<readonly T[], string> =>
  v.picklist(options, `must be one of ${options.join(", ")}`);
/** Text like "1m30s"; milliseconds afterwards. */
export function duration(leastMs: number): v.GenericSchema<string, number> {
  const must = `must be a duration such as "30s" or "1m30s"${leastMs > 0 ? `, at least ${leastMs / 1000}s` : ""}`;
  return v.pipe(
    leaf<string>((value) => typeof value === "string" && (parseDuration(value) ?? -1) >= leastMs, must),
    v.transform((value) => parseDuration(value) ?? 0),
    v.metadata({ duration: true }),
  );
}
/** An optional setting with its text for help and manual. */
export const say = <I, O>(
  schema: v.GenericSchema<I, O>,
  about: string,
): v.ExactOptionalSchema<v.GenericSchema<I, O>, undefined> => {
  const described: v.GenericSchema<I, O> = v.pipe(schema, v.description(about));
  return v.exactOptional(described);
};

const dnsLabel = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?";
const isNodeName = (value: unknown): boolean =>
  typeof value === "string" &&
  value.length <= 253 &&
  new RegExp(`^${dnsLabel}(?:\\.${dnsLabel})*$`).test(value.replace("{}", "0"));
export const nodeName = (): v.GenericSchema<string> =>
  leaf(isNodeName, 'must be lower-case letters, digits, "-" and ".", and may hold one "{}" for the number');
export const labelValue: v.GenericSchema<string> = leaf(
  matches(/^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/),
  "must be a label value",
);
const qualifiedName = /^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
export const nameKey: v.GenericSchema<string> = leaf(
  matches(qualifiedName),
  "must be a qualified name such as example.com/name",
);
export const quantity: v.GenericSchema<string> = leaf(
  (value) => matches(/^\+?(?:\d+\.?\d*|\.\d+)(?:[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?$/)(value),
  'must be a quantity in quotes, such as "4", "500m" or "16Gi"',
);
export const map = <T>(value: v.GenericSchema<T>): v.GenericSchema<Record<string, T>> =>
  v.record(nameKey, value, "must be a map");
export const list = <I, O>(item: v.GenericSchema<I, O>): v.GenericSchema<I[], O[]> => v.array(item, "must be a list");
export const section = <const E extends v.ObjectEntries>(entries: E): v.ObjectSchema<E, string> =>
  v.object(entries, "must be a map");
export const ipAddress: v.GenericSchema<string> = leaf(
  (value) => typeof value === "string" && isIP(value) !== 0,
  "must be an IP address",
);
/** Text, which may be empty. */
export const anyText: v.GenericSchema<string> = leaf((value) => typeof value === "string", "must be text");
