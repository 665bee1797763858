// A plain HTTP server for tests of upgrades: hands each one over, and answers refusals as the kubelet's server does.
import { createServer, type IncomingMessage, STATUS_CODES } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import { UpgradeRefusal } from "../streaming/upgrade-refusal.ts";

export interface UpgradeServer extends AsyncDisposable {
  readonly port: number;
  /** What `accept` threw that was no refusal, in order. */
  readonly failures: readonly unknown[];
}

/** Listens on 127.0.0.1, with TLS when `tls` is given. Disposing cuts all connections. */
export async function startUpgradeServer(
  accept: (request: IncomingMessage, socket: Duplex, head: Buffer) => Promise<void>,
  tls?: { readonly key: string; readonly cert: string },
): Promise<UpgradeServer> {
  const sockets = new Set<Duplex>();
  const failures: unknown[] = [];
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  server.on("request", (_request, response) => response.writeHead(404).end());
  server.on("connection", (socket: Duplex) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("upgrade", (request, socket, head) => {
    accept(request, socket, head).catch((error: unknown) => {
      if (!(error instanceof UpgradeRefusal)) {
        failures.push(error);
        socket.destroy();
        return;
      }
      const headers = Object.entries({ ...error.headers, "Content-Type": "text/plain", Connection: "close" });
      const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("");
      socket.end(`HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n${lines}\r\n${error.message}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    port: address.port,
    failures,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
