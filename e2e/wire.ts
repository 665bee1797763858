// A wire between two programs that a test cuts, holds and lets go again. Bytes pass unread, TLS included.
import { createServer, type NetConnectOpts, type Server, type Socket, connect as socketTo } from "node:net";

export class Wire implements AsyncDisposable {
  readonly #server: Server;
  readonly #target: NetConnectOpts;
  readonly #listen: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly #sockets = new Set<Socket>();
  #held = false;
  /** Of a TCP wire. */
  port = 0;

  /** `listen`: path of a socket, or undefined for a port on loopback. */
  constructor(target: NetConnectOpts, listen?: string) {
    this.#target = target;
    this.#listen = listen === undefined ? { host: "127.0.0.1", port: 0 } : { path: listen };
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  async open(): Promise<void> {
    const listening = Promise.withResolvers<void>();
    this.#server.once("error", listening.reject);
    const where = this.port === 0 ? this.#listen : { host: "127.0.0.1", port: this.port };
    this.#server.listen(where, () => listening.resolve());
    await listening.promise;
    const address = this.#server.address();
    if (typeof address === "object" && address !== null) this.port = address.port;
  }

  /** Breaks what is open; new connections are taken. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Breaks what is open and refuses what comes, until `open`. */
  async shut(): Promise<void> {
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    this.cut();
    await closed.promise;
  }

  /** Nothing gets through any more, and nobody is told; until `release`. */
  hold(): void {
    this.#held = true;
    for (const socket of this.#sockets) socket.pause();
  }

  release(): void {
    this.#held = false;
    for (const socket of this.#sockets) socket.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.shut();
  }

  #accept(socket: Socket): void {
    const other = socketTo({ ...this.#target, allowHalfOpen: true });
    for (const [from, to] of [
      [socket, other],
      [other, socket],
    ] as const) {
      this.#sockets.add(from);
      from.on("data", (chunk) => {
        if (!to.write(chunk)) from.pause();
      });
      from.on("drain", () => this.#held || to.resume());
      from.on("end", () => to.end());
      // An error is always followed by close.
      from.on("error", () => {});
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      if (this.#held) from.pause();
    }
  }
}
