// An HTTPS server for tests of the API client, which speaks HTTP/2 and 1.1 and misbehaves on command.
import {
  createSecureServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type SecureServerOptions,
  type ServerHttp2Session,
} from "node:http2";
import { connect as connectTcp, createServer as createTcpServer, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { type CertificateAuthority, createAuthority } from "./pki.ts";

export type FaultHandler = (request: Http2ServerRequest, response: Http2ServerResponse, body: string) => void;

export interface FaultServer extends AsyncDisposable {
  /** `https://127.0.0.1:port` */
  readonly url: string;
  readonly port: number;
  readonly authority: CertificateAuthority;
  /** All connections ever made, by HTTP version negotiated. */
  readonly connections: readonly string[];
  readonly sessions: ReadonlySet<ServerHttp2Session>;
  /** "PATCH /path" of each request, in order. */
  readonly requests: readonly string[];
}

export interface FaultServerOptions extends Pick<SecureServerOptions, "settings" | "ALPNProtocols"> {
  /** Default true. */
  readonly http2?: boolean;
}

/** Answers with a JSON body. */
export function answer(
  response: Http2ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** The common name of the client certificate. */
export function clientName(request: Http2ServerRequest): string | undefined {
  const socket = request.socket;
  const name = socket instanceof TLSSocket || "getPeerCertificate" in socket ? peerName(socket) : undefined;
  return typeof name === "string" ? name : undefined;
}

function peerName(socket: unknown): unknown {
  return socket instanceof TLSSocket ? socket.getPeerCertificate().subject?.CN : undefined;
}

export async function startFaultServer(handler: FaultHandler, options: FaultServerOptions = {}): Promise<FaultServer> {
  const { http2 = true, ...rest } = options;
  const authority = createAuthority("fault-ca");
  const issued = authority.issue({
    commonName: "fault-server",
    ipAddresses: ["127.0.0.1"],
    dnsNames: ["localhost", "api.test"],
  });
  const connections: string[] = [];
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const requests: string[] = [];
  const server = createSecureServer({
    ...rest,
    cert: issued.certificate,
    key: issued.key,
    ca: authority.certificate,
    requestCert: true,
    rejectUnauthorized: false,
    allowHTTP1: true,
    ...(http2 ? {} : { ALPNCallback: () => "http/1.1" }),
  });
  server.on("secureConnection", (socket) => {
    connections.push(socket.alpnProtocol === false ? "none" : (socket.alpnProtocol ?? "none"));
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {});
    session.once("close", () => sessions.delete(session));
  });
  server.on("request", (request, response) => {
    requests.push(`${request.method} ${request.url}`);
    let body = "";
    response.on("error", () => {});
    request.on("error", () => {});
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => {
      body += chunk;
    });
    request.on("end", () => handler(request, response, body));
  });
  const port = await listen(server);
  return {
    url: `https://127.0.0.1:${port}`,
    port,
    authority,
    connections,
    sessions,
    requests,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
    },
  };
}

function listen(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    if (typeof address === "object" && address !== null && "port" in address) resolve(Number(address.port));
    else reject(new Error("the server has no port"));
  });
  return promise;
}

export interface Tunnel extends AsyncDisposable {
  readonly port: number;
  /** From now on nothing passes, and nobody is told. */
  silence(): void;
}

/** A line between client and server that can go silent without closing, as a lost route does. */
export async function startTunnel(target: number): Promise<Tunnel> {
  const sockets = new Set<Socket>();
  let silent = false;
  const server = createTcpServer((near) => {
    const far = connectTcp(target, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (chunk: Buffer) => {
        if (!silent) to.write(chunk);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        if (!silent) to.destroy();
      });
    }
  });
  const port = await listen(server);
  return {
    port,
    silence() {
      silent = true;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      await promise;
    },
  };
}

/** Resolves when `condition` holds; fails after `deadlineMs`. */
export async function eventually(condition: () => boolean, what: string, deadlineMs = 60_000): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
