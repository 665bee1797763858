// The wires that a kubelet speaks: SPDY/3.1 and WebSocket.
import { acceptSpdyRemoteCommand } from "../streaming/spdy-remote-command.ts";
import { UpgradeRefusal } from "../streaming/upgrade-refusal.ts";
import { acceptWebSocketPortForward } from "../streaming/websocket-port-forward.ts";
import { acceptWebSocketRemoteCommand } from "../streaming/websocket-remote-command.ts";
import type { Wires } from "./wires.ts";

export const defaultWires: Wires = {
  spdy: {
    name: "SPDY/3.1",
    remoteCommand: (request, socket, head, wanted, limits) =>
      acceptSpdyRemoteCommand(request, socket, head, wanted, limits),
    portForward: () => Promise.reject(new UpgradeRefusal(501, "not yet")),
  },
  webSocket: {
    name: "WebSocket",
    remoteCommand: (request, socket, head, wanted, limits) =>
      acceptWebSocketRemoteCommand(request, socket, head, wanted, limits),
    portForward: (request, socket, head, query, limits) =>
      acceptWebSocketPortForward(request, socket, head, query, limits),
  },
};
