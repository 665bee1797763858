// A client of streaming over SPDY/3.1 as client-go is one: an upgrade over HTTP, then streams with headers.
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { SpdySession } from "../streaming/spdy-session.ts";

export interface SpdyUpgrade {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** Body of a refusal. */
  readonly body: string;
  /** When it was granted. */
  readonly session: SpdySession | undefined;
  readonly socket: Socket;
}

/** Asks the server on this port of 127.0.0.1 for an upgrade. Without protocols the header that names them is left out. */
export async function upgradeToSpdy(
  port: number,
  path: string,
  protocols: string | readonly string[] | undefined,
  headers: Readonly<Record<string, string>> = { Connection: "Upgrade", Upgrade: "SPDY/3.1" },
): Promise<SpdyUpgrade> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const named = typeof protocols === "string" ? protocols : [...(protocols ?? [])];
  const sent = request({
    createConnection: () => socket,
    method: "POST",
    path,
    headers: { ...headers, ...(protocols !== undefined && { "X-Stream-Protocol-Version": named }) },
  });
  const { promise, resolve, reject } = Promise.withResolvers<SpdyUpgrade>();
  sent.once("error", reject);
  sent.once("upgrade", (response, _socket, head) => {
    const session = new SpdySession(socket, { idleTimeoutMs: 0, role: "client", head });
    resolve({ status: response.statusCode ?? 0, headers: response.headers, body: "", session, socket });
  });
  sent.once("response", (response) => {
    text(response).then(
      (body) =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, session: undefined, socket }),
      reject,
    );
  });
  sent.end();
  return promise;
}
