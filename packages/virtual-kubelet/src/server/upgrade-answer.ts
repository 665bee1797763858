// Answers to a request for an upgrade that is not granted: written by hand, since Node has left the connection to us.
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";

/** For so long the client may take to read it and to close. */
const lingerMs = 5000;

/** Writes the answer and closes the connection: what came after the request is never read as another one. */
export function refuseUpgrade(
  socket: Duplex,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  if (socket.destroyed) return;
  const lines = Object.entries({
    Date: new Date().toUTCString(),
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    "Content-Length": String(Buffer.byteLength(body)),
    Connection: "close",
    ...headers,
  }).map(([name, value]) => `${name}: ${value.replaceAll(/[^\t -~]/g, "?")}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Unknown"}\r\n${lines.join("")}\r\n${body}`);
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
  // Read to its end, for only then the close is clean and the answer not lost to a reset.
  socket.resume();
}
