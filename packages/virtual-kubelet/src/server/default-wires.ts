// The wires that a kubelet speaks: SPDY/3.1 and WebSocket.
import { acceptSpdyPortForward } from "../streaming/spdy-port-forward.ts";
import { acceptSpdyRemoteCommand } from "../streaming/spdy-remote-command.ts";
import { acceptWebSocketPortForward } from "../streaming/websocket-port-forward.ts";
import { acceptWebSocketRemoteCommand } from "../streaming/websocket-remote-command.ts";
import type { Wires } from "./wires.ts";

export const defaultWires: Wires = {
  spdy: {
    name: "SPDY/3.1",
    remoteCommand: (request, socket, head, wanted, limits) =>
      acceptSpdyRemoteCommand(request, socket, head, wanted, limits),
    portForward: (request, socket, head, _query, limits) => acceptSpdyPortForward(request, socket, head, limits),
  },
  webSocket: {
    name: "WebSocket",
    remoteCommand: (request, socket, head, wanted, limits) =>
      acceptWebSocketRemoteCommand(request, socket, head, wanted, limits),
    portForward: (request, socket, head, query, limits) =>
      acceptWebSocketPortForward(request, socket, head, query, limits),
  },
};
