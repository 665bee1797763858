// What a request shows of its connection, whichever HTTP version it came by.
import type { IncomingMessage, ServerResponse } from "node:http";
import { constants, Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { TLSSocket } from "node:tls";
import type { KubeletResponse } from "./kubelet-call.ts";

export type AnyRequest = IncomingMessage | Http2ServerRequest;
/** That of HTTP/2 has `flushHeaders`, too, but its type does not say so. */
export type AnyResponse = (ServerResponse | Http2ServerResponse) & KubeletResponse;

export interface RequestPeer {
  /** The same for all requests of one connection. */
  readonly connection: object;
  /** Only to be asked, never to be written to: HTTP/2 has it. */
  readonly socket: TLSSocket;
  readonly remoteAddress: string;
  readonly protocol: string;
}

/** Undefined when the connection is gone already. */
export function peerOf(request: AnyRequest): RequestPeer | undefined {
  const session = request instanceof Http2ServerRequest ? request.stream.session : undefined;
  if (request instanceof Http2ServerRequest && session === undefined) return undefined;
  const socket = session === undefined ? request.socket : session.socket;
  if (!(socket instanceof TLSSocket) || socket.remoteAddress === undefined) return undefined;
  return {
    connection: session ?? socket,
    socket,
    remoteAddress: `${socket.remoteAddress}:${socket.remotePort ?? 0}`,
    protocol: session === undefined ? "HTTP/1.1" : "HTTP/2",
  };
}

export function hostOf(request: AnyRequest): string | undefined {
  return request instanceof Http2ServerRequest ? request.authority || request.headers.host : request.headers.host;
}

/** Ends an answer so that it does not look whole. */
export function breakOff(response: AnyResponse): void {
  if (response instanceof Http2ServerResponse) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  else response.destroy();
}
