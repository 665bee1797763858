// Where the server's certificate and the client CA come from: the contract between the server and the ways to have them. Types only.

/** PEM; one certificate or a chain, leaf first. */
export interface ServingCertificate {
  readonly cert: string;
  readonly key: string;
}

/** A value that may change while it is used: a serving certificate, a bundle of client CAs. */
export interface Renewed<T> {
  /** The newest one. Throws Unavailable, saying why, while there is none yet. */
  current(): T;
  /** Calls back after each change, until the returned function is called. */
  subscribe(changed: () => void): () => void;
  /** Keeps it fresh until the signal aborts; resolves then. Faults are logged and tried again: it never gives up. */
  run(signal: AbortSignal): Promise<void>;
}
