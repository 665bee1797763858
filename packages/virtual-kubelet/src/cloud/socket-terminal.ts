// A WebSocket to a process in a container: raw bytes both ways, after a password where the cloud wants one.
import { Agent } from "node:https";
import { getCACertificates } from "node:tls";
import { WebSocket } from "ws";
import { VirtualKubeletError } from "../errors.ts";
import { proxyOf } from "./https.ts";

/** A process in a container behind a socket. */
export interface SocketTerminal {
  /** Resolves when it is sent; rejects with Unavailable once the socket is closed. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends when the other side closes the socket, throws Unavailable when the connection breaks. Not read on while it is slow. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Closes the socket; output ends. */
  close(): void;
}

export interface TerminalOptions {
  /** It is a secret where it needs no password: whoever has it is in the container. */
  readonly uri: string;
  /** Sent as the first message, or as the Authorization header. */
  readonly password?: { readonly as: "message" | "header"; readonly text: string } | undefined;
  /** Without TLS, of this machine alone. Default false. */
  readonly plain?: boolean | undefined;
  /** PEM, beside the system's. */
  readonly ca?: string | undefined;
  /** HTTPS_PROXY and NO_PROXY count. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly signal: AbortSignal;
}

const pingMs = 30_000;
/** Beyond it the socket is not read until somebody takes what is there. */
const readAhead = 256 * 1024;

/** Throws Unavailable when it cannot be opened. The signal closes it, then and later. */
export async function openTerminal(options: TerminalOptions): Promise<SocketTerminal> {
  const { uri, password, plain = false, signal } = options;
  if (!uri.startsWith("wss://") && !(plain && uri.startsWith("ws://127.0.0.1:")))
    throw new VirtualKubeletError("Unavailable", "the cloud gave an address for the session that is not wss");
  if (signal.aborted) throw new VirtualKubeletError("Aborted", "the session was aborted");
  const proxyEnv = proxyOf(options.env ?? {});
  const trusted = options.ca === undefined ? {} : { ca: [...getCACertificates("default"), options.ca] };
  const socket = new WebSocket(uri, {
    perMessageDeflate: false,
    handshakeTimeout: 30_000,
    maxPayload: 16 * 2 ** 20,
    ...(password?.as === "header" ? { headers: { authorization: password.text } } : {}),
    ...(proxyEnv === undefined ? trusted : { agent: new Agent({ ...trusted, proxyEnv }) }),
  });
  const terminal = new ProcessSocket(socket, signal);
  await terminal.opened();
  if (password?.as === "message") await terminal.send(password.text);
  return terminal;
}

class ProcessSocket implements SocketTerminal {
  readonly #socket: WebSocket;
  readonly #signal: AbortSignal;
  readonly #pings: NodeJS.Timeout;
  readonly #chunks: Buffer[] = [];
  #held = 0;
  #end: "open" | "closed" | VirtualKubeletError = "open";
  #wake: () => void = () => {};

  constructor(socket: WebSocket, signal: AbortSignal) {
    this.#socket = socket;
    this.#signal = signal;
    this.#pings = setInterval(() => {
      if (socket.readyState === WebSocket.OPEN) socket.ping();
    }, pingMs).unref();
    signal.addEventListener("abort", this.#abort, { once: true });
    socket.on("message", (data) => this.#took(bytesOf(data)));
    socket.on("error", (cause) => this.#ended(new VirtualKubeletError("Unavailable", "the session broke", { cause })));
    socket.on("close", (code, reason) => {
      // 1000 and 1005: the process is over. Others say why.
      const isPlain = code === 1000 || code === 1005;
      const why = `the session was closed: ${code} ${reason.toString()}`.trim();
      this.#ended(isPlain ? "closed" : new VirtualKubeletError("Unavailable", why));
    });
  }

  async opened(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.once("open", resolve);
    this.#socket.once("close", () =>
      reject(this.#end instanceof VirtualKubeletError ? this.#end : this.#closedError()),
    );
    await promise;
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.send(bytes);
  }

  /** A text as a text message, bytes as a binary one. */
  send(data: Uint8Array | string): Promise<void> {
    if (this.#socket.readyState !== WebSocket.OPEN) return Promise.reject(this.#closedError());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.send(data, (cause) => {
      if (cause === undefined || cause === null) resolve();
      else reject(new VirtualKubeletError("Unavailable", "the session broke", { cause }));
    });
    return promise;
  }

  get output(): AsyncIterable<Uint8Array> {
    return this.#read();
  }

  close(): void {
    this.#ended("closed");
    this.#socket.close(1000);
    // Whoever does not answer the close is cut off.
    const cut = setTimeout(() => this.#socket.terminate(), 2000).unref();
    this.#socket.once("close", () => clearTimeout(cut));
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          this.#held -= chunk.length;
          if (this.#held < readAhead && this.#socket.isPaused) this.#socket.resume();
          yield chunk;
          continue;
        }
        if (this.#end === "closed") return;
        if (this.#end !== "open") throw this.#end;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.close();
    }
  }

  #took(bytes: Buffer): void {
    if (bytes.length === 0 || this.#end !== "open") return;
    this.#chunks.push(bytes);
    this.#held += bytes.length;
    if (this.#held >= readAhead) this.#socket.pause();
    this.#wake();
  }

  #ended(how: "closed" | VirtualKubeletError): void {
    if (this.#end !== "open") return;
    this.#end = how;
    clearInterval(this.#pings);
    this.#signal.removeEventListener("abort", this.#abort);
    this.#wake();
  }

  readonly #abort = (): void => {
    this.#ended(new VirtualKubeletError("Aborted", "the session was aborted"));
    this.#socket.terminate();
  };

  #closedError(): VirtualKubeletError {
    return new VirtualKubeletError("Unavailable", "the session is closed");
  }
}

function bytesOf(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
