// Pulls of images: so many side by side, one of each image at a time, and one for all who ask for it with the same credentials.
import type { ImageCredential } from "@virtual-kubelet/virtual-kubelet";
import { Slots } from "./engine/slots.ts";

interface SharedPull<Result> {
  readonly result: Promise<Result>;
  readonly abort: AbortController;
  waiting: number;
}

/** One pull, whoever waits for it. */
export type PullImage<Result> = (
  image: string,
  credentials: readonly ImageCredential[],
  signal: AbortSignal,
) => Promise<Result>;

export class ImagePulls<Result> {
  readonly #pull: PullImage<Result>;
  readonly #slots: Slots;
  readonly #shared = new Map<string, SharedPull<Result>>();
  /** The last pull of each image that is under way or waits. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(parallel: number, pull: PullImage<Result>) {
    this.#slots = new Slots(parallel);
    this.#pull = pull;
  }

  /** Is one under way, or waiting, of this image? */
  has(image: string): boolean {
    return this.#last.has(image);
  }

  /** Rejects when the signal aborts; the pull itself ends when nobody waits for it any more. */
  async pull(image: string, credentials: readonly ImageCredential[], signal: AbortSignal): Promise<Result> {
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

  #begin(key: string, image: string, credentials: readonly ImageCredential[]): SharedPull<Result> {
    const abort = new AbortController();
    const result = this.#inTurn(this.#last.get(image), image, credentials, abort.signal);
    const shared: SharedPull<Result> = { result, abort, waiting: 0 };
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
    before: Promise<void> | undefined,
    image: string,
    credentials: readonly ImageCredential[],
    signal: AbortSignal,
  ): Promise<Result> {
    await before;
    return this.#slots.run(signal, () => this.#pull(image, credentials, signal));
  }
}

/** Equal for equal credentials. A secret itself: only in memory. */
export function credentialText(credential: ImageCredential): string {
  const { registry, username, password, identityToken = "" } = credential;
  return JSON.stringify([registry, username, password, identityToken]);
}
