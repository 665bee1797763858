// What the API server passes on to kubelets: logs, exec, attach, port-forward, and whatever is asked of a node by its proxy.
import type { Api } from "./api.ts";
import { ApiError, badRequest, notHere } from "./api-error.ts";
import { type Json, list, number, text } from "./json.ts";
import { type PeerTls, pass, type Target } from "./proxy.ts";
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
  if (resource?.key === "pods") return subresource === "proxy" || Object.hasOwn(streamed, subresource);
  return subresource === "proxy";
}

/** undefined for the log of a pod without a node: there is none yet. Throws where the node has no kubelet that can be reached. */
export function targetOf(api: Api, route: Route, tls: PeerTls): Target | undefined {
  if (route.resource?.key === "nodes") {
    const [name = "", port] = route.name.split(":");
    return kubelet(endpointOf(api, name, port), `/${route.rest}${search(route.query)}`, tls);
  }
  const action = streamed[route.subresource];
  if (route.resource?.key !== "pods" || action === undefined)
    throw notHere(`the proxy of ${route.resource?.name ?? "this"}`);
  const pod = api.get(route.resource, route.namespace, route.name);
  const node = text(pod, "spec", "nodeName");
  if (node === "" && route.subresource === "log") return undefined;
  if (node === "") throw badRequest(`pod ${route.name} does not have a host assigned`);
  const query = new URLSearchParams(route.query);
  const place = `/${action}/${encodeURIComponent(route.namespace)}/${encodeURIComponent(route.name)}`;
  if (action === "portForward") return kubelet(endpointOf(api, node), `${place}${search(query)}`, tls);
  const container = containerOf(pod, query.get("container") ?? "", route.subresource);
  query.delete("container");
  if (action !== "containerLogs") rename(query);
  return kubelet(endpointOf(api, node), `${place}/${encodeURIComponent(container)}${search(query)}`, tls);
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

function search(query: URLSearchParams): string {
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
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

type Endpoint = Pick<Target, "host" | "port">;

function kubelet(endpoint: Endpoint, path: string, tls: PeerTls): Target {
  const where = `${endpoint.host}:${endpoint.port}`;
  const unreachable = (why: string): ApiError =>
    new ApiError(500, "InternalError", `error trying to reach the kubelet at ${where}: ${why}`);
  return { ...endpoint, path, tls, unreachable };
}

function endpointOf(api: Api, name: string, asked?: string): Endpoint {
  const node = api.get(api.resource("nodes"), "", name);
  const addresses = list(node, "status", "addresses");
  const order = ["InternalIP", "ExternalIP", "Hostname"];
  const host = order
    .map((type) =>
      text(
        addresses.find((each) => text(each, "type") === type),
        "address",
      ),
    )
    .find((each) => each !== "");
  const port =
    asked === undefined ? number(node, "status", "daemonEndpoints", "kubeletEndpoint", "Port") : Number(asked);
  if (host === undefined || port === undefined || !Number.isInteger(port) || port <= 0 || port > 65_535) {
    throw new ApiError(
      503,
      "ServiceUnavailable",
      `no preferred addresses found; known addresses: ${JSON.stringify(addresses)}`,
    );
  }
  return { host, port };
}

/** What a node's kubelet says of what it uses. */
export async function scrape(api: Api, node: string, tls: PeerTls, signal: AbortSignal): Promise<string> {
  const target = kubelet(endpointOf(api, node), "/metrics/resource", tls);
  const limited = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  const incoming = await pass(target, { method: "GET", headers: {}, signal: limited }, Buffer.alloc(0));
  const chunks: Buffer[] = await incoming.toArray();
  if (incoming.statusCode !== 200)
    throw new ApiError(503, "ServiceUnavailable", `the kubelet answers ${incoming.statusCode}`);
  return Buffer.concat(chunks).toString();
}
