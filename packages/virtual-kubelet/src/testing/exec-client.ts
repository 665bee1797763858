// exec and attach by WebSocket over TLS against a kubelet of the fixture.
import assert from "node:assert/strict";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import type { KubeletFixture } from "./kubelet-fixture.ts";

export interface ExecSession {
  readonly socket: WebSocket;
  /** Text of a channel so far. */
  text(channel: number): string;
  /** Code of the close frame, and everything before it. */
  readonly closed: Promise<number>;
}

/** Opens a stream as `admin`; rejects with status and body when it is refused. */
export async function openExec(kubelet: KubeletFixture, path: string, user = "admin"): Promise<ExecSession> {
  const socket = new WebSocket(`wss://127.0.0.1:${kubelet.port()}${path}`, ["v4.channel.k8s.io"], {
    ca: kubelet.ca.certificate,
    headers: { Authorization: `Bearer ${user}`, "X-Forwarded-For": "192.0.2.7" },
  });
  const contents = new Map<number, string>();
  socket.on("message", (data) => {
    assert(Buffer.isBuffer(data));
    const channel = data[0] ?? -1;
    contents.set(channel, (contents.get(channel) ?? "") + data.subarray(1).toString());
  });
  const closed = new Promise<number>((resolve) => socket.on("close", resolve));
  const refused = new Promise<never>((_resolve, reject) => {
    socket.on("unexpected-response", (_request, response) => {
      let body = "";
      response.on("data", (chunk) => {
        body += String(chunk);
      });
      response.on("end", () => reject(new Error(`${response.statusCode} ${body}`)));
    });
  });
  socket.on("error", () => undefined);
  await Promise.race([once(socket, "open"), refused]);
  return { socket, closed, text: (channel) => contents.get(channel) ?? "" };
}

/** Resolves when the condition holds; fails after 10 s. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition(); await delay(5))
    assert(Date.now() < deadline, `not in time: ${what}`);
}
