// HTTP/1.1 by hand over a socket, for tests of what no client library would send.
import type { TLSSocket } from "node:tls";

/** A request without a body; `user` is a token. */
export const request = (path: string, user?: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\n${user === undefined ? "" : `Authorization: Bearer ${user}\r\n`}\r\n`;

/** Sends a request and reads its answer, which must have a Content-Length; the connection stays. */
export async function ask(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text);
  let answer = "";
  for await (const [chunk] of onData(socket)) {
    answer += String(chunk);
    const [, head, length] = /^([\s\S]*?content-length: (\d+)[\s\S]*?\r\n\r\n)/i.exec(answer) ?? [];
    if (head !== undefined && answer.length >= head.length + Number(length)) return answer;
  }
  return answer;
}

async function* onData(socket: TLSSocket): AsyncGenerator<unknown[]> {
  const closed = new Promise<undefined>((resolve) => socket.once("close", () => resolve(undefined)));
  for (;;) {
    const data = new Promise<unknown[]>((resolve) => socket.once("data", (chunk) => resolve([chunk])));
    const next = await Promise.race([data, closed]);
    if (next === undefined) return;
    yield next;
  }
}
