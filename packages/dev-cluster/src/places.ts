// Places in documents: what patches, and who applies, change there.
import { at, equal, isList, type Json, object, parseJson } from "./json.ts";

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

/** A copy with other values at these places, changed one after another. What is on the way is made. */
export function edit(value: Json | undefined, edits: readonly Edit[]): Json | undefined {
  const copies: Copies = new WeakMap();
  return edits.reduce<Json | undefined>((now, each) => edited(now, each, copies), value);
}

/** Objects that are copies already, to themselves: one with many changes in it is copied once. */
type Copies = WeakMap<object, Record<string, Json | undefined>>;

function edited(value: Json | undefined, { path: [name, ...rest], change }: Edit, copies: Copies): Json | undefined {
  if (name === undefined) return change(value);
  if (name.startsWith("f:")) {
    const field = name.slice(2);
    const fields = copies.get(object(value)) ?? { ...object(value) };
    copies.set(fields, fields);
    const inside = edited(at(fields, field), { path: rest, change }, copies);
    if (inside === undefined) delete fields[field];
    // As an assignment would, but for `__proto__`, which is a name like any other.
    else Object.defineProperty(fields, field, { value: inside, writable: true, enumerable: true, configurable: true });
    return fields;
  }
  const items = isList(value) ? value : [];
  const index = indexOf(items, name);
  const item = edited(items[index], { path: rest, change }, copies);
  if (item === undefined) return items.filter((_, place) => place !== index);
  return index < 0 ? [...items, item] : items.with(index, item);
}
