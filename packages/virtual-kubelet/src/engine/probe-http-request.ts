// The requests that httpGet handlers of probes and hooks mean, redirects included: address, path and header lines. Pure.
import type { HTTPGetAction, HTTPHeader } from "../kube/types.gen.ts";
import { hostOf, portOf } from "./probe-address.ts";
import type { RunTarget } from "./probe-results.ts";
import { hostPort } from "./probe-text.ts";

/** What may be the name of a header. */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export interface HttpGetRequest {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  /** With query; begins with a slash, printable ASCII only. */
  readonly path: string;
  /** Host is always there. Values are bytes, one a character. */
  readonly headers: readonly (readonly [string, string])[];
  /** `Host` is by the handler, not by the address. */
  readonly ownHost: boolean;
}

/** Throws Invalid for a port that there is not, Unavailable while the pod has no address. */
export function httpGetRequest(
  action: HTTPGetAction,
  target: Pick<RunTarget, "container" | "podIPs">,
  agent: string,
): HttpGetRequest {
  const port = portOf(action.port, target);
  const host = hostOf(action.host, target);
  const headers = headerLines(action.httpHeaders ?? [], agent);
  const own = headers.find(([name]) => name === "Host")?.[1] ?? "";
  return {
    scheme: action.scheme?.toLowerCase() === "https" ? "https" : "http",
    ...{ host, port, path: requestPath(action.path ?? "") },
    headers: withHost(headers, own === "" ? hostPort(host, port) : own),
    ownHost: own !== "",
  };
}

export function urlOf({ scheme, host, port, path }: HttpGetRequest): string {
  return `${scheme}://${hostPort(host, port)}${path}`;
}

/** Why the request cannot be sent; undefined when it can. */
export function headerFault({ headers }: HttpGetRequest): string | undefined {
  for (const [name, value] of headers) {
    if (!token.test(name)) return `net/http: invalid header field name ${JSON.stringify(name)}`;
    if (name === "Host" && !/^[\x21-\x7e]*$/.test(value)) return "http: invalid Host header";
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a value may not have
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value))
      return `net/http: invalid header field value for ${JSON.stringify(name)}`;
  }
  return undefined;
}

export type Redirect =
  | { readonly type: "follow"; readonly request: HttpGetRequest }
  /** Leads to another host than the first request: the answer with it is the last one. */
  | { readonly type: "stop" }
  | { readonly type: "fault"; readonly text: string };

/** Where an answer's Location leads. */
export function redirectOf(request: HttpGetRequest, location: string): Redirect {
  const url = URL.parse(Buffer.from(location, "latin1").toString(), urlOf(request));
  if (url === null) return { type: "fault", text: `failed to parse Location header ${JSON.stringify(location)}` };
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (host.toLowerCase() !== normalHost(request.host)) return { type: "stop" };
  if (url.protocol !== "http:" && url.protocol !== "https:")
    return { type: "fault", text: `unsupported protocol scheme ${JSON.stringify(url.protocol.slice(0, -1))}` };
  const scheme = url.protocol === "https:" ? "https" : "http";
  const port = url.port === "" ? (scheme === "https" ? 443 : 80) : Number(url.port);
  const keepsHost = request.ownHost && !/^[a-z][a-z0-9+.-]*:/i.test(location);
  return {
    type: "follow",
    request: {
      ...{ scheme, port, host: request.host, path: url.pathname + url.search, ownHost: keepsHost },
      headers: keepsHost ? request.headers : withHost(request.headers, url.host),
    },
  };
}

/** As a URL has it: addresses in one of many spellings are the same. */
function normalHost(host: string): string {
  return URL.parse(`http://${hostPort(host, 80)}`)?.hostname.replace(/^\[(.*)\]$/, "$1") ?? host.toLowerCase();
}

function withHost(headers: HttpGetRequest["headers"], host: string): HttpGetRequest["headers"] {
  return [["Host", host], ...headers.filter(([name]) => name !== "Host")];
}

/** Framing is the client's own business. */
const unsent = ["Content-Length", "Transfer-Encoding", "Trailer"];

function headerLines(given: readonly HTTPHeader[], agent: string): (readonly [string, string])[] {
  const lines = given.map(
    ({ name, value }) => [canonical(name), Buffer.from(value.trim()).toString("latin1")] as const,
  );
  const first = (name: string): string | undefined => lines.find(([other]) => other === name)?.[1];
  const single = ["Host", "User-Agent"];
  const sent = lines.filter(
    ([name, value], index) =>
      !unsent.includes(name) &&
      !(value === "" && (name === "User-Agent" || (name === "Accept" && first("Accept") === ""))) &&
      !(single.includes(name) && lines.findIndex(([other]) => other === name) < index),
  );
  if (first("User-Agent") === undefined) sent.push(["User-Agent", agent]);
  if (first("Accept") === undefined) sent.push(["Accept", "*/*"]);
  return sent;
}

/** "x-request-id" as "X-Request-Id"; what cannot be a name stays as it is. */
function canonical(name: string): string {
  if (!token.test(name)) return name;
  return name.toLowerCase().replaceAll(/(^|-)[a-z]/g, (start) => start.toUpperCase());
}

/** A path as in a spec may have a query, and even a scheme and a host, which do not count. */
function requestPath(written: string): string {
  const [whole = ""] = written.toWellFormed().split("#", 1);
  const local = whole.replace(/^(?:[a-z][a-z0-9+.-]*:)?\/\/[^/?]*/i, "");
  const at = local.indexOf("?");
  const path = at < 0 ? local : local.slice(0, at);
  // What is no URL is a path as it is.
  const isUrl = !/%(?![0-9a-f]{2})/i.test(path);
  const text = isUrl ? escaped(local) : escaped(written.toWellFormed().replaceAll("%", "%25").replaceAll("?", "%3F"));
  return text.startsWith("/") ? text : `/${text}`;
}

function escaped(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]+|["<>\\^`{|}#]/g, (part) => encodeURIComponent(part));
}
