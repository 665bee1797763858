// Which client CAs each connection was verified against: those of its beginning. Node does not show what a client brings along
// between its certificate and the CA, so only the handshake can judge that.
import type { Socket } from "node:net";

export type ConnectionEnds = Pick<Socket, "localAddress" | "localPort" | "remoteAddress" | "remotePort">;

export class HandshakeAuthorities {
  /** One object for each bundle that comes into force: the same text, come back, is another one. */
  #current: { readonly bundle: string } = { bundle: "" };
  readonly #connections = new Map<string, { readonly bundle: string }>();

  /** PEM, "" for none: in force for connections from now on. */
  set bundle(bundle: string) {
    if (bundle !== this.#current.bundle) this.#current = { bundle };
  }

  /** A connection comes in, before its handshake. */
  arrived(socket: ConnectionEnds & { once(event: "close", listener: () => void): unknown }): void {
    const key = keyOf(socket);
    if (key === undefined) return;
    this.#connections.set(key, this.#current);
    socket.once("close", () => this.#connections.delete(key));
  }

  /** What was in force when the connection came in, if that is so still; else undefined. */
  of(socket: ConnectionEnds): string | undefined {
    const known = this.#connections.get(keyOf(socket) ?? "");
    return known === this.#current ? known.bundle : undefined;
  }
}

/** The TLS socket and the one below it have only this in common. Undefined when the connection is gone. */
function keyOf({ localAddress, localPort, remoteAddress, remotePort }: ConnectionEnds): string | undefined {
  return remoteAddress === undefined ? undefined : `${localAddress} ${localPort} ${remoteAddress} ${remotePort}`;
}
