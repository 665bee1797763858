// What the API server passes on to kubelets: logs, exec, attach, port-forward, and whatever is asked of a node by its proxy.
import type { IncomingMessage } from "node:http";
import { text as wordsOf } from "node:stream/consumers";
import type { Api } from "./api.ts";
import { ApiError, badRequest, notHere } from "./api-error.ts";
import { type Json, list, number, text } from "./json.ts";
import { type Passed, type PeerTls, pass, type Target } from "./proxy.ts";
import type { Route } from "./route.ts";

/** The user that the API server is to kubelets. */
export const kubeletClientUser = "kube-apiserver-kubelet-client";

const streamed: Readonly<Record<string, string>> = {
  log: "containerLogs",
  exec: "exec",
  attach: "attach",
  portforward: "portForward",
};

/** True where the call goes to a kubelet. */
export function isProxied({ resource, subresource }: Route): boolean {
  return subresource === "proxy" || (resource?.key === "pods" && Object.hasOwn(streamed, subresource));
}

/** undefined for the log of a pod without a node: there is none yet. Throws where the node has no kubelet that can be reached. */
export function targetOf(api: Api, route: Route, tls: PeerTls): Target | undefined {
  const { resource, namespace, name, subresource, rest } = route;
  const query = new URLSearchParams(route.query);
  const at = (node: string, port: string | undefined, path: string): Target =>
    kubelet(api, node, port, `${path}${query.size === 0 ? "" : `?${query}`}`, tls);
  if (resource?.key === "nodes") {
    const [node = "", port] = name.split(":");
    return at(node, port, `/${rest}`);
  }
  const action = streamed[subresource];
  if (resource?.key !== "pods" || action === undefined) throw notHere(`the proxy of ${resource?.name ?? "this"}`);
  const pod = api.get(resource, namespace, name);
  const node = text(pod, "spec", "nodeName");
  if (node === "" && subresource === "log") return undefined;
  if (node === "") throw badRequest(`pod ${name} does not have a host assigned`);
  const place = [action, namespace, name];
  if (action !== "portForward") {
    place.push(containerOf(pod, query.get("container") ?? "", subresource));
    query.delete("container");
    if (action !== "containerLogs") rename(query);
  }
  return at(node, undefined, `/${place.map(encodeURIComponent).join("/")}`);
}

/** Kubelets know these by other names. */
function rename(query: URLSearchParams): void {
  const names = { stdin: "input", stdout: "output", stderr: "error", tty: "tty" };
  for (const [from, to] of Object.entries(names)) {
    const value = query.get(from);
    query.delete(from);
    if (["1", "true"].includes(value ?? "")) query.set(to, "1");
  }
}

function containerOf(pod: Json, asked: string, subresource: string): string {
  const name = text(pod, "metadata", "name");
  const names = ["containers", "initContainers", "ephemeralContainers"].map((field) =>
    list(pod, "spec", field).map((each) => text(each, "name")),
  );
  const [main = [], init = []] = names;
  if (asked !== "") {
    if (names.some((each) => each.includes(asked))) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${name}`);
  }
  const [only] = main;
  if (main.length === 1 && only !== undefined) return only;
  if (subresource !== "log") return only ?? "";
  const others = init.length === 0 ? "" : ` or one of the init containers: [${init.join(" ")}]`;
  throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${main.join(" ")}]${others}`);
}

function kubelet(api: Api, name: string, asked: string | undefined, path: string, tls: PeerTls): Target {
  const node = api.get(api.resource("nodes"), "", name);
  const addresses = list(node, "status", "addresses");
  const addressOf = (type: string): string =>
    text(
      addresses.find((each) => text(each, "type") === type),
      "address",
    );
  const host = ["InternalIP", "ExternalIP", "Hostname"].map(addressOf).find(Boolean);
  const port =
    asked === undefined ? number(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port") : Number(asked);
  if (host === undefined || port === undefined || !Number.isInteger(port) || port <= 0 || port > 65_535) {
    const known = JSON.stringify(addresses);
    throw new ApiError(503, "ServiceUnavailable", `no preferred addresses found; known addresses: ${known}`);
  }
  const unreachable = (why: string): ApiError =>
    new ApiError(500, "InternalError", `error trying to reach the kubelet at ${host}:${port}: ${why}`);
  return { host, port, path, tls, unreachable };
}

/** What a node's kubelet says of what it uses. */
export async function scrape(api: Api, node: string, tls: PeerTls, signal: AbortSignal): Promise<string> {
  const target = kubelet(api, node, undefined, "/metrics/resource", tls);
  const limited = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  const incoming = await pass(target, { method: "GET", headers: {} }, limited);
  const said = await wordsOf(incoming);
  if (incoming.statusCode === 200) return said;
  throw new ApiError(503, "ServiceUnavailable", `the kubelet answers ${incoming.statusCode}`);
}

/** What the kubelet answers, once it is there; kubelets refuse logs in words: the API says them in a Status. */
export async function passToKubelet(
  target: Target,
  passed: Passed,
  route: Route,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const incoming = await pass(target, passed, signal);
  const { statusCode = 500 } = incoming;
  if (route.subresource !== "log" || statusCode < 400) return incoming;
  const reasons: Readonly<Record<number, string>> = { 400: "BadRequest", 404: "NotFound" };
  const words = await wordsOf(incoming);
  throw new ApiError(statusCode, reasons[statusCode] ?? "InternalError", words.trim());
}
