// What the handlers of streams share: wires, limits, the list of open streams.
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { StreamLimits } from "../streaming/remote-command.ts";
import { UpgradeRefusal } from "../streaming/upgrade-refusal.ts";
import type { StreamCall } from "./stream-call.ts";
import type { StreamSessions } from "./stream-sessions.ts";
import type { Wires } from "./wires.ts";

export interface Traffic {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface StreamEnvironment {
  readonly wires: Wires;
  readonly limits: StreamLimits;
  readonly sessions: StreamSessions;
  readonly auditArguments: boolean;
  readonly forwardedConnections: number;
}

export function trafficOf(socket: Duplex): Traffic {
  return socket instanceof Socket
    ? { bytesIn: socket.bytesRead, bytesOut: socket.bytesWritten }
    : { bytesIn: 0, bytesOut: 0 };
}

/** Accepts an upgrade. Undefined: it broke after the 101, the connection is closed. Throws UpgradeRefusal. */
export async function accepted<T>(call: StreamCall, accept: () => Promise<T>): Promise<T | undefined> {
  try {
    return await accept();
  } catch (error) {
    if (error instanceof UpgradeRefusal) throw error;
    call.log.info({ err: error, route: call.pattern }, "a stream did not come about");
    call.upgrade?.socket.destroy();
    return undefined;
  }
}
