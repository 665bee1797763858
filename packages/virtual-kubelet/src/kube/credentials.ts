// Who we are to the API server: one source of request headers and TLS material out of a ClusterConfig, renewed as its files,
// tokens and plugins move on.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import { type Logger, silentLogger } from "../log.ts";
import type { ClusterConfig, Impersonation, Material, TlsMaterial, UserConfig } from "./cluster-config.ts";
import { lookEveryMs, WatchedFile } from "./credential-files.ts";
import { ExecPlugin } from "./exec-credential.ts";
import type { HttpHeaders } from "./transport.ts";

/** What one request is made with. The same object for as long as nothing changed. */
export interface Credential {
  readonly headers: HttpHeaders;
  readonly tls: TlsMaterial;
}

export interface Credentials {
  /** No promise, as long as nothing can have changed: most of the time. */
  current(): Credential | Promise<Credential>;
  /**
   * The server answered 401 to this credential. Reads everything anew, once for all callers that were refused with it;
   * true when there is another credential to try.
   */
  refused(credential: Credential): Promise<boolean>;
}

/** A text given in place or in a file, as a function that reads its newest form, and another that distrusts it. */
interface Source {
  readonly read: () => Promise<string>;
  readonly forget: () => void;
}

function sourceOf(material: Material, clock: Clock, log: Logger): Source {
  if ("data" in material) return { read: () => Promise.resolve(material.data), forget: () => {} };
  const file = new WatchedFile(material.file, clock, log);
  return { read: () => file.read(), forget: () => file.forget() };
}

/** As client-go escapes keys of extra fields for header names: everything but token characters, and the percent sign. */
export function escapeExtraKey(key: string): string {
  let escaped = "";
  for (const byte of Buffer.from(key.toLowerCase(), "utf8")) {
    const char = String.fromCharCode(byte);
    escaped += /[!#$&'*+\-.^_`|~0-9a-z]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return escaped;
}

export function impersonationHeaders(as: Impersonation): HttpHeaders {
  const headers: Record<string, string | readonly string[]> = { "impersonate-user": as.user };
  if (as.uid !== undefined) headers["impersonate-uid"] = as.uid;
  if (as.groups.length > 0) headers["impersonate-group"] = as.groups;
  for (const [key, values] of Object.entries(as.extra)) headers[`impersonate-extra-${escapeExtraKey(key)}`] = values;
  return headers;
}

/** Do certificate and key belong together? Between the writes of two files they do not. */
function isPair(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    // Half-written: not yet a pair.
    return false;
  }
}

export class ClusterCredentials implements Credentials {
  readonly #config: ClusterConfig;
  readonly #user: UserConfig;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #fixedHeaders: HttpHeaders;
  readonly #authority: Source | undefined;
  readonly #certificate: Source | undefined;
  readonly #key: Source | undefined;
  readonly #tokenFile: Source | undefined;
  readonly #hasFiles: boolean;
  readonly #plugin: ExecPlugin | undefined;
  #credential: Credential | undefined;
  #goodUntil = Number.NEGATIVE_INFINITY;
  #looking: Promise<Credential> | undefined;
  #renewing: Promise<boolean> | undefined;

  constructor(
    config: ClusterConfig,
    options: { readonly clock?: Clock | undefined; readonly log?: Logger | undefined } = {},
  ) {
    const clock = options.clock ?? systemClock;
    const log = options.log ?? silentLogger;
    const user = config.user;
    this.#config = config;
    this.#user = user;
    this.#clock = clock;
    this.#log = log;
    this.#fixedHeaders = user.impersonate === undefined ? {} : impersonationHeaders(user.impersonate);
    const optional = (material: Material | undefined): Source | undefined =>
      material === undefined ? undefined : sourceOf(material, clock, log);
    this.#authority = optional(config.certificateAuthority);
    this.#certificate = optional(user.clientCertificate);
    this.#key = optional(user.clientKey);
    this.#tokenFile = optional(user.tokenFile === undefined ? undefined : { file: user.tokenFile });
    this.#hasFiles = [config.certificateAuthority, user.clientCertificate, user.clientKey].some(
      (material) => material !== undefined && "file" in material,
    );
    this.#hasFiles ||= user.tokenFile !== undefined;
    this.#plugin =
      user.exec === undefined
        ? undefined
        : new ExecPlugin(user.exec, {
            clock,
            log,
            cluster: { ...config, readAuthority: async () => this.#authority?.read() },
          });
  }

  current(): Credential | Promise<Credential> {
    if (this.#credential !== undefined && this.#clock.now() < this.#goodUntil) return this.#credential;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(): Promise<Credential> {
    const goodUntil = this.#hasFiles ? this.#clock.now() + lookEveryMs : Number.POSITIVE_INFINITY;
    const plugin = await this.#plugin?.get();
    const [ca, fileCert, fileKey, token] = await Promise.all([
      this.#authority?.read(),
      this.#certificate?.read(),
      this.#key?.read(),
      this.#token(),
    ]);
    const authorization = this.#authorization(token ?? plugin?.token);
    const previous = this.#credential;
    const material: TlsMaterial = {
      ca,
      cert: plugin?.clientCertificate ?? fileCert,
      key: plugin?.clientKey ?? fileKey,
      serverName: this.#config.tlsServerName,
      insecure: this.#config.insecureSkipTlsVerify === true,
    };
    const tls = this.#keepOrTake(previous?.tls, material);
    this.#goodUntil = Math.min(goodUntil, this.#plugin?.goodUntil ?? Number.POSITIVE_INFINITY);
    if (previous !== undefined && previous.tls === tls && previous.headers["authorization"] === authorization)
      return previous;
    const headers = authorization === undefined ? this.#fixedHeaders : { ...this.#fixedHeaders, authorization };
    this.#credential = { headers, tls };
    return this.#credential;
  }

  refused(credential: Credential): Promise<boolean> {
    if (this.#credential !== credential) return Promise.resolve(true);
    this.#renewing ??= this.#renew(credential).finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renew(credential: Credential): Promise<boolean> {
    // A look under way may have read before the refusal; should it fail, the next one says so.
    await this.#looking?.catch(() => {});
    for (const source of [this.#authority, this.#certificate, this.#key, this.#tokenFile]) source?.forget();
    this.#plugin?.forget();
    this.#goodUntil = Number.NEGATIVE_INFINITY;
    return (await this.current()) !== credential;
  }

  async #token(): Promise<string | undefined> {
    if (this.#tokenFile === undefined) return this.#user.token;
    try {
      const token = (await this.#tokenFile.read()).trim();
      if (token !== "") return token;
    } catch (error) {
      if (this.#user.token === undefined) throw error;
      this.#log.warn({ file: this.#user.tokenFile }, "token file cannot be read, using the token given beside it");
    }
    if (this.#user.token !== undefined) return this.#user.token;
    throw new VirtualKubeletError("Unauthorized", `${this.#user.tokenFile ?? "the token file"} is empty`);
  }

  #authorization(token: string | undefined): string | undefined {
    if (token !== undefined) {
      if (!/^[\x21-\x7e]+$/.test(token))
        throw new VirtualKubeletError("Unauthorized", "the token holds characters that no HTTP header may");
      return `Bearer ${token}`;
    }
    const { username, password } = this.#user;
    if (username === undefined) return undefined;
    return `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}`;
  }

  /** The material known so far as long as the new one is the same or half-written. */
  #keepOrTake(known: TlsMaterial | undefined, found: TlsMaterial): TlsMaterial {
    if (known !== undefined && known.ca === found.ca && known.cert === found.cert && known.key === found.key)
      return known;
    if (found.cert === undefined && found.key === undefined) return found;
    if (found.cert !== undefined && found.key !== undefined && isPair(found.cert, found.key)) return found;
    if (known === undefined)
      throw new VirtualKubeletError("Unauthorized", "client certificate and client key do not belong together");
    this.#log.warn({}, "new client certificate and key do not belong together, keeping the old ones");
    return known;
  }
}
