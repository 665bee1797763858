// Passes requests and upgraded connections on, byte by byte, over TLS: to kubelets, and to API servers that are registered.
import { once } from "node:events";
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { type RequestOptions, request } from "node:https";
import { isIP } from "node:net";
import { addAbortSignal, type Duplex, type Writable } from "node:stream";
import { connect, type TLSSocket } from "node:tls";
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
  readonly body?: Buffer;
  /** Where the caller wants another protocol: its connection, and what it has said in that already. */
  readonly upgrade?: { readonly socket: Duplex; readonly head: Buffer } | undefined;
}

/** Those of HTTP/2's own, of one connection, and of who called. */
const notPassed = /^(:.*|authorization|host|connection|transfer-encoding|keep-alive|te|http2-settings|content-length)$/;

/**
 * Resolves with the other's answer, whose body is still to come; with code 101 the connections are one from then on. Rejects with ApiError
 * where there is none.
 */
export function pass(target: Target, passed: Passed, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, upgrade } = passed;
  const { host, port, path } = target;
  const kept = Object.entries(passed.headers).filter(
    ([name]) => !notPassed.test(name) || (upgrade !== undefined && name === "connection"),
  );
  const headers: OutgoingHttpHeaders = Object.fromEntries(kept);
  const createConnection: RequestOptions["createConnection"] = (_, done) => {
    const { client, ca, serverName, accepts } = target.tls;
    const servername = serverName ?? (isIP(host) === 0 ? host : "");
    const credentials = { cert: client.certificate, key: client.key, ...(ca === undefined ? {} : { ca }) };
    const socket = connect({ host, port, servername, rejectUnauthorized: false, ...credentials });
    addAbortSignal(signal, socket);
    shakeHands(socket, accepts).then(
      () => done(null, socket),
      (error: Error) => done(error, socket),
    );
    return undefined;
  };
  return new Promise((settle, reject) => {
    const outgoing = request({ host, port, path, method, headers, signal, createConnection }, settle);
    outgoing.once("error", (error) => reject(target.unreachable(wordsOf(error))));
    outgoing.once("upgrade", (incoming, other, first) => {
      if (upgrade === undefined) other.destroy();
      else join(incoming, other, first, upgrade);
      settle(incoming);
    });
    upgrade?.socket.once("close", () => outgoing.destroy());
    outgoing.end(passed.body);
  });
}

function join(
  incoming: IncomingMessage,
  other: Duplex,
  first: Buffer,
  { socket, head }: { readonly socket: Duplex; readonly head: Buffer },
): void {
  const { rawHeaders } = incoming;
  const headers = rawHeaders.flatMap((name, index) =>
    index % 2 === 0 ? [`${name}: ${rawHeaders[index + 1]}\r\n`] : [],
  );
  socket.write(`HTTP/1.1 101 ${incoming.statusMessage}\r\n${headers.join("")}\r\n`);
  socket.write(first);
  other.write(head);
  other.on("error", () => socket.destroy()).pipe(socket);
  socket.on("error", () => other.destroy()).pipe(other);
  socket.once("close", () => other.destroy());
  other.once("close", () => socket.destroy());
}

/** What responses of HTTP/1.1 and HTTP/2 have in common. */
export interface Response extends Writable {
  statusCode: number;
  readonly headersSent: boolean;
  appendHeader(name: string, value: string): unknown;
  writeHead(code: number, headers?: OutgoingHttpHeaders): unknown;
}

/** Writes the other's answer as ours, as it comes. */
export function answerWith(incoming: IncomingMessage, response: Response): void {
  const { connection: _, "transfer-encoding": __, "keep-alive": ___, ...headers } = incoming.headers;
  response.writeHead(incoming.statusCode ?? 502, headers);
  incoming.on("error", () => response.end()).pipe(response);
}

const selfSigned = ["DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN"];

/** Nothing is said before the certificate is known to be good. */
async function shakeHands(socket: TLSSocket, accepts: PeerTls["accepts"]): Promise<void> {
  await once(socket, "secureConnect");
  const fault: unknown = socket.authorizationError;
  if (socket.authorized || accepts === "any") return;
  if (accepts === "self-signed" && selfSigned.includes(String(fault))) return;
  socket.destroy();
  throw new Error(`tls: failed to verify certificate: ${fault instanceof Error ? fault.message : String(fault)}`);
}

/** As programs that know Kubernetes look for it. */
function wordsOf(error: NodeJS.ErrnoException): string {
  if (error.code === "ECONNREFUSED") return "connect: connection refused";
  return error.message || (error.code ?? error.name);
}
