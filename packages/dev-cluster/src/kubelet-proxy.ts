// What the API server passes on to kubelets: logs, exec, attach, port-forward, and whatever is asked of a node by its proxy.
// Answers and upgraded connections go through byte by byte.
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { type RequestOptions, request } from "node:https";
import type { Duplex } from "node:stream";
import type { Api } from "./api.ts";
import { ApiError, badRequest, notHere } from "./api-error.ts";
import type { KeyPair } from "./certificates.ts";
import { type Json, list, number, text } from "./json.ts";
import type { Route } from "./route.ts";

/** The user that the API server is to kubelets. */
export const kubeletClientUser = "kube-apiserver-kubelet-client";

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

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
export function targetOf(api: Api, route: Route): Target | undefined {
  if (route.resource?.key === "nodes") {
    const [name = "", port] = route.name.split(":");
    return { ...endpointOf(api, name, port), path: `/${route.rest}${search(route.query)}` };
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
  if (action === "portForward") return { ...endpointOf(api, node), path: `${place}${search(query)}` };
  const container = containerOf(pod, query.get("container") ?? "", route.subresource);
  query.delete("container");
  if (action !== "containerLogs") rename(query);
  return { ...endpointOf(api, node), path: `${place}/${encodeURIComponent(container)}${search(query)}` };
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

function endpointOf(api: Api, name: string, asked?: string): { readonly host: string; readonly port: number } {
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

export interface Passed {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly client: KeyPair;
  readonly signal: AbortSignal;
}

const hopByHop = [
  "authorization",
  "host",
  "connection",
  "transfer-encoding",
  "keep-alive",
  "te",
  "http2-settings",
  "content-length",
];

function optionsOf(target: Target, { method, headers, client, signal }: Passed, upgrade: boolean): RequestOptions {
  const kept = Object.entries(headers).filter(
    ([name]) => !name.startsWith(":") && (!hopByHop.includes(name) || (upgrade && name === "connection")),
  );
  const outgoing: OutgoingHttpHeaders = Object.fromEntries(kept);
  return {
    host: target.host,
    port: target.port,
    path: target.path,
    method,
    headers: outgoing,
    cert: client.certificate,
    key: client.key,
    // Kubelets make their own certificates where nothing else is set up; the API server's default, too.
    rejectUnauthorized: false,
    agent: false,
    signal,
  };
}

/** Resolves with the kubelet's answer, whose body is still to come. Rejects with ApiError where there is none. */
export function pass(target: Target, passed: Passed, body: Buffer): Promise<IncomingMessage> {
  return new Promise((settle, reject) => {
    const outgoing = request(optionsOf(target, passed, false), settle);
    outgoing.once("error", (error) => reject(unreachable(target, error)));
    outgoing.end(body.length === 0 ? undefined : body);
  });
}

/** What a node's kubelet says of what it uses. */
export async function scrape(api: Api, node: string, client: KeyPair, signal: AbortSignal): Promise<string> {
  const target = { ...endpointOf(api, node), path: "/metrics/resource" };
  const limited = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  const incoming = await pass(target, { method: "GET", headers: {}, client, signal: limited }, Buffer.alloc(0));
  const chunks: Buffer[] = await incoming.toArray();
  if (incoming.statusCode !== 200)
    throw new ApiError(503, "ServiceUnavailable", `the kubelet answers ${incoming.statusCode}`);
  return Buffer.concat(chunks).toString();
}

/** Connects the client's upgraded connection with the kubelet's. Rejects with ApiError where the kubelet cannot be reached. */
export function passUpgrade(target: Target, passed: Passed, client: Duplex, head: Buffer): Promise<void> {
  return new Promise((settle, reject) => {
    const outgoing = request(optionsOf(target, passed, true));
    outgoing.once("error", (error) => reject(unreachable(target, error)));
    outgoing.once("response", (incoming) => {
      client.write(headOf(incoming));
      incoming.pipe(client);
      settle();
    });
    outgoing.once("upgrade", (incoming, kubelet, first) => {
      client.write(headOf(incoming));
      if (first.length > 0) client.write(first);
      if (head.length > 0) kubelet.write(head);
      kubelet.on("error", () => client.destroy()).pipe(client);
      client.on("error", () => kubelet.destroy()).pipe(kubelet);
      client.once("close", () => kubelet.destroy());
      kubelet.once("close", () => client.destroy());
      settle();
    });
    client.once("close", () => outgoing.destroy());
    outgoing.end();
  });
}

function headOf(incoming: IncomingMessage): string {
  const lines: string[] = [`HTTP/1.1 ${incoming.statusCode} ${incoming.statusMessage}`];
  const { rawHeaders } = incoming;
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] ?? "";
    if (incoming.statusCode !== 101 && ["connection", "transfer-encoding"].includes(name.toLowerCase())) continue;
    lines.push(`${name}: ${rawHeaders[index + 1]}`);
  }
  if (incoming.statusCode !== 101) lines.push("Connection: close");
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function unreachable(target: Target, error: Error): ApiError {
  const message = `error trying to reach the kubelet at ${target.host}:${target.port}: ${error.message}`;
  return new ApiError(500, "InternalError", message);
}
