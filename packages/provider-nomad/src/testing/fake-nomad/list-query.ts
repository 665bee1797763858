// What lists are asked for: filters as far as they are used, pages, how long to wait. Pure.
import { NomadRefusal } from "./refusal.ts";

/** `Meta["key"] == "text" and ID matches "^x"`. Throws for what the fake does not read. */
export function matchesFilter(filter: string, of: object): boolean {
  if (filter === "") return true;
  return filter.split(/ and /).every((part) => {
    const [, name = "", key, operand, literal = ""] =
      /^\s*([A-Za-z]+)(?:\["([^"]+)"\])? (==|!=|matches) ("(?:[^"\\]|\\.)*")\s*$/.exec(part) ?? [];
    const wanted: unknown = literal === "" ? undefined : JSON.parse(literal);
    if (typeof wanted !== "string") throw new NomadRefusal(400, `failed to read filter expression: ${part}`);
    const field = fieldOf(of, name);
    const value =
      key === undefined ? field : typeof field === "object" && field !== null ? fieldOf(field, key) : undefined;
    if (operand === "matches") return typeof value === "string" && new RegExp(wanted).test(value);
    return (value === wanted) === (operand === "==");
  });
}

function fieldOf(of: object, name: string): unknown {
  return Object.entries(of).find(([key]) => key === name)?.[1];
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextToken: string;
}

/** In the order of their keys. */
export function pageOf<T>(all: readonly T[], key: (item: T) => string, query: URLSearchParams): Page<T> {
  const sorted = [...all].sort((one, other) => (key(one) < key(other) ? -1 : 1));
  const from = query.get("next_token") ?? "";
  const rest = from === "" ? sorted : sorted.filter((item) => key(item) >= from);
  const perPage = Number(query.get("per_page") ?? 0);
  if (perPage <= 0 || rest.length <= perPage) return { items: rest, nextToken: "" };
  const next = rest[perPage];
  return { items: rest.slice(0, perPage), nextToken: next === undefined ? "" : key(next) };
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000 };

/** Milliseconds; 0 index: nothing is waited for. */
export function waitOf(query: URLSearchParams): { readonly index: number; readonly waitMs: number } {
  const [, amount = "300", unit = "s"] = /^(\d+)(ms|s|m)$/.exec(query.get("wait") ?? "300s") ?? [];
  return { index: Number(query.get("index") ?? 0), waitMs: Math.min(600_000, Number(amount) * (units[unit] ?? 1)) };
}
