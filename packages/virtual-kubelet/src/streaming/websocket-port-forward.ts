// port-forward over WebSocket: a pair of channels for each port named in the query, or SPDY inside of the messages.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { finished } from "node:stream/promises";
import type { WebSocket } from "ws";
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { ForwardedConnection, PortForward } from "./port-forward.ts";
import type { StreamLimits } from "./remote-command.ts";
import { spdyPortForward } from "./spdy-port-forward.ts";
import {
  type ChannelProtocol,
  channelProtocol,
  decodeChannelMessage,
  encodeChannelMessage,
  mostChannels,
} from "./websocket-channels.ts";
import { portsOf } from "./websocket-ports.ts";
import { channelDuplex, type Inlet } from "./websocket-streams.ts";
import { negotiateProtocol, upgradeWebSocket } from "./websocket-upgrade.ts";
import { WebSocketWire } from "./websocket-wire.ts";

const tunnelProtocol = "SPDY/3.1+portforward.k8s.io";
const supported = ["", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", tunnelProtocol];

/**
 * Answers the handshake. Rejects with UpgradeRefusal before anything was written to `socket`, with Aborted when the
 * client has left already. `query` is the request's own; the tunnel needs none.
 */
export async function acceptWebSocketPortForward(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  query: URLSearchParams,
  limits: StreamLimits,
  clock: Clock = systemClock,
): Promise<PortForward> {
  const name = negotiateProtocol(request.headers["sec-websocket-protocol"], supported);
  if (name === tunnelProtocol) {
    return tunnel(upgradeWebSocket(request, socket, head, supported).webSocket, socket, limits, clock);
  }
  const ports = name === undefined ? [] : portsOf(query, mostChannels(channelProtocol(name)) / 2);
  const { webSocket, protocol } = upgradeWebSocket(request, socket, head, supported);
  return channelPairs(webSocket, socket, channelProtocol(protocol), ports, limits, clock);
}

/** SPDY inside of messages whose borders mean nothing. */
function tunnel(webSocket: WebSocket, socket: Duplex, limits: StreamLimits, clock: Clock): PortForward {
  const wire = new WebSocketWire(webSocket, socket, limits.idleTimeoutMs, clock, (bytes, isBinary) => {
    if (isBinary) inlet.receive(bytes);
    else wire.fail(1003, new VirtualKubeletError("Aborted", "the client sent text in a tunnel"));
  });
  const { stream, inlet } = channelDuplex(wire, (piece) => piece, {
    ended: () => wire.close(1000),
    // Without effect when all has ended in order.
    destroyed: () => wire.fail(1001, new VirtualKubeletError("Aborted", "the tunnel was given up")),
  });
  wire.signal.addEventListener("abort", () => stream.destroy(VirtualKubeletError.from(wire.signal.reason)));
  void wire.closed.then(() => inlet.end());
  return spdyPortForward(stream, Buffer.alloc(0), limits, clock);
}

/** Two channels for each port, there from the start. */
function channelPairs(
  webSocket: WebSocket,
  socket: Duplex,
  protocol: ChannelProtocol,
  ports: readonly number[],
  limits: StreamLimits,
  clock: Clock,
): PortForward {
  const wire = new WebSocketWire(webSocket, socket, limits.idleTimeoutMs, clock, (bytes) => {
    const message = decodeChannelMessage(bytes, protocol);
    // What comes on an error channel says nothing.
    if (message.type === "data" && message.channel % 2 === 0) pairs[message.channel / 2]?.inlet.receive(message.data);
    else if (message.type === "invalid") {
      wire.fail(1007, new VirtualKubeletError("Aborted", `the client sent what cannot be read: ${message.reason}`));
    }
  });
  const open = new Set<number>();
  const pairs = ports.map((port, index) =>
    pairOf(wire, protocol, port, index, clock, () => {
      open.delete(index);
      // A client knows that a connection is over by the end of the whole.
      if (open.size === 0) void wire.close(1000);
    }),
  );
  for (const index of pairs.keys()) open.add(index);
  wire.signal.addEventListener("abort", () => {
    for (const { connection } of pairs) connection.stream.destroy(VirtualKubeletError.from(wire.signal.reason));
  });
  async function* connections(): AsyncGenerator<ForwardedConnection, void, undefined> {
    for (const { connection } of pairs) yield connection;
    await wire.closed;
  }
  return {
    connections: connections(),
    signal: wire.signal,
    async close() {
      await Promise.all(pairs.map(({ connection }) => flushed(connection.stream)));
      await wire.close(1000);
    },
  };
}

/**
 * The end of one direction is nothing that these channels can say, to us neither: once the pod's side has ended, the
 * client's is taken to end so soon after. Else no such connection would ever be over.
 */
const lastInputMs = 1000;

interface Pair {
  readonly connection: ForwardedConnection;
  readonly inlet: Inlet;
}

function pairOf(
  wire: WebSocketWire,
  protocol: ChannelProtocol,
  port: number,
  index: number,
  clock: Clock,
  over: () => void,
): Pair {
  const dataChannel = 2 * index;
  const portBytes = Buffer.alloc(2);
  portBytes.writeUInt16LE(port);
  for (const channel of [dataChannel, dataChannel + 1]) {
    wire.send(encodeChannelMessage(channel, portBytes, protocol), () => {});
  }
  const { stream, inlet } = channelDuplex(
    wire,
    (piece, room) => encodeChannelMessage(dataChannel, piece, protocol, room),
    {
      async ended() {
        clock.schedule(lastInputMs, () => inlet.end());
      },
      destroyed: () => {},
    },
  );
  let isOver = false;
  return {
    inlet,
    connection: {
      port,
      stream,
      fail(message) {
        if (isOver) return;
        isOver = true;
        wire.send(encodeChannelMessage(dataChannel + 1, Buffer.from(message), protocol), over);
        stream.destroy();
      },
      done() {
        if (isOver) return;
        isOver = true;
        void flushed(stream).then(over);
      },
    },
  };
}

/** Ends the stream, waits until all of it has left or cannot any more, and lets go of it. */
async function flushed(stream: Duplex): Promise<void> {
  stream.end();
  // It fails only with the wire, and the wire's own end tells that.
  await finished(stream, { readable: false }).catch(() => {});
  stream.destroy();
}
