// The HTTP side of SPDY: is the request an upgrade to it, which protocol of ours does the client speak, and the 101.
import type { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { UpgradeRefusal } from "./upgrade-refusal.ts";

const spdy = "SPDY/3.1";
const protocolHeader = "X-Stream-Protocol-Version";
const keepAliveMs = 30_000;

/**
 * The first protocol of the client's list that is among ours. Throws UpgradeRefusal: 400 for what is no upgrade to SPDY/3.1 or
 * names no protocol, 403 when there is none in common.
 */
export function negotiateSpdy(request: Pick<IncomingMessage, "headersDistinct">, ours: readonly string[]): string {
  const headers = request.headersDistinct;
  const offers = (name: string, wanted: string): boolean =>
    (headers[name] ?? []).some((value) => value.toLowerCase().includes(wanted.toLowerCase()));
  if (!offers("connection", "upgrade") || !offers("upgrade", spdy)) {
    throw new UpgradeRefusal(400, `this path wants an upgrade to ${spdy} or a WebSocket\n`);
  }
  const values = headers[protocolHeader.toLowerCase()];
  if (values === undefined) throw new UpgradeRefusal(400, `an upgrade to ${spdy} needs the header ${protocolHeader}\n`);
  const theirs = values.flatMap((value) => value.split(",")).map((protocol) => protocol.trim());
  const chosen = theirs.find((protocol) => ours.includes(protocol));
  if (chosen !== undefined) return chosen;
  const named = ours.filter((protocol) => protocol !== "").join(", ");
  throw new UpgradeRefusal(403, `no stream protocol in common: this server has ${named}\n`, {
    "X-Accepted-Stream-Protocol-Versions": named,
  });
}

/** Writes the 101. What follows on the socket is SPDY. */
export function switchToSpdy(socket: Duplex, protocol: string): void {
  if (socket instanceof Socket) {
    socket.setTimeout(0);
    socket.setNoDelay(true);
    // A host that vanished says nothing; pings are the client's business.
    socket.setKeepAlive(true, keepAliveMs);
  }
  const lines = ["HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", `Upgrade: ${spdy}`];
  socket.write(`${[...lines, `${protocolHeader}: ${protocol}`].join("\r\n")}\r\n\r\n`);
}
