// Opens a session of ECS Exec over the network.
import { systemClock } from "@virtual-kubelet/virtual-kubelet";
import { startSession } from "./session.ts";
import type { OpenSsmSession } from "./ssm-session.ts";
import { webSocketTransport } from "./web-socket-transport.ts";

export const openSsmSession: OpenSsmSession = ({ streamUrl, tokenValue }, options) => {
  const { clock = systemClock, handshakeTimeoutMs = 30_000, keepAliveMs = 30_000, signal, log } = options;
  const connect = webSocketTransport(streamUrl, { clock, keepAliveMs });
  return startSession(connect, { tokenValue, signal, log, clock, handshakeTimeoutMs });
};
