// Places in documents: what patches, and who applies, change there.
import { at, equal, isList, type Json, object, parseJson, put } from "./json.ts";

/** Names on the way to a value: fields and items as FieldsV1 has them (`f:name`, `k:{"name":"x"}`, `v:"x"`), or `#0` by number. */
export type Path = readonly string[];

export interface Edit {
  readonly path: Path;
  /** undefined takes it away. */
  readonly change: (there: Json | undefined) => Json | undefined;
}

function indexOf(items: readonly Json[], name: string): number {
  if (name.startsWith("#")) return Number(name.slice(1));
  const wanted = parseJson(name.slice(2));
  if (name.startsWith("v:")) return items.findIndex((item) => equal(item, wanted));
  const keys = Object.entries(object(wanted));
  return items.findIndex((item) => keys.every(([key, value]) => equal(at(item, key) ?? "", value)));
}

export function find(value: Json | undefined, path: Path): Json | undefined {
  return path.reduce<Json | undefined>((here, name) => {
    if (name.startsWith("f:")) return at(here, name.slice(2));
    return isList(here) ? here[indexOf(here, name)] : undefined;
  }, value);
}

/** A copy with another value at a place. What is on the way is made. */
export function edit(value: Json | undefined, { path: [name, ...rest], change }: Edit): Json | undefined {
  if (name === undefined) return change(value);
  if (name.startsWith("f:")) {
    const field = name.slice(2);
    return put(object(value), [field], edit(at(value, field), { path: rest, change }));
  }
  const items = isList(value) ? value : [];
  const index = indexOf(items, name);
  const item = edit(items[index], { path: rest, change });
  if (item === undefined) return items.filter((_, place) => place !== index);
  return index < 0 ? [...items, item] : items.with(index, item);
}
