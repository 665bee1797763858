// HTTP calls of Nomad's API: address, region, namespace, token and TLS in one place, answers that are no success as errors of ours.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CallContext, errorText, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { Agent, type Dispatcher, request } from "undici";

export interface NomadAddress {
  /** http or https. */
  readonly address: string;
  /** "": the agent's own. */
  readonly region: string;
  readonly namespace: string;
  /** Asked before each call, so that it may be renewed; "": none. */
  readonly token: () => Promise<string>;
  /** `user:password` of a proxy before the API; "": none. */
  readonly basicAuth: string;
  readonly tls: NomadTls;
}

/** Paths of PEM files; "": none. */
export interface NomadTls {
  readonly caFile: string;
  /** Of a directory, all of its files. */
  readonly caPath: string;
  readonly certFile: string;
  readonly keyFile: string;
  readonly serverName: string;
  readonly skipVerify: boolean;
}

/** What of TLS a socket is made with. */
export interface TlsOptions {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized: boolean;
}

export type Query = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface HttpCall {
  readonly method: "GET" | "PUT" | "DELETE";
  /** Below /v1/, its parts escaped. */
  readonly path: string;
  readonly query?: Query | undefined;
  readonly body?: unknown;
  /** Milliseconds without a byte of an answer; 0: for ever. Default 60 s. */
  readonly timeoutMs?: number | undefined;
}

export interface HttpAnswer {
  /** Parsed JSON; undefined: the answer was empty. */
  readonly value: unknown;
  /** X-Nomad-Index; 0: there was none. */
  readonly index: number;
  /** X-Nomad-Nexttoken; "": it was the last page. */
  readonly nextToken: string;
}

/** More is no answer of Nomad. */
const longestBody = 256 * 2 ** 20;
const longestError = 2000;

export class NomadHttp implements AsyncDisposable {
  readonly #address: NomadAddress;
  #dispatcher: Promise<Dispatcher> | undefined;
  /** Of earlier files: calls under way end in peace. */
  readonly #left = new Set<Promise<Dispatcher>>();

  constructor(address: NomadAddress) {
    this.#address = address;
  }

  async call(call: HttpCall, context: CallContext): Promise<HttpAnswer> {
    const answer = await this.#answer(call, context);
    const what = `${call.method} ${call.path}`;
    let text: string;
    try {
      text = await answer.body.text();
    } catch (cause) {
      throw failed(cause, what, context.signal);
    }
    if (answer.statusCode >= 300) throw nomadError(answer.statusCode, text, what, header(answer, "retry-after"));
    return {
      value: text.trim() === "" ? undefined : parsed(text, what),
      index: Number(header(answer, "x-nomad-index")) || 0,
      nextToken: header(answer, "x-nomad-nexttoken"),
    };
  }

  /** Chunks as they come. */
  async *stream(call: HttpCall, context: CallContext): AsyncGenerator<Uint8Array> {
    const answer = await this.#answer({ timeoutMs: 0, ...call }, context);
    const what = `${call.method} ${call.path}`;
    if (answer.statusCode >= 300) {
      const text = await answer.body.text();
      throw nomadError(answer.statusCode, text, what, header(answer, "retry-after"));
    }
    try {
      for await (const chunk of answer.body) if (chunk instanceof Uint8Array) yield chunk;
    } catch (cause) {
      throw failed(cause, what, context.signal);
    } finally {
      answer.body.destroy();
    }
  }

  /** For a websocket: its address, headers and TLS. */
  async socket(
    path: string,
    query: Query,
  ): Promise<{ readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly tls: TlsOptions }> {
    const url = this.#url(path, query).replace(/^http/, "ws");
    return { url, headers: await this.#headers(), tls: await tlsOptions(this.#address.tls) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [this.#dispatcher, ...this.#left]) await (await each)?.destroy();
  }

  /** Certificates may have been renewed: the next call reads them anew. */
  #leave(failed: Promise<Dispatcher>): void {
    if (this.#dispatcher !== failed || !this.#address.address.startsWith("https:")) return;
    this.#dispatcher = undefined;
    this.#left.add(failed);
    failed
      .then((dispatcher) => dispatcher.close())
      .finally(() => this.#left.delete(failed))
      // It had failed already, or was destroyed meanwhile.
      .catch(() => {});
  }

  async #answer(call: HttpCall, { signal }: CallContext): Promise<Dispatcher.ResponseData> {
    const { method, path, query = {}, body, timeoutMs = 60_000 } = call;
    const what = `${method} ${path}`;
    // One that could not be made is made anew: its files may be there later.
    this.#dispatcher ??= this.#connect().catch((error: unknown) => {
      this.#dispatcher = undefined;
      throw error;
    });
    const dispatcher = this.#dispatcher;
    try {
      return await request(this.#url(path, query), {
        method,
        signal,
        dispatcher: await dispatcher,
        headers: { ...(await this.#headers()), ...(body !== undefined && { "content-type": "application/json" }) },
        body: body === undefined ? null : JSON.stringify(body),
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
      });
    } catch (cause) {
      if (cause instanceof VirtualKubeletError) throw cause;
      if (!signal.aborted) this.#leave(dispatcher);
      throw failed(cause, what, signal);
    }
  }

  async #connect(): Promise<Dispatcher> {
    const connect = { timeout: 10_000, ...(await tlsOptions(this.#address.tls)) };
    return new Agent({ connect, keepAliveTimeout: 30_000, maxResponseSize: -1, connections: 64 });
  }

  #url(path: string, query: Query): string {
    const { address, region, namespace } = this.#address;
    const url = new URL(`${address.replace(/\/+$/, "")}/v1/${path}`);
    for (const [name, value] of Object.entries({ region, namespace, ...query }))
      for (const each of typeof value === "string" ? [value] : (value ?? []))
        if (each !== "") url.searchParams.append(name, each);
    return url.href;
  }

  async #headers(): Promise<Readonly<Record<string, string>>> {
    const { basicAuth } = this.#address;
    const token = await this.#address.token();
    return {
      "user-agent": "virtual-kubelet",
      ...(token !== "" && { "x-nomad-token": token }),
      ...(basicAuth !== "" && { authorization: `Basic ${Buffer.from(basicAuth).toString("base64")}` }),
    };
  }
}

async function tlsOptions(tls: NomadTls): Promise<TlsOptions> {
  const { certFile, keyFile, serverName, skipVerify } = tls;
  const ca = await authorities(tls);
  return {
    ...(ca.length > 0 && { ca }),
    ...(certFile !== "" && { cert: await pem(certFile, "tls.certFile") }),
    ...(keyFile !== "" && { key: await pem(keyFile, "tls.keyFile") }),
    ...(serverName !== "" && { servername: serverName }),
    rejectUnauthorized: !skipVerify,
  };
}

async function authorities({ caFile, caPath }: NomadTls): Promise<string[]> {
  const all = caFile === "" ? [] : [await pem(caFile, "tls.caFile")];
  if (caPath === "") return all;
  let names: readonly string[];
  try {
    names = await readdir(caPath);
  } catch (cause) {
    const message = `tls.caPath: cannot read ${caPath}: ${errorText(cause)}`;
    throw new VirtualKubeletError("Unavailable", message, { cause, field: "tls.caPath" });
  }
  const files = names.filter((name) => /\.(pem|crt|cer)$/.test(name)).sort();
  return [...all, ...(await Promise.all(files.map((name) => pem(join(caPath, name), "tls.caPath"))))];
}

async function pem(path: string, field: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new VirtualKubeletError("Unavailable", `${field}: cannot read ${path}: ${errorText(cause)}`, {
      cause,
      field,
    });
  }
}

function header({ headers }: Dispatcher.ResponseData, name: string): string {
  const value = headers[name];
  return typeof value === "string" ? value : "";
}

function parsed(text: string, what: string): unknown {
  if (text.length > longestBody) throw new VirtualKubeletError("Unavailable", `${what}: the answer is too long`);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new VirtualKubeletError("Unavailable", `${what}: the answer is no JSON`, { cause });
  }
}

function failed(cause: unknown, what: string, signal: AbortSignal): VirtualKubeletError {
  if (signal.aborted) return new VirtualKubeletError("Aborted", `${what}: aborted`, { cause });
  return new VirtualKubeletError("Unavailable", `${what}: ${errorText(cause)}`, { cause });
}

/** What an answer that is no success means. Nomad answers many a bad request with 500. */
export function nomadError(status: number, text: string, what: string, retryAfter = ""): VirtualKubeletError {
  const said = text.trim().slice(0, longestError).replaceAll(/\s+/g, " ");
  const retryAfterMs = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : undefined;
  return new VirtualKubeletError(kindOf(status, said), `${what}: HTTP ${status}: ${said === "" ? "no words" : said}`, {
    ...{ httpStatus: status, retryAfterMs },
  });
}

function kindOf(status: number, said: string): VirtualKubeletError["kind"] {
  if (status === 401 || (status === 403 && /token (not found|expired)/i.test(said))) return "Unauthorized";
  if (status === 403) return "Forbidden";
  // A server of another kind at this address, or a proxy, knows nothing of what is there.
  if (status === 404) return isOfNomad(said) ? "NotFound" : "Unavailable";
  if (status >= 500 && /unknown (allocation|task)|no such (allocation|task)/i.test(said)) return "NotFound";
  if (status === 409 || /enforcing job modify index|cas error/i.test(said)) return "Conflict";
  if (status === 429) return "Throttled";
  if (/quota/i.test(said)) return "Quota";
  if (status === 400 || status === 413 || status === 422) return "Invalid";
  // A server checks a job and answers 500 with what is wrong with it.
  return /validation failed|error parsing/i.test(said) ? "Invalid" : "Unavailable";
}

function isOfNomad(said: string): boolean {
  return /not found|unknown|no such|not started/i.test(said) && !/page not found|</.test(said);
}
