// What kubectl asks of an API server, recorded, and asked again of any: names of one cluster in it become those of another.
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { isList, isObject, type Json, list, object, parseJson, text } from "../packages/dev-cluster/src/json.ts";
import type { ControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";

export interface RecordedRequest {
  /** What the user typed, without `kubectl`. */
  readonly command: string;
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly accept: string;
  readonly contentType: string;
  /** Text; as base64 after `base64:` where it is none. `{{uid pods/default/a}}` is that object's. */
  readonly body: string;
}

export interface Answer {
  readonly code: number;
  /** Text where it is no JSON. */
  readonly body: Json;
}

const fields = { uid: "uid", version: "resourceVersion" } as const;

/** UIDs and resource versions of one cluster's objects, as its answers tell them. */
export class KnownObjects {
  readonly #byName = new Map<string, string>();
  readonly #byValue = new Map<string, string>();

  /** Learns from an answer. */
  see(path: string, answer: Json): void {
    const resource = resourceOf(path);
    const items = isList(at(answer, "items"))
      ? list(answer, "items")
      : list(answer, "rows").map((row) => at(row, "object"));
    for (const each of [answer, ...items]) {
      const metadata = object(each, "metadata");
      const name = text(metadata, "name");
      if (name === "") continue;
      for (const [short, field] of Object.entries(fields)) {
        const value = text(metadata, field);
        const symbol = `{{${short} ${resource}/${text(metadata, "namespace")}/${name}}}`;
        if (value === "") continue;
        this.#byName.set(symbol, value);
        this.#byValue.set(`${field} ${value}`, symbol);
      }
    }
  }

  /** Names in the place of values. */
  abstract(body: string): string {
    return body.replaceAll(/"(uid|resourceVersion)":\s*"([^"]+)"/g, (whole, field: string, value: string) => {
      const symbol = this.#byValue.get(`${field} ${value}`);
      return symbol === undefined ? whole : `"${field}":"${symbol}"`;
    });
  }

  /** Values in the place of names. Throws where one is not known. */
  concrete(body: string): string {
    return body.replaceAll(/\{\{(?:uid|version) [^}]+\}\}/g, (symbol) => {
      const value = this.#byName.get(symbol);
      if (value === undefined) throw new Error(`no ${symbol} here`);
      return value;
    });
  }
}

function at(value: Json | undefined, key: string): Json | undefined {
  return isObject(value) ? value[key] : undefined;
}

/** `pods` of `/api/v1/namespaces/default/pods/a?...`. */
function resourceOf(path: string): string {
  const segments = (path.split("?")[0] ?? "").split("/").slice(path.startsWith("/api/") ? 3 : 4);
  return (segments[0] === "namespaces" && segments.length > 2 ? segments[2] : segments[0]) ?? "";
}

/** The same again: of what is asked for twice in one form only the first; what streams is left out. */
export function readTraffic(file: string): readonly RecordedRequest[] {
  return list(parseJson(readFileSync(file, "utf8")), "requests").map((each) => ({
    command: text(each, "command"),
    method: text(each, "method"),
    path: text(each, "path"),
    accept: text(each, "accept"),
    contentType: text(each, "contentType"),
    body: text(each, "body"),
  }));
}

/** Asks as the administrator of a control plane; answers JSON where it is offered. */
export function asker(plane: ControlPlane): (asked: Omit<RecordedRequest, "command">) => Promise<Answer> {
  const [user] = list(parseJson(readFileSync(plane.kubeconfig, "utf8")), "users");
  const decode = (field: string): string => Buffer.from(text(user, "user", field), "base64").toString();
  const credentials = {
    ca: readFileSync(plane.caFile, "utf8"),
    cert: decode("client-certificate-data"),
    key: decode("client-key-data"),
  };
  return ({ method, path, accept, contentType, body }) =>
    new Promise((settle, reject) => {
      const sent = body.startsWith("base64:") ? Buffer.from(body.slice(7), "base64") : Buffer.from(body);
      const headers: Record<string, string | number> = { accept, "content-length": sent.length };
      if (contentType !== "") headers["content-type"] = contentType;
      const outgoing = request(
        `${plane.server}${path}`,
        { method, headers, agent: false, ...credentials },
        (incoming) => {
          const settleWith = (chunks: readonly Buffer[]): void => {
            const said = Buffer.concat(chunks).toString();
            const isJson = incoming.headers["content-type"]?.includes("json") === true;
            settle({ code: incoming.statusCode ?? 0, body: isJson ? parseJson(said || "null") : said });
          };
          incoming.toArray().then(settleWith, reject);
        },
      );
      outgoing.once("error", reject).end(sent);
    });
}

/** Other in every cluster, or the server's own business. */
const foreign = new Set([
  "uid",
  "resourceVersion",
  "creationTimestamp",
  "managedFields",
  "deletionTimestamp",
  "clusterIP",
  "clusterIPs",
  "nodePort",
  "serverAddressByClientCIDRs",
  "storageVersionHash",
  "timeAdded",
  "token",
  "expirationTimestamp",
  "authentication.kubernetes.io/credential-id",
]);

function comparable(said: string): string {
  return said
    .replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<uid>")
    .replaceAll(/kube-api-access-\w{5}/g, "kube-api-access-xxxxx")
    .replaceAll(/\b10\.96\.\d+\.\d+\b/g, "10.96.x.x")
    .replaceAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>");
}

/** Where two answers differ, as paths: `spec.containers[main].image`. Items of lists go by their names where they have some. */
export function differences(ours: Json | undefined, theirs: Json | undefined, path = ""): readonly string[] {
  if (isObject(ours) && isObject(theirs)) {
    // The cells of ages are of the moment.
    const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)].filter((key) => !foreign.has(key)));
    return [...keys].flatMap((key) => differences(ours[key], theirs[key], path === "" ? key : `${path}.${key}`));
  }
  if (isList(ours) && isList(theirs)) {
    const [a, b] = [byName(ours), byName(theirs)];
    return [...new Set([...a.keys(), ...b.keys()])].flatMap((key) =>
      differences(a.get(key), b.get(key), `${path}[${key}]`),
    );
  }
  if (typeof ours === "string" && typeof theirs === "string") {
    const isAge = /\.cells\[\d+\]$/.test(path) && /^\d+[smh]/.test(ours) && /^\d+[smh]/.test(theirs);
    return isAge || comparable(ours) === comparable(theirs) ? [] : [path];
  }
  return JSON.stringify(ours) === JSON.stringify(theirs) ? [] : [path];
}

function byName(items: readonly Json[]): ReadonlyMap<string, Json> {
  const nameOf = (each: Json): string => {
    const places = [["metadata", "name"], ["name"], ["resource"], ["version"], ["subresource"]];
    return comparable(places.map((place) => text(each, ...place)).find((found) => found !== "") ?? "");
  };
  const names = items.map(nameOf);
  const areNames = names.every((each) => each !== "") && new Set(names).size === names.length;
  return new Map(items.map((each, index) => [areNames ? (names[index] ?? "") : `${index}`, each]));
}

/** One row of the list of known differences: patterns with `*` for anything. */
export interface KnownDifference {
  /** `PATCH /api/v1/*`: method and path, without its query. */
  readonly request: string;
  /** `code`, or a path in the answer's body. */
  readonly place: string;
}

/** Rows of the table with these patterns in a Markdown file. */
export function knownDifferences(file: string): readonly KnownDifference[] {
  const rows = readFileSync(file, "utf8").matchAll(/^\| `([A-Z*]+ [^`|]+)` \| `([^`|]+)` \| [^|]+ \|$/gm);
  return [...rows].map(([, asked = "", place = ""]) => ({ request: asked, place }));
}

export function covers(
  known: KnownDifference,
  asked: { readonly method: string; readonly path: string },
  place: string,
): boolean {
  return globbed(known.request, `${asked.method} ${asked.path.split("?")[0]}`) && globbed(known.place, place);
}

function globbed(pattern: string, value: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[.[\]()+?^$|\\{}]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(".*")}$`).test(value);
}
