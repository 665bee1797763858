// Tokens that are kept until shortly before they expire, whoever gives them.
import { type Clock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

export interface AccessToken {
  readonly token: string;
  /** Epoch milliseconds. */
  readonly expiresAt: number;
  /** When another one should be asked for, where the giver says so. */
  readonly refreshAt?: number | undefined;
}

/** Who gives tokens. */
export interface TokenSource {
  /** For messages: "client secret", "managed identity (IMDS)" ... */
  readonly kind: string;
  /**
   * A new token. Throws Unauthorized when the giver refuses these credentials, Unavailable when it cannot be reached, Unsupported
   * when this machine has no such giver.
   */
  fetch(audience: string, signal: AbortSignal): Promise<AccessToken>;
}

const early = 5 * 60_000;
const shared = 60_000;

/** One token for one audience: all who ask while one is fetched wait for the same. */
export class KeptToken {
  readonly #source: TokenSource;
  readonly #audience: string;
  readonly #clock: Clock;
  #kept: AccessToken | undefined;
  #fetching: Promise<AccessToken> | undefined;

  constructor(source: TokenSource, audience: string, clock: Clock) {
    this.#source = source;
    this.#audience = audience;
    this.#clock = clock;
  }

  /** Throws what the source does, Aborted when the signal ends it first. A token that is still good outlives a giver that is away. */
  async get(signal: AbortSignal): Promise<string> {
    const now = this.#clock.now();
    const kept = this.#kept;
    if (kept !== undefined && now < (kept.refreshAt ?? kept.expiresAt - early)) return kept.token;
    try {
      return (await this.#waited(signal)).token;
    } catch (error) {
      if (kept !== undefined && !signal.aborted && this.#kept === kept && now < kept.expiresAt - 10_000)
        return kept.token;
      throw error;
    }
  }

  /** The other side refused this token: the next call fetches another, unless that has happened already. */
  refused(token: string): void {
    if (this.#kept?.token === token) this.#kept = undefined;
  }

  async #waited(signal: AbortSignal): Promise<AccessToken> {
    // With a time of its own: whoever asked first may go away while others wait.
    this.#fetching ??= this.#source
      .fetch(this.#audience, AbortSignal.timeout(shared))
      .then((token) => {
        this.#kept = token;
        return token;
      })
      .finally(() => {
        this.#fetching = undefined;
      });
    const { promise, reject } = Promise.withResolvers<never>();
    const aborted = (): void => reject(new VirtualKubeletError("Aborted", "waiting for a token was aborted"));
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    try {
      return await Promise.race([this.#fetching, promise]);
    } finally {
      signal.removeEventListener("abort", aborted);
    }
  }
}

/** The first of them that this machine has; the one that gave a token stays. */
export function firstOf(sources: readonly TokenSource[]): TokenSource {
  let chosen: TokenSource | undefined;
  return {
    kind: sources.map((source) => source.kind).join(", or "),
    async fetch(audience, signal) {
      if (chosen !== undefined) return chosen.fetch(audience, signal);
      const reasons: string[] = [];
      for (const source of sources) {
        try {
          const token = await source.fetch(audience, signal);
          chosen = source;
          return token;
        } catch (error) {
          const known = VirtualKubeletError.from(error);
          // Credentials that are there and do not hold are a fault to tell, not to pass over.
          if (known.kind !== "Unsupported") throw known;
          reasons.push(`${source.kind}: ${known.message}`);
        }
      }
      throw new VirtualKubeletError("Unauthorized", `no credentials were found: ${reasons.join("; ")}`);
    },
  };
}
