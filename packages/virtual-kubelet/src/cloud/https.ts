// HTTP calls to the API of a cloud: proxies by the environment, authorities of one's own, bodies to a bound, failures in our kinds.
import { getCACertificates } from "node:tls";
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import { VirtualKubeletError } from "../errors.ts";

export interface HttpCall {
  readonly method: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string | undefined;
  /** What failures call it; default its method and its URL without the query. */
  readonly what?: string | undefined;
  readonly signal: AbortSignal;
  /** Default 60 s. */
  readonly timeoutMs?: number | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
}

export interface HttpsOptions {
  /** PEM; beside the system's. Default: those alone. */
  readonly ca?: string | undefined;
  /** HTTPS_PROXY and NO_PROXY count; default none: calls go straight. This machine itself needs no proxy. */
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Bytes; a longer answer is none. Default 64 MiB. */
  readonly longestBody?: number | undefined;
}

const usualLongestBody = 64 * 2 ** 20;

export class Https implements AsyncDisposable {
  readonly #dispatcher: Dispatcher;

  constructor(options: HttpsOptions = {}) {
    const ca = options.ca === undefined ? {} : { ca: [...getCACertificates("default"), options.ca] };
    const connect = { timeout: 10_000, ...ca };
    const common = {
      connections: 16,
      keepAliveTimeout: 30_000,
      maxResponseSize: options.longestBody ?? usualLongestBody,
    };
    const proxy = proxyOf(options.env ?? {});
    this.#dispatcher =
      proxy === undefined
        ? new Agent({ ...common, connect })
        : new EnvHttpProxyAgent({
            ...common,
            connect,
            requestTls: connect,
            httpsProxy: proxy.HTTPS_PROXY,
            httpProxy: proxy.HTTPS_PROXY,
            noProxy: proxy.NO_PROXY,
          });
  }

  /** Any answer resolves; throws Unavailable when there is none, Aborted when the signal ended it. */
  async call(call: HttpCall): Promise<HttpAnswer> {
    const end = AbortSignal.any([call.signal, AbortSignal.timeout(call.timeoutMs ?? 60_000)]);
    try {
      const answer = await request(call.url, {
        method: call.method,
        headers: { ...call.headers },
        body: call.body ?? null,
        signal: end,
        dispatcher: this.#dispatcher,
      });
      return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
    } catch (cause) {
      const { host, pathname } = new URL(call.url);
      const where = call.what ?? `${call.method} ${host}${pathname}`;
      if (call.signal.aborted) throw new VirtualKubeletError("Aborted", `${where}: aborted`, { cause });
      throw new VirtualKubeletError("Unavailable", `${where}: no answer`, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }
}

/** Which proxy to go through, and to whom without; undefined: to nobody. */
export function proxyOf(
  env: NodeJS.ProcessEnv,
): { readonly HTTPS_PROXY: string; readonly NO_PROXY: string } | undefined {
  const proxy = variable(env, "HTTPS_PROXY");
  if (proxy === undefined) return undefined;
  const exempt = [variable(env, "NO_PROXY") ?? "", "localhost", "127.0.0.1", "::1"];
  return { HTTPS_PROXY: proxy, NO_PROXY: exempt.filter((each) => each !== "").join(",") };
}

function variable(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const value = (env[name] ?? env[name.toLowerCase()])?.trim();
  return value === "" ? undefined : value;
}

/** What a cloud says of a failure, without what was sent to it in confidence. Pure. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  // Short ones would blot out half of any text, and are no secrets.
  return secrets.filter((secret) => secret.length > 3).reduce((rest, secret) => rest.replaceAll(secret, "***"), text);
}

/** Undefined for plain text, of a proxy or a gateway in between. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
