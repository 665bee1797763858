// GET: one object, or a list in pages that all show the same moment.
import { randomUUID } from "node:crypto";
import type { Api } from "./api.ts";
import { badRequest, expired } from "./api-error.ts";
import { namespaceOf, type ResourceCall } from "./call.ts";
import { type JsonObject, object } from "./json.ts";
import { representationOf } from "./representation.ts";
import { fieldMatcher, labelMatcher, type Matcher } from "./selectors.ts";
import { shownBy } from "./versions.ts";

/** How many lists may be read in pages at once; the oldest is dropped. */
const pagedLists = 64;

interface Paged {
  /** What it is a list of. */
  readonly path: string;
  readonly items: readonly JsonObject[];
  readonly revision: number;
}

/** What a list, a watch or a collection's deletion is about. */
export function matcherOf(call: ResourceCall): Matcher {
  const { route, resource } = call;
  const byLabels = labelMatcher(route.query.get("labelSelector") ?? "");
  const byFields = fieldMatcher(route.query.get("fieldSelector") ?? "", resource);
  return (candidate) => {
    const { name, namespace } = object(candidate, "metadata");
    const isWithin = ["", namespace].includes(namespaceOf(call)) && ["", name].includes(route.name);
    return isWithin && byLabels(candidate) && byFields(shownBy(resource, candidate));
  };
}

export class Reading {
  readonly #api: Api;
  readonly #paged = new Map<string, Paged>();

  constructor(api: Api) {
    this.#api = api;
  }

  get(call: ResourceCall): JsonObject {
    const found = this.#api.get(call.resource, namespaceOf(call), call.route.name);
    return representationOf(call, this.#api.now).one(found);
  }

  list(call: ResourceCall): JsonObject {
    const { query } = call.route;
    const representation = representationOf(call, this.#api.now);
    const limit = Number(query.get("limit") ?? 0);
    if (!Number.isInteger(limit))
      throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(query.get("limit"))}: invalid syntax`);
    const token = query.get("continue") ?? "";
    const { items, revision } = token === "" ? this.#now(call) : this.#continued(token, call.route.path);
    const page = limit > 0 ? items.slice(0, limit) : items;
    const rest = items.slice(page.length);
    const more =
      rest.length === 0
        ? {}
        : { continue: this.#keep({ path: call.route.path, items: rest, revision }), remainingItemCount: rest.length };
    return representation.list(page, { resourceVersion: `${revision}`, ...more });
  }

  /** All that a list or a collection's deletion is about. */
  matching(call: ResourceCall): readonly JsonObject[] {
    return this.#api.store.list(call.resource.key, namespaceOf(call)).filter(matcherOf(call));
  }

  #now(call: ResourceCall): Paged {
    const asked = call.route.query.get("resourceVersion") ?? "";
    if (asked !== "" && !/^\d+$/.test(asked))
      throw badRequest(
        `Invalid value: ${JSON.stringify(asked)}: strconv.ParseUint: parsing ${JSON.stringify(asked)}: invalid syntax`,
      );
    const { revision } = this.#api.store;
    if (call.route.query.get("resourceVersionMatch") === "Exact" && asked !== `${revision}`) {
      throw expired("The resourceVersion for the provided list is too old.");
    }
    return { path: call.route.path, items: this.matching(call), revision };
  }

  #continued(token: string, path: string): Paged {
    const paged = this.#paged.get(token);
    if (paged?.path !== path) {
      throw expired("The provided continue parameter is too old to display a consistent list result.");
    }
    return paged;
  }

  #keep(paged: Paged): string {
    const token = randomUUID();
    this.#paged.set(token, paged);
    const [oldest] = this.#paged.keys();
    if (this.#paged.size > pagedLists && oldest !== undefined) this.#paged.delete(oldest);
    return token;
  }
}
