// A client for tests that hides nothing: the status, the headers, the document, the lines of a watch.
import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { request } from "node:https";
import { createInterface } from "node:readline";
import type { DevCluster } from "../dev-cluster.ts";
import { type Json, type JsonObject, list, object, parseJson, text } from "../json.ts";

export interface CallOptions {
  readonly body?: Json | string;
  readonly contentType?: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of the kubeconfig's credentials. */
  readonly token?: string;
}

export interface Answered {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: JsonObject;
}

export class ApiCaller {
  readonly #server: string;
  readonly #credentials: { readonly ca: string; readonly cert?: string; readonly key?: string };
  readonly #token: string;

  /** As the administrator, or as another kubeconfig says. */
  constructor(cluster: Pick<DevCluster, "server" | "kubeconfig" | "ca">, kubeconfig: string = cluster.kubeconfig) {
    const config = parseJson(readFileSync(kubeconfig, "utf8"));
    const [user] = list(config, "users");
    const decode = (field: string): string => Buffer.from(text(user, "user", field), "base64").toString();
    this.#server = cluster.server;
    this.#token = text(user, "user", "token");
    this.#credentials =
      this.#token === ""
        ? { ca: cluster.ca, cert: decode("client-certificate-data"), key: decode("client-key-data") }
        : { ca: cluster.ca };
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<Answered> {
    const incoming = await this.#send(method, path, options);
    const chunks: Buffer[] = await incoming.toArray();
    const said = Buffer.concat(chunks).toString();
    const body = incoming.headers["content-type"]?.includes("json") ? object(parseJson(said)) : { text: said };
    return { code: incoming.statusCode ?? 0, headers: incoming.headers, body };
  }

  get(path: string, options?: CallOptions): Promise<Answered> {
    return this.call("GET", path, options);
  }

  post(path: string, body: Json, options?: CallOptions): Promise<Answered> {
    return this.call("POST", path, { ...options, body });
  }

  put(path: string, body: Json): Promise<Answered> {
    return this.call("PUT", path, { body });
  }

  patch(path: string, body: Json, type = "application/strategic-merge-patch+json"): Promise<Answered> {
    return this.call("PATCH", path, { body, contentType: type });
  }

  delete(path: string, body?: Json): Promise<Answered> {
    return this.call("DELETE", path, body === undefined ? {} : { body });
  }

  /** The events of a watch, until the signal aborts or the server ends it. */
  async *watch(path: string, signal: AbortSignal, accept?: string): AsyncGenerator<JsonObject> {
    const incoming = await this.#send("GET", path, accept === undefined ? {} : { accept });
    const lines = createInterface({ input: incoming });
    const end = (): void => {
      lines.close();
      incoming.destroy();
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end);
    try {
      for await (const line of lines) yield object(parseJson(line));
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      end();
    }
  }

  #send(
    method: string,
    path: string,
    { body, contentType, accept, token, headers: more }: CallOptions,
  ): Promise<IncomingMessage> {
    const bearer = token ?? this.#token;
    const sent = body === undefined ? "" : typeof body === "string" ? body : JSON.stringify(body);
    const headers = {
      ...more,
      accept: accept ?? "application/json",
      "content-type": contentType ?? "application/json",
      "content-length": Buffer.byteLength(sent),
      ...(bearer === "" ? {} : { authorization: `Bearer ${bearer}` }),
    };
    const credentials = token === undefined ? this.#credentials : { ca: this.#credentials.ca };
    return new Promise((settle, reject) => {
      const outgoing = request(`${this.#server}${path}`, { method, headers, agent: false, ...credentials }, settle);
      outgoing.once("error", reject);
      outgoing.end(sent);
    });
  }
}

/** Waits until a condition holds; fails with what is said of it after a minute: milliseconds where the machine has time. */
export async function eventually<T>(what: string, find: () => Promise<T | undefined> | T | undefined): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`not within a minute: ${what}`);
    await new Promise((settle) => setTimeout(settle, 10));
  }
}
