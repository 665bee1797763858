// What exec and attach come down to, whatever the wire: streams, sizes of a terminal, and one outcome. Types only.
import type { Readable, Writable } from "node:stream";

/** Which streams the caller asked for (query parameters input, output, error, tty). With tty there is no stderr. */
export interface StreamsWanted {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** In character cells. */
export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

export type CommandOutcome =
  | { readonly type: "success" }
  /** The command ended by itself with a code other than 0. */
  | { readonly type: "exit"; readonly exitCode: number }
  /** It could not be run, or its connection to the backend broke. */
  | { readonly type: "failure"; readonly message: string };

/** One exec or attach that a client has opened: the provider's side of its wire. */
export interface RemoteCommand {
  /** Ends when the client closes its side. */
  readonly stdin: Readable | undefined;
  readonly stdout: Writable | undefined;
  readonly stderr: Writable | undefined;
  readonly tty: boolean;
  /** Only with a terminal. Keeps the newest size alone when nobody reads. */
  readonly resize: AsyncIterable<TerminalSize> | undefined;
  /** Aborts as soon as the client is gone, the connection broke, or nothing moved for the idle time-out. */
  readonly signal: AbortSignal;
  /** Writes out what is left of stdout and stderr, tells the outcome, closes the wire. Resolves when all of it is sent or the client is gone. */
  finish(outcome: CommandOutcome): Promise<void>;
}

/** Limits of one streaming connection. */
export interface StreamLimits {
  /** Milliseconds without a byte of content in either direction until it is ended; 0: never. Pings do not count. */
  readonly idleTimeoutMs: number;
  /** Milliseconds until the streams of a command, or the pair of a forwarded connection, must be there. */
  readonly creationTimeoutMs: number;
}
