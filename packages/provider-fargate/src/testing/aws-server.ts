// A fake region of AWS over HTTP or HTTPS on loopback: finds the operation, checks who asks, and keeps a book of calls.

import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type Clock, errorText, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { AwsFaults } from "./aws-faults.ts";
import type { Service } from "./aws-operation.ts";
import { refusal } from "./aws-refusal.ts";
import { checkSignature, type FakeCredentials } from "./aws-signature.ts";

export interface AwsCall {
  readonly operation: string;
  readonly time: number;
  readonly request: unknown;
  /** "ok", the name of the error, or "lost". */
  readonly outcome: string;
}

export interface AwsServerOptions {
  readonly clock: Clock;
  readonly services: readonly Service[];
  readonly faults: AwsFaults;
  /** Read at each request: tests let them expire and add new ones. */
  readonly credentials: readonly FakeCredentials[];
  readonly tls?: { readonly key: string; readonly cert: string } | undefined;
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export class AwsServer implements AsyncDisposable {
  readonly calls: AwsCall[] = [];
  /** What the fake itself did wrong, or was asked that is no request: tests look that there is none. */
  readonly faults: string[] = [];
  readonly #options: AwsServerOptions;
  readonly #server: ReturnType<typeof createServer>;
  readonly #closing = new AbortController();

  constructor(options: AwsServerOptions) {
    this.#options = options;
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      this.#serve(request, response).catch((error) => {
        this.faults.push(errorText(error));
        response.destroy();
      });
    };
    this.#server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
    this.#server.on("upgrade", options.upgrade);
  }

  async listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject).listen(0, "127.0.0.1", resolve);
    await promise;
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the fake does not listen");
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    this.#server.closeAllConnections();
    await closed.promise;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#options.faults.down) {
      request.socket.destroy();
      return;
    }
    const body = await buffer(request);
    const target = request.headers["x-amz-target"];
    const [prefix = "", operation = ""] = (typeof target === "string" ? target : "").split(".");
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    const signal = AbortSignal.any([gone.signal, this.#closing.signal]);
    const time = this.#options.clock.now();
    const json = parsed(body);
    const note = (outcome: string): void => {
      this.calls.push({ operation, time, request: json, outcome });
    };
    try {
      const signed = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body };
      checkSignature(signed, this.#options.credentials, time);
      const work = this.#options.services.find((each) => each.target === prefix)?.operations[operation];
      if (work === undefined) throw refusal("UnknownOperationException", `the fake has no ${prefix}.${operation}`);
      await this.#options.faults.before(operation, signal);
      if (json === undefined) throw refusal("SerializationException", "the body is no JSON");
      const answer = await work(json, { signal });
      if (this.#options.faults.down || this.#options.faults.losesAnswer(operation)) {
        note("lost");
        request.socket.destroy();
        return;
      }
      note("ok");
      respond(response, 200, answer, prefix);
    } catch (error) {
      const known = VirtualKubeletError.from(error);
      const { reason = "InternalError", httpStatus = 500 } = known;
      note(reason);
      if (known.reason === undefined || reason === "SerializationException" || reason === "UnknownOperationException")
        this.faults.push(`${operation}: ${errorText(error)}`);
      response.setHeader("x-amzn-errortype", reason);
      if (prefix === "AmazonSQS") response.setHeader("x-amzn-query-error", `AWS.SimpleQueueService.${reason};Sender`);
      respond(response, httpStatus, { __type: reason, message: known.message }, prefix);
    }
  }
}

function respond(response: ServerResponse, status: number, body: unknown, target: string): void {
  // Logs, ECS and Secrets Manager speak 1.1, the others 1.0.
  const version = target === "AmazonSQS" || target.startsWith("Granite") ? "1.0" : "1.1";
  response.setHeader("x-amzn-requestid", randomUUID());
  response.writeHead(status, { "content-type": `application/x-amz-json-${version}` });
  response.end(JSON.stringify(body));
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return undefined;
  }
}
