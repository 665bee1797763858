// How everything of the web view is answered: nothing is kept, nothing is framed, nothing comes from elsewhere.
import type { AnyResponse } from "../server/request-peer.ts";

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

export const headers: Readonly<Record<string, string>> = {
  "Content-Security-Policy": policy,
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Cache-Control": "no-store",
};

export function sendText(
  response: AnyResponse,
  status: number,
  body: string,
  more: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { ...headers, "Content-Type": "text/plain; charset=utf-8", ...more });
  response.end(body);
}

export function sendJson(response: AnyResponse, value: unknown): void {
  response.writeHead(200, { ...headers, "Content-Type": "application/json" });
  response.end(JSON.stringify(value));
}
