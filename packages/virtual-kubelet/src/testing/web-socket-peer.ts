// A WebSocket client for tests that keeps all it was sent: by channel, and in what order.
import { once } from "node:events";
import { WebSocket } from "ws";

export interface WebSocketPeer {
  readonly socket: WebSocket;
  /** Channel and length of the content of each message, in order; channels of text messages count from "0". */
  readonly messages: readonly { readonly channel: number; readonly length: number }[];
  /** All content of a channel. */
  content(channel: number): Buffer;
  /** Code and reason of the end, once there is one. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
}

/**
 * A client that has not connected yet. The ws library takes no name with a slash, as that of the tunnel has; such a list is
 * offered past it, and what the server chose is given to `onProtocol`.
 */
export function openWebSocket(
  port: number,
  protocols: readonly string[],
  path: string = "/",
  onProtocol: (protocol: string | undefined) => void = () => {},
): WebSocket {
  const headers = { "Sec-WebSocket-Protocol": protocols.join(", ") };
  const options = { perMessageDeflate: false, ...(protocols.length === 0 ? {} : { headers }) };
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
  socket.on("upgrade", (response) => {
    onProtocol(response.headers["sec-websocket-protocol"]);
    delete response.headers["sec-websocket-protocol"];
  });
  return socket;
}

/** Connects and resolves when the handshake has been answered; rejects with "Unexpected server response: <status>". */
export async function connectWebSocketPeer(
  port: number,
  protocols: readonly string[],
  path: string = "/",
): Promise<WebSocketPeer> {
  const socket = openWebSocket(port, protocols, path);
  const messages: { channel: number; length: number }[] = [];
  const contents = new Map<number, Buffer[]>();
  socket.on("message", (data, isBinary) => {
    if (!Buffer.isBuffer(data)) throw new Error("the ws library gave something other than a Buffer");
    const channel = (data[0] ?? 0) - (isBinary ? 0 : 0x30);
    const content = isBinary ? data.subarray(1) : Buffer.from(data.toString("latin1", 1), "base64");
    messages.push({ channel, length: content.length });
    const before = contents.get(channel);
    if (before === undefined) contents.set(channel, [content]);
    else before.push(content);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }));
  });
  await once(socket, "open");
  socket.on("error", () => {});
  return { socket, messages, closed, content: (channel) => Buffer.concat(contents.get(channel) ?? []) };
}

/** Resolves when the server takes nothing more of what was sent; fails when it takes all within `deadlineMs`. */
export async function heldBack(socket: WebSocket, deadlineMs: number = 60_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  let amount = socket.bufferedAmount;
  for (let same = 0; same < 10; ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    if (socket.bufferedAmount === 0) throw new Error("the server has taken all");
    if (performance.now() > end) throw new Error(`the server takes more and more for ${deadlineMs} ms`);
    same = socket.bufferedAmount === amount ? same + 1 : 0;
    amount = socket.bufferedAmount;
  }
}
