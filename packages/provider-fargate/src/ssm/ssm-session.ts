// A session of ECS Exec as the backend sees it: a terminal that bytes go into and come out of. Types and docs only.
import type { Clock, Logger, TerminalSize } from "@virtual-kubelet/virtual-kubelet";

/** Of ExecuteCommand's answer. The token opens the session once: it is a secret, never in logs or errors. */
export interface SsmSessionAddress {
  /** `wss://...` */
  readonly streamUrl: string;
  readonly tokenValue: string;
}

export interface SsmSessionOptions {
  /** Ends the session: what waits rejects with Aborted. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  /** For the connection, the handshake and an end that was asked for. Default: 30 s. */
  readonly handshakeTimeoutMs?: number | undefined;
  /** How often the connection is asked whether it still is one; two unanswered in a row are its end. Default: 30 s. */
  readonly keepAliveMs?: number | undefined;
}

/** How the other side ended a session. */
export interface SsmSessionEnd {
  /** The command's, where the session tells it: interactive ones, as of ECS Exec, do not. */
  readonly exitCode?: number | undefined;
  /** What the agent or the service says of the end: "" in the good case. */
  readonly message: string;
}

/** Opened: the handshake is over. Fits the raw terminal of a shell with a sentinel. */
export interface SsmSession {
  /**
   * Input, cut into messages that arrive once and in order. Resolves when it is on its way and there is room for more; rejects with
   * Unavailable when the session has ended.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Output in order, each byte once; a terminal's stderr is part of it. Read once. Throws Unavailable when the connection breaks. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Of sessions that keep it apart; ends with the output. Unread it is dropped. */
  readonly stderr: AsyncIterable<Uint8Array>;
  resize(size: TerminalSize): Promise<void>;
  /** Asks the agent to end the command and closes the connection. Never throws; more than once does nothing. */
  close(): Promise<void>;
  /** When the session is over by the other side or by close(). Rejects with Unavailable when the connection broke. */
  readonly ended: Promise<SsmSessionEnd>;
}

/**
 * Connects and shakes hands. Throws Unavailable (the connection, the handshake), Unauthorized (the token was refused), Unsupported
 * (the session wants encryption by a key of KMS on top of TLS).
 */
export type OpenSsmSession = (address: SsmSessionAddress, options: SsmSessionOptions) => Promise<SsmSession>;
