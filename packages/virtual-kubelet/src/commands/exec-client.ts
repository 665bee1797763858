// The client's side of a command in a container, over the WebSocket protocols v5 and v4.channel.k8s.io.
import type { IncomingMessage } from "node:http";
import { WebSocket } from "ws";
import { VirtualKubeletError } from "../errors.ts";
import { answerError } from "../kube/api-errors.ts";
import type { Credential } from "../kube/credentials.ts";
import { isObject } from "../kube/stored.ts";
import { asked } from "./cluster.ts";

const stdin = 0;
const stdout = 1;
const stderr = 2;
const status = 3;
const resize = 4;
const closeMark = 255;
/** So much may be under way to the command before its input is held back. */
const pendingLimit = 1 << 20;
/** So much is read of what the server says instead of a stream. */
const refusalLimit = 64 << 10;

export interface ExecClientOptions {
  /** wss://host:port/path?query */
  readonly url: string;
  readonly credential: Credential;
  readonly write: (stream: "stdout" | "stderr", data: Buffer) => Promise<void>;
}

export type ExecEnd = { readonly exitCode: number } | { readonly fault: string };

export class ExecClient {
  readonly #socket: WebSocket;
  readonly #ended: PromiseWithResolvers<ExecEnd> = Promise.withResolvers<ExecEnd>();
  #written: Promise<void> = Promise.resolve();
  #outcome: ExecEnd | undefined;

  private constructor(socket: WebSocket, write: ExecClientOptions["write"]) {
    this.#socket = socket;
    socket.on("message", (data) => {
      if (!Buffer.isBuffer(data) || data.length === 0) return;
      const content = data.subarray(1);
      if (data[0] === status) this.#outcome = outcomeOf(content.toString("utf8"));
      else if (content.length > 0 && (data[0] === stdout || data[0] === stderr))
        this.#output(write, data[0] === stdout ? "stdout" : "stderr", content);
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      const end = this.#outcome ?? { fault: "the connection was lost before the command ended" };
      this.#written.then(
        () => this.#ended.resolve(end),
        (error: unknown) => this.#ended.reject(error),
      );
    });
  }

  /** Throws VirtualKubeletError: what the server answers instead of a stream, or why it cannot be reached. */
  static async connect(options: ExecClientOptions): Promise<ExecClient> {
    const { tls, headers } = options.credential;
    const socket = new WebSocket(options.url, ["v5.channel.k8s.io", "v4.channel.k8s.io"], {
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, typeof value === "string" ? value : [...value]]),
      ),
      perMessageDeflate: false,
      handshakeTimeout: 30_000,
      rejectUnauthorized: !tls.insecure,
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
      ...(tls.cert === undefined ? {} : { cert: tls.cert }),
      ...(tls.key === undefined ? {} : { key: tls.key }),
      ...(tls.serverName === undefined ? {} : { servername: tls.serverName }),
    });
    const client = new ExecClient(socket, options.write);
    const opened = Promise.withResolvers<void>();
    socket.once("open", () => opened.resolve());
    socket.once("error", (cause) =>
      opened.reject(new VirtualKubeletError("Unavailable", `${asked}: ${cause.message}`, { cause })),
    );
    socket.once("unexpected-response", (_request, response) => {
      // Ended before, it would say that alone.
      void refusal(response)
        .then(opened.reject, opened.reject)
        .finally(() => socket.terminate());
    });
    await opened.promise;
    return client;
  }

  /** How the command ended, after all of its output is written. Rejects when that cannot be written. */
  get ended(): Promise<ExecEnd> {
    return this.#ended.promise;
  }

  /** Resolves when more may be sent. */
  async send(data: Buffer): Promise<void> {
    const sent = Promise.withResolvers<void>();
    this.#socket.send(Buffer.concat([Buffer.of(stdin), data]), () => sent.resolve());
    if (this.#socket.bufferedAmount > pendingLimit) await sent.promise;
  }

  /** The command's input is at its end; the older protocol cannot say so. */
  endInput(): void {
    if (this.#socket.protocol === "v5.channel.k8s.io") this.#socket.send(Buffer.of(closeMark, stdin), () => undefined);
  }

  resize(width: number, height: number): void {
    const size = JSON.stringify({ Width: width, Height: height });
    this.#socket.send(Buffer.concat([Buffer.of(resize), Buffer.from(size)]), () => undefined);
  }

  close(): void {
    this.#socket.terminate();
  }

  /** One after another; the server is held back meanwhile. */
  #output(write: ExecClientOptions["write"], stream: "stdout" | "stderr", data: Buffer): void {
    this.#socket.pause();
    this.#written = this.#written.then(() => write(stream, data)).then(() => this.#socket.resume());
    this.#written.catch(() => this.#socket.terminate());
  }
}

async function refusal(response: IncomingMessage): Promise<VirtualKubeletError> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    if (!Buffer.isBuffer(chunk)) continue;
    chunks.push(chunk);
    length += chunk.length;
    if (length >= refusalLimit) break;
  }
  const body = Buffer.concat(chunks).subarray(0, refusalLimit);
  return answerError({ status: response.statusCode ?? 500, retryAfter: undefined, body }, asked, Date.now());
}

/** Of the v1.Status that ends the stream. */
export function outcomeOf(text: string): ExecEnd {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { fault: text };
  }
  if (!isObject(value)) return { fault: text };
  if (value["status"] === "Success") return { exitCode: 0 };
  const { details, reason, message } = value;
  const causes = isObject(details) && Array.isArray(details["causes"]) ? details["causes"] : [];
  const cause: unknown = causes.find((each: unknown) => isObject(each) && each["reason"] === "ExitCode");
  if (reason === "NonZeroExitCode" && isObject(cause) && /^\d+$/.test(String(cause["message"])))
    return { exitCode: Number(cause["message"]) };
  return { fault: typeof message === "string" && message !== "" ? message : text };
}
