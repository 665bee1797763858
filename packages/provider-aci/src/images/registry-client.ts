// Asks a registry, by the OCI distribution protocol, what an image runs. Reads alone, over TLS alone.
import { type ImageCredential, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type HttpAnswer, Https, type HttpsOptions } from "@virtual-kubelet/virtual-kubelet/cloud";
import { checkDigest, type ImageProcess, imageProcess, manifestNext, manifestTypes } from "./image-answer.ts";
import type { ImageSource } from "./image-source.ts";
import { authorizationFor, challengeOf, refreshTokenFor } from "./registry-login.ts";

/** No manifest, and no configuration, is larger. */
const longestAnswer = 4 * 2 ** 20;
const callTimeoutMs = 20_000;
const mostRedirects = 5;
/** Configurations whose processes are remembered: what a digest names does not change. */
const mostKnown = 500;

export class RegistryClient implements AsyncDisposable {
  readonly #https: Https;
  /** By digest of the configuration. */
  readonly #known = new Map<string, ImageProcess>();

  constructor(options: Pick<HttpsOptions, "ca" | "env">) {
    this.#https = new Https({ ...options, longestBody: longestAnswer });
  }

  /**
   * Credentials are tried in their order, then none. Throws Unavailable, its reason a kubelet's: ErrImagePull (there is none such, or not
   * for us), RegistryUnavailable.
   */
  async process(
    source: ImageSource,
    credentials: readonly ImageCredential[],
    operatingSystem: string,
    signal: AbortSignal,
  ): Promise<ImageProcess> {
    const reader = new Reader(this.#https, source, credentials, signal);
    const isDigest = source.reference.includes(":");
    let text = await reader.manifest(source.reference);
    if (isDigest) checkDigest(text, source.reference);
    let next = manifestNext(text, operatingSystem);
    if ("manifest" in next) {
      text = await reader.manifest(next.manifest);
      checkDigest(text, next.manifest);
      next = manifestNext(text, operatingSystem);
    }
    if ("manifest" in next)
      throw new VirtualKubeletError("Unavailable", "an index of indexes", { reason: "ErrImagePull" });
    const known = this.#known.get(next.configuration);
    if (known !== undefined) return known;
    const blob = await reader.blob(next.configuration);
    checkDigest(blob, next.configuration);
    const process = imageProcess(blob);
    if (this.#known.size >= mostKnown) this.#known.delete(this.#known.keys().next().value ?? "");
    this.#known.set(next.configuration, process);
    return process;
  }

  /** What a token of the vendor's directory is worth at a registry of the vendor. */
  async asIdentity({ url }: ImageSource, token: string, signal: AbortSignal): Promise<ImageCredential> {
    const identityToken = await refreshTokenFor(this.#https, url, token, signal);
    return { registry: new URL(url).host, username: "", password: "", identityToken };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#https[Symbol.asyncDispose]();
  }
}

/** One image, as the first whom the registry lets read it. */
class Reader {
  readonly #https: Https;
  readonly #source: ImageSource;
  readonly #untried: (ImageCredential | undefined)[];
  readonly #signal: AbortSignal;
  #authorization: string | undefined;

  constructor(https: Https, source: ImageSource, credentials: readonly ImageCredential[], signal: AbortSignal) {
    this.#https = https;
    this.#source = source;
    this.#untried = [...credentials, undefined];
    this.#signal = signal;
  }

  manifest(reference: string): Promise<string> {
    return this.#read(`manifests/${encodeURIComponent(reference).replaceAll("%3A", ":")}`, { accept: manifestTypes });
  }

  blob(digest: string): Promise<string> {
    return this.#read(`blobs/${digest}`, {});
  }

  async #read(what: string, headers: Readonly<Record<string, string>>): Promise<string> {
    const { url, repository } = this.#source;
    const target = `${url}/v2/${repository}/${what}`;
    for (;;) {
      const answer = await this.#followed(target, headers);
      if (answer.status === 200) return answer.text;
      const challenge = answer.status === 401 ? challengeOf(answer.headers["www-authenticate"]) : undefined;
      if (challenge === undefined || this.#untried.length === 0) throw refusal(answer);
      const credential = this.#untried.shift();
      const authorization = await authorizationFor(this.#https, challenge, repository, credential, this.#signal);
      // Who is let in is not known before the registry is asked again.
      if (authorization !== undefined) this.#authorization = authorization;
      else if (this.#untried.length === 0) throw refusal(answer);
    }
  }

  /** To where the registry keeps blobs, without the credentials. */
  async #followed(target: string, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> {
    let url = target;
    for (let redirects = 0; ; redirects += 1) {
      const isOwn = new URL(url).origin === new URL(target).origin;
      const authorization = isOwn && this.#authorization !== undefined ? { authorization: this.#authorization } : {};
      const answer = await this.#call(url, { ...headers, ...authorization });
      const { location } = answer.headers;
      if (![301, 302, 303, 307, 308].includes(answer.status) || typeof location !== "string") return answer;
      const next = URL.parse(location, url);
      if (redirects >= mostRedirects || next?.protocol !== "https:") return answer;
      url = next.href;
    }
  }

  async #call(url: string, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> {
    try {
      return await this.#https.call({ method: "GET", url, headers, signal: this.#signal, timeoutMs: callTimeoutMs });
    } catch (cause) {
      const error = VirtualKubeletError.from(cause);
      if (error.kind !== "Unavailable") throw error;
      throw new VirtualKubeletError("Unavailable", error.message, { reason: "RegistryUnavailable", cause });
    }
  }
}

function refusal({ status }: HttpAnswer): VirtualKubeletError {
  const said: Readonly<Record<number, string>> = {
    401: "unauthorized: authentication required",
    403: "denied: requested access to the resource is denied",
    404: "manifest unknown",
    429: "too many requests",
  };
  const reason = status === 429 || status >= 500 ? "RegistryUnavailable" : "ErrImagePull";
  return new VirtualKubeletError("Unavailable", said[status] ?? `the registry answers ${status}`, {
    ...{ httpStatus: status, reason },
  });
}
