// The WebSocket handshake: which protocol is spoken, or why none is. Framing is the ws library's.
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { VirtualKubeletError } from "../errors.ts";
import { UpgradeRefusal } from "./upgrade-refusal.ts";

/**
 * Bytes of one message, the channel's included. Clients of Kubernetes send at most a few hundred KiB; some write a
 * whole file at once. More ends the connection with 1009.
 */
const maxMessageBytes = 4 * 1024 * 1024;

const serverOptions = {
  noServer: true,
  clientTracking: false,
  perMessageDeflate: false,
  maxPayload: maxMessageBytes,
  // A message in pieces of a byte each would cost a hundred times its size.
  maxFragments: 8192,
  maxBufferedChunks: 16_384,
  // Answered by the wire, which knows how much is waiting to be sent.
  autoPong: false,
  // Text is checked by who reads it. Whether a wire lingers after Close is decided by the wire too.
  skipUTF8Validation: true,
  closeTimeout: 2 ** 31 - 1,
};

const protocolHeader = "sec-websocket-protocol";

/** The first protocol of the client's list that is supported; "" stands for a client that names none. */
export function negotiateProtocol(header: string | undefined, supported: readonly string[]): string | undefined {
  const wanted = header === undefined ? [""] : header.split(",").map((protocol) => protocol.trim());
  return wanted.find((protocol) => supported.includes(protocol));
}

export interface UpgradedWebSocket {
  /** Reads on at once: listen to it in the same turn. */
  readonly webSocket: WebSocket;
  /** "" when the client named none. */
  readonly protocol: string;
}

/**
 * Answers the handshake. Throws UpgradeRefusal, with nothing written yet, when it cannot be granted; Aborted when the
 * client has left already.
 */
export function upgradeWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  supported: readonly string[],
): UpgradedWebSocket {
  if (request.method !== "GET") throw new UpgradeRefusal(405, "a WebSocket is opened by GET", { Allow: "GET" });
  if (request.headers.upgrade?.toLowerCase() !== "websocket") {
    throw new UpgradeRefusal(400, "no upgrade to websocket was asked for");
  }
  if (request.headers["sec-websocket-version"] !== "13") {
    throw new UpgradeRefusal(426, "only version 13 of WebSocket is spoken here", { "Sec-WebSocket-Version": "13" });
  }
  const offered = request.headers[protocolHeader];
  const protocol = negotiateProtocol(offered, supported);
  if (protocol === undefined) {
    const names = supported.filter((name) => name !== "").join(", ");
    throw new UpgradeRefusal(403, `requested protocol(s) are not supported; supported are: ${names}`);
  }
  const server = new WebSocketServer(serverOptions);
  let refusal: UpgradeRefusal | undefined;
  let webSocket: WebSocket | undefined;
  server.on("wsClientError", (error) => {
    refusal = new UpgradeRefusal(400, error.message);
  });
  server.on("headers", (headers) => {
    if (protocol !== "") headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
  });
  // The library takes no name with a slash, as that of the tunnel has: it is not shown what the client offers.
  delete request.headers[protocolHeader];
  try {
    server.handleUpgrade(request, socket, head, (accepted) => {
      webSocket = accepted;
    });
  } finally {
    if (offered !== undefined) request.headers[protocolHeader] = offered;
  }
  if (refusal !== undefined) throw refusal;
  if (webSocket === undefined) throw new VirtualKubeletError("Aborted", "the client left during the handshake");
  return { webSocket, protocol };
}
