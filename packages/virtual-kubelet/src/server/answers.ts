// Whole answers in plain text and JSON, with the headers that all of them have.
import type { KubeletResponse } from "./kubelet-call.ts";

const common = { "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" } as const;

export function sendText(
  response: KubeletResponse,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(response, status, body, { "Content-Type": "text/plain; charset=utf-8", ...headers });
}

export function sendJson(response: KubeletResponse, value: unknown): void {
  send(response, 200, JSON.stringify(value), { "Content-Type": "application/json" });
}

export function send(
  response: KubeletResponse,
  status: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>>,
): void {
  response.writeHead(status, { ...common, ...headers, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}
