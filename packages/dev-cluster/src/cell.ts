// What cells of tables say of an object.
import type { Column } from "./api-data.ts";
import { at, isList, isObject, type Json, type JsonObject, object, text } from "./json.ts";

/** A path with dots, whose value is shown as the type of the column has it, or a function. */
export type Cell = string | ((item: JsonObject, now: number) => Json);
/** By the name of the column. */
export type Row = Readonly<Record<string, Cell>>;

export const none: string = "<none>";

/** What is there, in each item of the lists on the way. */
function valuesAt(item: Json, dotted: string): readonly Json[] {
  let found: readonly Json[] = [item];
  for (const key of dotted.split(".")) found = found.flatMap((each): readonly Json[] => [at(each, key) ?? []].flat());
  return found;
}

function words(value: Json): string {
  if (!isObject(value)) return `${value}`;
  const pairs = Object.entries(value).map(([key, each]) => `${key}=${each}`);
  return pairs.sort().join(",");
}

/** The one value, or all of them in words; those of an object with their keys, as labels. */
export const path =
  (dotted: string, otherwise: string = none): ((item: Json) => Json) =>
  (item) => {
    const found = valuesAt(item, dotted);
    const [only] = found;
    if (found.length === 1 && (typeof only === "number" || typeof only === "boolean")) return only;
    return found.map(words).join(",") || otherwise;
  };

/** How much, or how many. */
export const amount =
  (dotted: string): ((item: Json) => number) =>
  (item) => {
    const found = at(item, ...dotted.split("."));
    if (typeof found === "number") return found;
    return isList(found) ? found.length : Object.keys(object(found)).length;
  };

export const flag =
  (dotted: string): ((item: Json) => boolean) =>
  (item) =>
    at(item, ...dotted.split(".")) === true;

export const fraction =
  (part: string, whole: string): Cell =>
  (item) =>
    `${amount(part)(item)}/${amount(whole)(item)}`;

/** Those of these words that are there. */
export const joined =
  (separator: string, paths: readonly string[], otherwise = ""): ((item: Json) => string) =>
  (item) =>
    paths
      .map((dotted) => text(item, ...dotted.split(".")))
      .filter(Boolean)
      .join(separator) || otherwise;

/** The first three. */
export const few = (all: readonly string[]): string =>
  all.slice(0, 3).join(",") + (all.length > 3 ? ` + ${all.length - 3} more...` : "");

/** `Cluster-IP` is `clusterIP`, of the spec, the status, or the object itself. */
function pathOf(column: string, item: JsonObject): string {
  const wanted = column.replaceAll("-", "").toLowerCase();
  const keyIn = (part: JsonObject): string | undefined => Object.keys(part).find((key) => key.toLowerCase() === wanted);
  for (const part of ["spec", "status"]) {
    const key = keyIn(object(item, part));
    if (key !== undefined) return `${part}.${key}`;
  }
  return keyIn(item) ?? wanted;
}

/** Without a cell of its own a column shows the field of its name. */
export function cellOf(cell: Cell | undefined, { name, type }: Column, item: JsonObject, now: number): Json {
  if (typeof cell === "function") return cell(item, now);
  const dotted = cell ?? pathOf(name, item);
  if (type === "integer") return amount(dotted)(item);
  return type === "boolean" ? flag(dotted)(item) : path(dotted)(item);
}
