// Passes requests and upgraded connections on, byte by byte, over TLS: to kubelets, and to API servers that are registered.
import { addAbortListener } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import { type RequestOptions, request } from "node:https";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import type { ApiError } from "./api-error.ts";
import type { KeyPair } from "./certificates.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly tls: PeerTls;
  /** What the caller is told where it cannot be reached. */
  readonly unreachable: (why: string) => ApiError;
}

export interface PeerTls {
  /** What this server is to the other. */
  readonly client: KeyPair;
  /** PEM; undefined: those of this system. */
  readonly ca: string | undefined;
  /** The name in the certificate; default: the host. */
  readonly serverName?: string | undefined;
  /** Which certificates: those by the authority for this name, self-signed ones beside them, or any. */
  readonly accepts: "verified" | "self-signed" | "any";
}

export interface Passed {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
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

function optionsOf(target: Target, { method, headers, signal }: Passed, upgrade: boolean): RequestOptions {
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
    signal,
    createConnection: (_, done) => shakeHands(target, signal, done),
  };
}

const selfSigned = ["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN"];

/** Nothing is said before the certificate is known to be good. */
function shakeHands(
  { host, port, tls }: Target,
  signal: AbortSignal,
  done: (error: Error | null, socket: Duplex) => void,
): undefined {
  const { client, ca, serverName, accepts } = tls;
  const socket = connect({
    host,
    port,
    cert: client.certificate,
    key: client.key,
    rejectUnauthorized: false,
    ...(ca === undefined ? {} : { ca }),
    servername: serverName ?? (isIP(host) === 0 ? host : ""),
  });
  const aborted = addAbortListener(signal, () => socket.destroy());
  const fail = (error: Error): void => done(error, socket);
  socket.once("error", fail);
  socket.once("close", () => aborted[Symbol.dispose]());
  socket.once("secureConnect", () => {
    socket.off("error", fail);
    const fault: unknown = socket.authorizationError;
    const isGood =
      socket.authorized || accepts === "any" || (accepts === "self-signed" && selfSigned.includes(String(fault)));
    if (isGood) {
      done(null, socket);
      return;
    }
    socket.destroy();
    fail(new Error(`tls: failed to verify certificate: ${fault instanceof Error ? fault.message : String(fault)}`));
  });
}

/** Resolves with the other's answer, whose body is still to come. Rejects with ApiError where there is none. */
export function pass(target: Target, passed: Passed, body: Buffer): Promise<IncomingMessage> {
  return new Promise((settle, reject) => {
    const outgoing = request(optionsOf(target, passed, false), settle);
    outgoing.once("error", (error) => reject(target.unreachable(wordsOf(error))));
    outgoing.end(body.length === 0 ? undefined : body);
  });
}

/** Writes the other's answer as ours, as it comes. */
export function answerWith(incoming: IncomingMessage, response: Http2ServerResponse): void {
  const { connection: _, "transfer-encoding": __, "keep-alive": ___, ...headers } = incoming.headers;
  response.writeHead(incoming.statusCode ?? 502, headers);
  incoming.on("error", () => response.end());
  incoming.on("data", (chunk: Buffer) => {
    if (response.write(chunk)) return;
    incoming.pause();
    response.once("drain", () => incoming.resume());
  });
  incoming.once("end", () => response.end());
}

/** Connects the client's upgraded connection with the other's. Rejects with ApiError where that cannot be reached. */
export function passUpgrade(target: Target, passed: Passed, client: Duplex, head: Buffer): Promise<void> {
  return new Promise((settle, reject) => {
    const outgoing = request(optionsOf(target, passed, true));
    outgoing.once("error", (error) => reject(target.unreachable(wordsOf(error))));
    outgoing.once("response", (incoming) => {
      client.write(headOf(incoming));
      incoming.pipe(client);
      settle();
    });
    outgoing.once("upgrade", (incoming, other, first) => {
      client.write(headOf(incoming));
      if (first.length > 0) client.write(first);
      if (head.length > 0) other.write(head);
      other.on("error", () => client.destroy()).pipe(client);
      client.on("error", () => other.destroy()).pipe(other);
      client.once("close", () => other.destroy());
      other.once("close", () => client.destroy());
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

/** As programs that know Kubernetes look for it. */
function wordsOf(error: NodeJS.ErrnoException): string {
  if (error.code === "ECONNREFUSED") return "connect: connection refused";
  return error.message || (error.code ?? error.name);
}
