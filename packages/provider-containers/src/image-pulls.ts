// Pulls of images: so many side by side, one of each image at a time, and one for all who ask for it with the same credentials.
import { errorText, type ImageCredential, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { RegistryAuth } from "./engine/engine-client.ts";
import { Slots } from "./engine/slots.ts";

/** What came of it: the credential it was had with, undefined for none. */
export interface Pulled {
  readonly credential: ImageCredential | undefined;
  /** Milliseconds, without those in the queue. */
  readonly pullMs: number;
}

interface SharedPull {
  readonly result: Promise<Pulled>;
  readonly abort: AbortController;
  waiting: number;
}

export interface ImagePullsOptions {
  readonly parallel: number;
  readonly now: () => number;
  /** One try. */
  readonly pull: (image: string, auth: RegistryAuth | undefined, signal: AbortSignal) => Promise<void>;
}

export class ImagePulls {
  readonly #options: ImagePullsOptions;
  readonly #slots: Slots;
  readonly #shared = new Map<string, SharedPull>();
  /** The last pull of each image that is under way or waits. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(options: ImagePullsOptions) {
    this.#options = options;
    this.#slots = new Slots(options.parallel);
  }

  /** Rejects when the signal aborts; the pull itself ends when nobody waits for it any more. */
  async pull(image: string, credentials: readonly ImageCredential[], signal: AbortSignal): Promise<Pulled> {
    signal.throwIfAborted();
    const key = JSON.stringify([image, credentials.map(credentialText)]);
    const shared = this.#shared.get(key) ?? this.#begin(key, image, credentials);
    shared.waiting += 1;
    const { promise: left, reject } = Promise.withResolvers<never>();
    const leave = (): void => reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    try {
      return await Promise.race([shared.result, left]);
    } finally {
      signal.removeEventListener("abort", leave);
      shared.waiting -= 1;
      if (shared.waiting === 0) {
        shared.abort.abort();
        // Whoever comes now begins anew.
        if (this.#shared.get(key) === shared) this.#shared.delete(key);
      }
    }
  }

  #begin(key: string, image: string, credentials: readonly ImageCredential[]): SharedPull {
    const abort = new AbortController();
    const before = this.#last.get(image);
    const result = this.#inTurn(before, image, credentials, abort.signal);
    const shared: SharedPull = { result, abort, waiting: 0 };
    this.#shared.set(key, shared);
    const over = result.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(image, over);
    void over.then(() => {
      if (this.#last.get(image) === over) this.#last.delete(image);
      if (this.#shared.get(key) === shared) this.#shared.delete(key);
    });
    return shared;
  }

  async #inTurn(
    before: Promise<unknown> | undefined,
    image: string,
    credentials: readonly ImageCredential[],
    signal: AbortSignal,
  ): Promise<Pulled> {
    await before;
    return this.#slots.run(signal, async () => {
      const began = this.#options.now();
      const credential = await this.#tryEach(image, credentials, signal);
      return { credential, pullMs: Math.max(0, this.#options.now() - began) };
    });
  }

  /** In order; with none as nobody. What all of them met is told, each text once. */
  async #tryEach(
    image: string,
    credentials: readonly ImageCredential[],
    signal: AbortSignal,
  ): Promise<ImageCredential | undefined> {
    const errors: unknown[] = [];
    for (const credential of credentials.length === 0 ? [undefined] : credentials) {
      try {
        await this.#options.pull(image, credential && authOf(credential), signal);
        return credential;
      } catch (error) {
        if (signal.aborted) throw error;
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    throw joined(errors);
  }
}

function joined(errors: readonly unknown[]): VirtualKubeletError {
  const texts = [...new Set(errors.map(errorText))];
  const { kind, httpStatus } = VirtualKubeletError.from(errors.at(-1));
  const text = texts.length === 1 ? (texts[0] ?? "") : `[${texts.join(", ")}]`;
  return new VirtualKubeletError(kind, text, { cause: errors.at(-1), httpStatus });
}

function authOf({ registry, username, password, identityToken }: ImageCredential): RegistryAuth {
  const serveraddress = registry.split("/")[0] ?? "";
  return { username, password, serveraddress, ...(identityToken !== undefined && { identitytoken: identityToken }) };
}

/** Equal for equal credentials. A secret itself: only in memory. */
export function credentialText(credential: ImageCredential): string {
  const { registry, username, password, identityToken = "" } = credential;
  return JSON.stringify([registry, username, password, identityToken]);
}
