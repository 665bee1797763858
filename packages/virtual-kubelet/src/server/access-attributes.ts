// What a request to the kubelet API asks for, in the terms in which access is granted. Pure.
import { VirtualKubeletError } from "../errors.ts";
import type { AccessAttributes, UserInfo } from "./access.ts";

/** Others, HEAD among them, are asked for as "". */
const verbs: ReadonlyMap<string, string> = new Map([
  ["POST", "create"],
  ["GET", "get"],
  ["PUT", "update"],
  ["PATCH", "patch"],
  ["DELETE", "delete"],
]);

/** By the first segment of the path; every other path is `proxy` alone, which also grants exec in every pod. */
const subresources: ReadonlyMap<string, readonly string[]> = new Map([
  ["stats", ["stats"]],
  ["metrics", ["metrics"]],
  ["logs", ["log"]],
  ["checkpoint", ["checkpoint"]],
  ["statusz", ["statusz"]],
  ["flagz", ["configz"]],
  ["pods", ["pods", "proxy"]],
  ["runningpods", ["pods", "proxy"]],
  ["healthz", ["healthz", "proxy"]],
  ["configz", ["configz", "proxy"]],
]);
const everythingElse: readonly string[] = ["proxy"];

/**
 * What must be allowed for this request. `path` is the raw path, as `pathOf` answers it: still percent-encoded and
 * without the query. Methods are case-sensitive, as in HTTP. Throws Invalid for a path that is not in normal form: a path
 * that could be read in two ways is never authorised.
 */
export function accessAttributes(node: string, method: string, path: string): AccessAttributes {
  assertNormal(path);
  const end = path.indexOf("/", 1);
  const first = path.slice(1, end < 0 ? undefined : end);
  return { node, verb: verbs.get(method) ?? "", subresources: subresources.get(first) ?? everythingElse };
}

/**
 * The path of a request target (`IncomingMessage.url`, `:path`) without its query, still percent-encoded. Routes have to
 * be found by this text and by nothing derived from it otherwise (`URL.pathname` resolves dot segments): split it at "/",
 * compare literal segments as they are, decode each parameter by itself. Then what was authorised is what is served.
 *
 * Throws Invalid (400) unless the path is in normal form: it begins with one "/", has no empty segment but the last one, no "." or
 * "..", encoded or not, no slash, backslash or NUL in encoded form, no escape at all in its first segment, and nothing but
 * visible ASCII with valid escapes of UTF-8.
 */
export function pathOf(target: string): string {
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  assertNormal(path);
  return path;
}

function assertNormal(path: string): void {
  const fault = faultOf(path);
  // The path is not repeated: it is the caller's, of any length and content.
  if (fault !== undefined) throw new VirtualKubeletError("Invalid", `the path of the request ${fault}`);
}

function faultOf(path: string): string | undefined {
  if (!path.startsWith("/")) return "does not begin with a slash";
  if (!/^[!-~]*$/.test(path) || /[\\#?]/.test(path)) return "has characters that belong in no path";
  if (path.includes("//")) return "has an empty segment";
  if (/%(?:2f|5c|00)/i.test(path)) return "has an encoded slash, backslash or NUL";
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return "has an escape that is not valid";
  }
  if (decoded.split("/").some((segment) => segment === "." || segment === "..")) return "has dot segments";
  if (/^\/[^/]*%/.test(path)) return "has an escape in its first segment";
  return undefined;
}

/** Body of the answer 403, as a kubelet words it. */
export function forbiddenText(user: UserInfo, attributes: AccessAttributes): string {
  const { verb, subresources: tried } = attributes;
  return `Forbidden (user=${user.username}, verb=${verb}, resource=nodes, subresource(s)=[${tried.join(" ")}])\n`;
}
