// A call that wants its connection turned into a stream (exec, attach, port-forward) as its handler sees it. Types only.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { KubeletCall } from "./kubelet-call.ts";

/** What an upgrade begins with: the connection is left to who takes it. */
export interface UpgradeRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

export interface StreamCall extends Omit<KubeletCall, "response"> {
  /** Absent: the request asks for no upgrade; it is checked like the others, then refused. */
  readonly upgrade: UpgradeRequest | undefined;
  /** Label of its route. */
  readonly pattern: string;
}

/** Runs until the stream has ended. Throws UpgradeRefusal or another error before the 101, nothing after it. */
export type StreamHandler = (call: StreamCall) => Promise<void>;
