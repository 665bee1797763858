// Tokens of pods' ServiceAccounts: asked for once by each pod and audience, bound to the pod, renewed before they are old.
import { type Clock, jitter } from "../clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { serviceAccounts } from "../kube/resource.ts";
import type { TokenRequest } from "../kube/types.gen.ts";
import { WorkQueue } from "../kube/work-queue.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { patienceMs, quiet } from "./object-cache.ts";
import type { TokenSource, View } from "./sources.ts";

export interface ServiceAccountTokensOptions {
  readonly client: KubeClient;
  /** The pod has a first token, a new one, or waits for its first one in vain. */
  readonly onChange: (uid: string) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly metrics: Metrics;
}

interface Entry {
  readonly source: TokenSource;
  readonly since: number;
  token: string | undefined;
  /** Epoch ms by our own clock, from when it was asked for: the server's may differ. */
  expiresAt: number;
  failure: string | undefined;
}

/** Renewed at this part of its life, or after a day, a little earlier at random. */
const share = 0.8;
const longestMs = 24 * 3_600_000;
const spreadMs = 10_000;
/** A refusal right after the binding is tried again after so long. */
const refusedMs = 500;

export class ServiceAccountTokens {
  readonly #options: ServiceAccountTokensOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #queue: WorkQueue;

  constructor(options: ServiceAccountTokensOptions) {
    this.#options = options;
    const { clock, random, metrics } = options;
    this.#queue = new WorkQueue({
      name: "tokens",
      workers: 16,
      process: (key, signal) => this.#request(key, signal),
      backoff: { baseMs: 1000, maxMs: 60_000 },
      clock,
      random,
      log: quiet(options.log),
      metrics,
    });
  }

  get size(): number {
    return this.#entries.size;
  }

  /** For `release`; each is one pod's own. */
  key({ podUid, audience, expirationSeconds }: TokenSource): string {
    return `${podUid}/${expirationSeconds}/${audience ?? ""}`;
  }

  /** The token as it is now; the pod is told of the first one and of new ones until it lets go of it. */
  hold(source: TokenSource): View<string> {
    const key = this.key(source);
    const now = this.#options.clock.now();
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { source, since: now, token: undefined, expiresAt: 0, failure: undefined };
      this.#entries.set(key, entry);
      this.#queue.add(key);
    }
    if (entry.token !== undefined && now < entry.expiresAt) return { state: "found", value: entry.token };
    if (entry.failure === undefined || now - entry.since < patienceMs) return { state: "pending" };
    return { state: "unreadable", message: entry.failure };
  }

  release(key: string): void {
    if (this.#entries.delete(key)) this.#queue.forget(key);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#queue.run(signal, { drainMs: 0 });
  }

  async #request(key: string, signal: AbortSignal): Promise<{ readonly requeueAfterMs: number } | undefined> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const { clock, random, onChange } = this.#options;
    const { podUid } = entry.source;
    const begun = clock.now();
    try {
      const { token, lifeMs } = await this.#ask(entry.source, signal);
      if (this.#entries.get(key) !== entry) return undefined;
      entry.token = token;
      entry.expiresAt = begun + lifeMs;
      entry.failure = undefined;
      onChange(podUid);
      const renewAfterMs = Math.min(lifeMs * share, longestMs) - Math.min(spreadMs, lifeMs / 60) * random();
      return { requeueAfterMs: Math.max(1000, renewAfterMs) };
    } catch (error) {
      if (this.#entries.get(key) !== entry || isErrorKind(error, "Aborted")) return undefined;
      entry.failure = errorText(error);
      const late = clock.now() - entry.since >= patienceMs;
      if (!late) return { requeueAfterMs: jitter(refusedMs, 0.5, false, random) };
      if (entry.token === undefined || clock.now() >= entry.expiresAt) onChange(podUid);
      throw error;
    }
  }

  async #ask(source: TokenSource, signal: AbortSignal): Promise<{ readonly token: string; readonly lifeMs: number }> {
    const { namespace, serviceAccount, podName, podUid, audience, expirationSeconds } = source;
    const request: TokenRequest = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: {
        audiences: audience === undefined ? [] : [audience],
        expirationSeconds,
        boundObjectRef: { apiVersion: "v1", kind: "Pod", name: podName, uid: podUid },
      },
    };
    const ref = { namespace, name: serviceAccount };
    const answer = await this.#options.client.createSubresource<TokenRequest>(serviceAccounts, ref, "token", request, {
      signal,
    });
    const token: unknown = answer.status?.token;
    const seconds: unknown = answer.spec?.expirationSeconds;
    if (typeof token !== "string" || token === "")
      throw new VirtualKubeletError("Unavailable", "the API server's answer has no token");
    const lifeMs = (typeof seconds === "number" && seconds > 0 ? seconds : expirationSeconds) * 1000;
    return { token, lifeMs };
  }
}
