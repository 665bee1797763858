// Finds what answers a path: literal segments as they are, named ones decoded, a trailing slash without meaning. Pure.

/** One pattern of the API and what answers it, by method. */
export interface Route<H> {
  /** E.g. `/exec/{namespace}/{pod}/{container}`; `{path*}` at the end takes the rest, also none. Also the metrics' label. */
  readonly pattern: string;
  readonly methods: readonly string[];
  readonly handler: H;
}

export interface RouteMatch<H> {
  readonly route: Route<H>;
  readonly params: Readonly<Record<string, string>>;
}

/** Finds routes by path; of several that fit, the first given. */
export class Router<H> {
  readonly #routes: readonly (readonly [segments: readonly string[], route: Route<H>])[];

  constructor(routes: readonly Route<H>[]) {
    this.#routes = routes.map((route) => [segmentsOf(route.pattern), route]);
  }

  /** `path` is in normal form: see `pathOf` in access-attributes.ts. */
  find(path: string): RouteMatch<H> | undefined {
    const segments = segmentsOf(path);
    for (const [pattern, route] of this.#routes) {
      const params = matched(pattern, segments);
      if (params !== undefined) return { route, params };
    }
    return undefined;
  }

  get patterns(): readonly string[] {
    return this.#routes.map(([, { pattern }]) => pattern);
  }
}

function segmentsOf(path: string): readonly string[] {
  const segments = path.split("/").slice(1);
  return segments.at(-1) === "" ? segments.slice(0, -1) : segments;
}

function matched(pattern: readonly string[], segments: readonly string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  for (const [index, expected] of pattern.entries()) {
    const name = /^\{(\w+)(\*?)\}$/.exec(expected);
    if (name?.[2] === "*") {
      params[name[1] ?? ""] = segments.slice(index).map(decodeURIComponent).join("/");
      return params;
    }
    const actual = segments[index];
    if (actual === undefined) return undefined;
    if (name !== null) params[name[1] ?? ""] = decodeURIComponent(actual);
    else if (actual !== expected) return undefined;
  }
  return pattern.length === segments.length ? params : undefined;
}
