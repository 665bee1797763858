// One port for plain HTTP and for HTTPS: each connection goes to whom its first byte is for.
import type { Server as HttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";

export interface PlainOrTlsOptions {
  /** It does not listen itself. */
  readonly plain: HttpServer;
  /** Undefined: nobody speaks TLS here yet. */
  readonly secure: () => ((socket: Socket) => void) | undefined;
}

/** The first byte of a TLS handshake; no method of HTTP begins with it. */
const handshake = 0x16;
const firstByteMs = 10_000;
/** A browser that looks hears something more often. */
const idleMs = 60_000;
const mostConnections = 512;

/** Close it, then destroy what is open: `open` has that. */
export function plainOrTls({ plain, secure }: PlainOrTlsOptions): {
  readonly server: Server;
  readonly open: Set<Socket>;
} {
  const open = new Set<Socket>();
  // Its time limits for heads of requests begin with this.
  plain.emit("listening");
  const server = createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setTimeout(firstByteMs, () => socket.destroy());
    socket.once("data", (chunk) => {
      socket.setTimeout(idleMs);
      const take = chunk[0] === handshake ? secure() : (plainSocket: Socket) => plain.emit("connection", plainSocket);
      if (take === undefined) return socket.destroy();
      // Whoever takes it reads from the beginning.
      socket.pause();
      socket.unshift(chunk);
      take(socket);
      if (chunk[0] !== handshake) process.nextTick(() => socket.resume());
      return undefined;
    });
  });
  server.maxConnections = mostConnections;
  return { server, open };
}
