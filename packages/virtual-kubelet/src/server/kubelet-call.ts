// One authorised request to the kubelet API as its handlers see it, whichever HTTP version it came by. Types only.
import type { Writable } from "node:stream";
import type { Logger } from "../log.ts";
import type { UserInfo } from "./access.ts";
import type { ServedNode } from "./served-node.ts";

/** What responses of HTTP/1.1 and HTTP/2 have in common. */
export interface KubeletResponse extends Writable {
  readonly headersSent: boolean;
  setHeader(name: string, value: string | number | readonly string[]): unknown;
  writeHead(status: number, headers?: Readonly<Record<string, string | number>>): unknown;
  /** Sends the head before the first byte of the body. */
  flushHeaders(): void;
}

export interface KubeletCall {
  /** The node that was asked. */
  readonly node: ServedNode;
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Parts of the path that the route names, decoded: namespace, pod, uid, container, path. */
  readonly params: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly response: KubeletResponse;
  readonly user: UserInfo;
  /** Address and port of the caller's end of the connection. */
  readonly remoteAddress: string;
  /** "HTTP/1.1" or "HTTP/2". */
  readonly protocol: string;
  /** Aborts when the client is gone or the server ends. */
  readonly signal: AbortSignal;
  /** Has node and what the route names on each line. */
  readonly log: Logger;
}

/** Answers one call; what it throws is answered by the error's kind, or ends the connection when the head was sent. */
export type KubeletHandler = (call: KubeletCall) => Promise<void>;
