// What port-forward comes down to, whatever the wire: connections to ports, each a duplex and a way to say what failed. Types only.
import type { Duplex } from "node:stream";

/** One connection that the client wants carried to a port of the pod. */
export interface ForwardedConnection {
  /** 1 to 65535. */
  readonly port: number;
  /** Half-closes in both directions are passed on; destroyed when the client resets the stream or is gone. */
  readonly stream: Duplex;
  /** Tells the client why, and resets the connection. */
  fail(message: string): void;
  /** Both directions have ended: closes the error stream empty, which says that all was well. */
  done(): void;
}

/** One client's port-forward: any number of connections over one wire. */
export interface PortForward {
  /** In the order in which they were opened; ends when the client is gone. */
  readonly connections: AsyncIterable<ForwardedConnection>;
  /** Aborts when the client is gone, the connection broke, or nothing moved for the idle time-out. */
  readonly signal: AbortSignal;
  /** Ends the wire in order. */
  close(): Promise<void>;
}
