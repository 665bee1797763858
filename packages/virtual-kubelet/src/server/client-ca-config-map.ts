// The authorities of client certificates as the cluster tells them: the API server writes its own client CA into a ConfigMap
// for those who authenticate its users too.
import { type Clock, pause, systemClock } from "../clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import { Informer } from "../kube/informer.ts";
import { configMaps, type Stored } from "../kube/resource.ts";
import type { ConfigMap } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import { bundleFault } from "./ca-bundle.ts";
import type { Renewed } from "./certificate-source.ts";
import { RenewedValue } from "./renewed-value.ts";

export interface ClientCaConfigMapOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  readonly random?: (() => number) | undefined;
}

const namespace = "kube-system";
const name = "extension-apiserver-authentication";
const key = "client-ca-file";
const forbiddenRetryMs = 300_000;
const retryMs = 10_000;
const remedy = `set --client-ca-file, or bind the Role ${name}-reader in ${namespace} to this user`;

/**
 * `client-ca-file` of the ConfigMap kube-system/extension-apiserver-authentication. There is none while that may not be
 * read or says none: client certificates are refused then, and tokens are not.
 */
export class ClientCaConfigMap implements Renewed<string> {
  readonly #options: ClientCaConfigMapOptions;
  readonly #clock: Clock;
  readonly #value = new RenewedValue<string>(`ConfigMap ${namespace}/${name} was not read yet`);

  constructor(options: ClientCaConfigMapOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  current(): string {
    return this.#value.current();
  }

  subscribe(changed: () => void): () => void {
    return this.#value.subscribe(changed);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    let told = "";
    while (!signal.aborted) {
      let delayMs = retryMs;
      try {
        this.#take(await client.get(configMaps, { namespace, name }, { signal }));
        return await this.#follow(signal);
      } catch (thrown) {
        if (signal.aborted) return;
        const error = VirtualKubeletError.from(thrown);
        if (error.kind === "NotFound") {
          this.#none(`there is no ConfigMap ${namespace}/${name}`);
          return await this.#follow(signal);
        }
        const forbidden = isErrorKind(error, "Forbidden");
        if (forbidden) delayMs = forbiddenRetryMs;
        this.#value.clear(`ConfigMap ${namespace}/${name} cannot be read: ${errorText(error)}`);
        const text = forbidden
          ? `client certificates are not accepted: no client CA is known: ${remedy}`
          : "client certificates are not accepted until the client CA could be read";
        if (told !== error.kind) log.warn({ err: errorText(error) }, text);
        told = error.kind;
      }
      await pause(this.#clock, delayMs, signal);
    }
  }

  /** A watch of the one object, for ever. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { client, log, random } = this.#options;
    const informer = new Informer({
      client,
      resource: configMaps,
      namespace,
      fieldSelector: `metadata.name=${name}`,
      onChange: ({ type, object }) =>
        type === "deleted" ? this.#none(`ConfigMap ${namespace}/${name} was deleted`) : this.#take(object),
      log,
      clock: this.#clock,
      ...(random === undefined ? {} : { random }),
    });
    await informer.run(signal);
  }

  #take({ data }: Stored<ConfigMap>): void {
    const text = data?.[key] ?? "";
    if (text === "") {
      this.#none(`ConfigMap ${namespace}/${name} has no ${key}: the API server takes no client certificates`);
      return;
    }
    const fault = bundleFault(text);
    if (fault !== undefined) {
      // Nothing that worked is given up for something that cannot.
      this.#options.log.warn({}, `${key} of ConfigMap ${namespace}/${name} ${fault}`);
      return;
    }
    if (text === this.#value.value) return;
    this.#options.log.info(
      {},
      this.#value.value === undefined ? "client CA read from the cluster" : "client CA replaced",
    );
    this.#value.set(text);
  }

  #none(why: string): void {
    this.#value.clear(why);
    this.#options.log.warn({ reason: why }, "client certificates are not accepted");
  }
}
