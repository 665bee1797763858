// HTTP/1.1 to one engine: short calls over a few connections that are kept, long ones and upgrades over one of their own.
import {
  Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import { request as httpsRequest, Agent as TlsAgent } from "node:https";
import type { Duplex } from "node:stream";
import { isErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { addressText } from "./address-text.ts";
import type { EngineAddress } from "./engine-client.ts";
import { engineError } from "./engine-error.ts";
import { SshAgent } from "./ssh-agent.ts";

/** Connections for short calls. */
const keptConnections = 16;
/** Bytes of one answer that is read whole: a list of thousands of containers. */
const longestAnswer = 64 * 1024 * 1024;
/** Bytes of what is read of a refusal. */
const longestRefusal = 64 * 1024;

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface EngineRequest {
  readonly method: "GET" | "POST" | "DELETE";
  /** From the root, with the API's version. */
  readonly path: string;
  readonly query?: Query;
  /** Sent as JSON, bytes as a tar file. */
  readonly body?: object | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Statuses that are no errors, beside 2xx. */
  readonly accept?: readonly number[];
  /** The answer may be long in coming: it must not hold up others. */
  readonly long?: boolean;
}

export interface EngineAnswer {
  readonly status: number;
  readonly text: string;
}

export class Transport {
  readonly address: EngineAddress;
  readonly #agent: Agent;
  readonly #own: Agent;
  readonly #lost: () => void;

  /** `lost`: told of each failed connection. */
  constructor(address: EngineAddress, lost: () => void) {
    this.address = address;
    this.#lost = lost;
    this.#agent = agentFor(address, { keepAlive: true, maxSockets: keptConnections, maxFreeSockets: keptConnections });
    this.#own = agentFor(address, { keepAlive: false });
  }

  /** The whole answer. A read that meets a kept connection just as the engine drops it is sent once more. */
  async call(request: EngineRequest): Promise<EngineAnswer> {
    for (let again = request.method === "GET"; ; again = false) {
      const [sent, answer] = this.#send(request, request.long === true ? this.#own : this.#agent);
      try {
        const response = await answer;
        const text = await wholeText(response, longestAnswer);
        return checked(request, response, text);
      } catch (error) {
        if (again && sent.reusedSocket && isErrorKind(error, "Unavailable") && !request.signal.aborted) continue;
        throw this.#failure(error, request);
      }
    }
  }

  /** An answer whose body is read as it comes. */
  async stream(request: EngineRequest): Promise<IncomingMessage> {
    try {
      const response = await this.#send(request, this.#own)[1];
      if (isGood(request, response)) return response;
      checked(request, response, await wholeText(response, longestRefusal));
      throw new VirtualKubeletError("Internal", "unreachable");
    } catch (error) {
      throw this.#failure(error, request);
    }
  }

  /** The connection itself, once the engine has given it over. */
  async hijack(request: EngineRequest): Promise<Duplex> {
    const headers = { ...request.headers, Connection: "Upgrade", Upgrade: "tcp" };
    const [sent, answer] = this.#send({ ...request, headers }, this.#own);
    const given = Promise.withResolvers<Duplex>();
    sent.once("upgrade", (_response: IncomingMessage, socket: Duplex, head: Buffer) => {
      // Nobody may be listening yet.
      socket.on("error", () => {});
      if (head.length > 0) socket.unshift(head);
      given.resolve(socket);
    });
    const refused = (async (): Promise<never> => {
      const response = await answer;
      checked({ ...request, accept: [] }, response, await wholeText(response, longestRefusal));
      throw new VirtualKubeletError(
        "Unavailable",
        `the engine answered ${response.statusCode} in place of a connection`,
      );
    })();
    refused.catch(() => {});
    try {
      return await Promise.race([given.promise, refused]);
    } catch (error) {
      throw this.#failure(error, request);
    }
  }

  close(): void {
    this.#agent.destroy();
    this.#own.destroy();
  }

  #send(request: EngineRequest, agent: Agent): readonly [ClientRequest, Promise<IncomingMessage>] {
    request.signal.throwIfAborted();
    const { body } = request;
    const data = body === undefined || body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
    const type = body instanceof Uint8Array ? "application/x-tar" : "application/json";
    const options: RequestOptions = {
      ...placeOf(this.address),
      agent,
      method: request.method,
      path: `${request.path}${queryText(request.query)}`,
      signal: request.signal,
      headers: {
        ...request.headers,
        ...(data === undefined
          ? request.method === "POST" && { "Content-Length": 0 }
          : { "Content-Type": type, "Content-Length": data.length }),
      },
    };
    const send = this.address.type === "tcp" && this.address.tls !== undefined ? httpsRequest : httpRequest;
    const answer = Promise.withResolvers<IncomingMessage>();
    const sent = send(options);
    sent.on("error", answer.reject);
    sent.once("response", (response) => {
      // The reader of the body sees it as well; without a reader it is nobody's.
      response.on("error", () => {});
      answer.resolve(response);
    });
    sent.end(data);
    return [sent, answer.promise];
  }

  #failure(error: unknown, { signal }: EngineRequest): VirtualKubeletError {
    if (signal.aborted)
      return new VirtualKubeletError("Aborted", "the call of the engine was broken off", { cause: signal.reason });
    if (error instanceof VirtualKubeletError) return error;
    const failure = VirtualKubeletError.from(error);
    this.#lost();
    return new VirtualKubeletError(
      "Unavailable",
      `the container engine at ${addressText(this.address)} cannot be reached: ${failure.message}`,
      { cause: error },
    );
  }
}

function agentFor(
  address: EngineAddress,
  options: { keepAlive: boolean; maxSockets?: number; maxFreeSockets?: number },
): Agent {
  if (address.type === "ssh") return new SshAgent(address, options);
  if (address.type === "tcp" && address.tls !== undefined)
    return new TlsAgent({ ...options, ...address.tls, minVersion: "TLSv1.2" });
  return new Agent(options);
}

function placeOf(address: EngineAddress): RequestOptions {
  switch (address.type) {
    case "unix":
      return { socketPath: address.path };
    case "tcp":
      return { host: address.host, port: address.port };
    case "ssh":
      return { host: "engine" };
  }
}

function queryText(query: Query = {}): string {
  const text = new URLSearchParams(
    Object.entries(query).flatMap(([name, value]) => {
      if (value === undefined) return [];
      const values = typeof value === "object" ? value : [String(value)];
      return values.map((each): [string, string] => [name, each]);
    }),
  ).toString();
  return text === "" ? "" : `?${text}`;
}

function isGood({ accept = [] }: EngineRequest, { statusCode = 0 }: IncomingMessage): boolean {
  return (statusCode >= 200 && statusCode < 300) || accept.includes(statusCode);
}

function checked(request: EngineRequest, response: IncomingMessage, text: string): EngineAnswer {
  const { statusCode: status = 0 } = response;
  if (isGood(request, response)) return { status, text };
  throw engineError(status, text);
}

async function wholeText(response: IncomingMessage, longest: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    const bytes: Buffer = Buffer.from(chunk);
    size += bytes.length;
    if (size > longest) {
      response.destroy();
      throw new VirtualKubeletError("Unavailable", `the engine's answer is longer than ${longest} bytes`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString();
}
