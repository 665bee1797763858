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

/** Connects and resolves when the handshake has been answered; rejects with "Unexpected server response: <status>". */
export async function connectWebSocketPeer(
  port: number,
  protocols: readonly string[],
  path: string = "/",
): Promise<WebSocketPeer> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, [...protocols], { perMessageDeflate: false });
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
