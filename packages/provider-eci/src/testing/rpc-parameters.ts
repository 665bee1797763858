// Parameters of Alibaba Cloud's RPC style: `Container.1.Name=web` in the query or in a form, back to what they were made from.

export interface Parameters {
  /** Texts, lists and objects. */
  readonly value: Readonly<Record<string, unknown>>;
  /** Names that do not fit together; empty: none. */
  readonly faults: readonly string[];
}

interface Branch {
  readonly children: Map<string, Branch>;
  text?: string;
}

/** Pure. Of all sources together; none may say what another says. */
export function nestedParameters(sources: readonly URLSearchParams[]): Parameters {
  const faults: string[] = [];
  const root: Branch = { children: new Map() };
  for (const source of sources)
    for (const [name, text] of source) {
      let at = root;
      for (const part of name.split(".")) {
        const next = at.children.get(part) ?? { children: new Map() };
        at.children.set(part, next);
        at = next;
      }
      if (at.text !== undefined) faults.push(`${name} is there twice`);
      at.text = text;
    }
  const value: Record<string, unknown> = {};
  for (const [name, branch] of root.children) value[name] = valueAt(branch, name, faults);
  return { value, faults };
}

function valueAt({ text, children }: Branch, path: string, faults: string[]): unknown {
  if (children.size === 0) return text ?? "";
  if (text !== undefined) faults.push(`${path} is both a text and more`);
  const names = [...children.keys()];
  if (names.every((name) => /^\d+$/.test(name))) return listOf(children, path, faults);
  return Object.fromEntries([...children].map(([name, each]) => [name, valueAt(each, `${path}.${name}`, faults)]));
}

/** Numbered from 1. */
function listOf(children: ReadonlyMap<string, Branch>, path: string, faults: string[]): readonly unknown[] {
  const list: unknown[] = [];
  for (let number = 1; number <= children.size; number += 1) {
    const each = children.get(String(number));
    if (each === undefined) {
      faults.push(`${path} has ${children.size} items, but ${path}.${number} is missing`);
      break;
    }
    list.push(valueAt(each, `${path}.${number}`, faults));
  }
  return list;
}
