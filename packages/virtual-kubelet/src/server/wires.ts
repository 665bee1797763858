// The wires by which exec, attach and port-forward come, and which one a request asks for.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { PortForward } from "../streaming/port-forward.ts";
import type { RemoteCommand, StreamLimits, StreamsWanted } from "../streaming/remote-command.ts";
import { UpgradeRefusal } from "../streaming/upgrade-refusal.ts";

/** Each throws UpgradeRefusal before the 101; what is thrown later has closed the connection, or wants it closed. */
export interface Wire {
  readonly name: "SPDY/3.1" | "WebSocket";
  remoteCommand(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    wanted: StreamsWanted,
    limits: StreamLimits,
  ): Promise<RemoteCommand>;
  portForward(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    query: URLSearchParams,
    limits: StreamLimits,
  ): Promise<PortForward>;
}

export interface Wires {
  readonly spdy: Wire;
  readonly webSocket: Wire;
}

/** By the Upgrade header. Throws UpgradeRefusal (400) for another protocol, and for a request with a body: it would be taken for the stream. */
export function wireOf(wires: Wires, request: IncomingMessage): Wire {
  const { "content-length": length, "transfer-encoding": encoding } = request.headers;
  if (encoding !== undefined || (length !== undefined && Number(length) !== 0))
    throw new UpgradeRefusal(400, "unable to upgrade: the request has a body");
  const protocols = (request.headers.upgrade ?? "").split(",").map((protocol) => protocol.trim().toLowerCase());
  if (protocols.includes("websocket")) return wires.webSocket;
  if (protocols.includes("spdy/3.1")) return wires.spdy;
  throw new UpgradeRefusal(400, "unable to upgrade: only SPDY/3.1 and websocket are spoken here");
}
