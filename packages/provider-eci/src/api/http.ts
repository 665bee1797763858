// POSTs to the API and nothing else: proxies by the environment, an authority of one's own, bodies to a bound, failures in our kinds.
import { getCACertificates } from "node:tls";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { Agent, type Dispatcher, EnvHttpProxyAgent, request } from "undici";

export interface HttpAnswer {
  readonly status: number;
  readonly retryAfter?: string | undefined;
  readonly text: string;
}

export interface HttpOptions {
  /** `https://host`, or `http://` of this machine. */
  readonly endpoint: string;
  /** PEM; beside the system's. */
  readonly ca?: string | undefined;
  /** HTTPS_PROXY and NO_PROXY count; this machine itself needs no proxy. */
  readonly env: NodeJS.ProcessEnv;
}

const longestBody = 64 * 2 ** 20;
const timeoutMs = 60_000;

export class Http implements AsyncDisposable {
  readonly #url: string;
  readonly #dispatcher: Dispatcher;

  constructor({ endpoint, ca, env }: HttpOptions) {
    this.#url = `${endpoint}/`;
    const trusted = ca === undefined ? {} : { ca: [...getCACertificates("default"), ca] };
    const connect = { timeout: 10_000, ...trusted };
    const common = { connections: 16, keepAliveTimeout: 30_000, maxResponseSize: longestBody, connect };
    const proxy = proxyOf(env);
    this.#dispatcher =
      proxy === undefined
        ? new Agent(common)
        : new EnvHttpProxyAgent({
            ...common,
            requestTls: connect,
            ...{ httpsProxy: proxy.HTTPS_PROXY, httpProxy: proxy.HTTPS_PROXY, noProxy: proxy.NO_PROXY },
          });
  }

  /** Any answer resolves; throws Unavailable when there is none, Aborted when the signal ended it. */
  async post(headers: Readonly<Record<string, string>>, body: string, signal: AbortSignal): Promise<HttpAnswer> {
    try {
      const answer = await request(this.#url, {
        ...{ method: "POST", headers: { ...headers }, body, dispatcher: this.#dispatcher },
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      const { "retry-after": retryAfter } = answer.headers;
      return {
        status: answer.statusCode,
        ...(typeof retryAfter === "string" && { retryAfter }),
        text: await answer.body.text(),
      };
    } catch (cause) {
      const where = `${headers["x-acs-action"]} at ${new URL(this.#url).host}`;
      if (signal.aborted) throw new VirtualKubeletError("Aborted", `${where}: aborted`, { cause });
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
