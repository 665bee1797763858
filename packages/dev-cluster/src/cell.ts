// One cell of a table, by what it says of an object.
import { at, type Json, type JsonObject, number, object } from "./json.ts";

export type Cell = (item: JsonObject, now: number) => Json;

export const none: string = "<none>";
export const path =
  (...keys: string[]): Cell =>
  (item) => {
    const found = at(item, ...keys);
    return found === undefined || found === null || found === ""
      ? none
      : typeof found === "object"
        ? JSON.stringify(found)
        : found;
  };
export const amount =
  (...keys: string[]): Cell =>
  (item) =>
    number(item, ...keys) ?? 0;
export const fraction =
  (part: readonly string[], whole: readonly string[]): Cell =>
  (item) =>
    `${number(item, ...part) ?? 0}/${number(item, ...whole) ?? 0}`;

export function labels(selector: Json | undefined): string {
  const pairs = Object.entries(object(selector)).map(([key, value]) => `${key}=${value}`);
  return pairs.length === 0 ? none : pairs.sort().join(",");
}
