// A value that changes while it is used, and those who want to know: what every source of certificates is made of.
import { VirtualKubeletError } from "../errors.ts";
import type { Renewed } from "./certificate-source.ts";

export class RenewedValue<T> implements Pick<Renewed<T>, "current" | "subscribe"> {
  #value: { readonly is: T } | undefined;
  #why: string;
  readonly #subscribers = new Set<() => void>();

  /** `why`: why there is none yet. */
  constructor(why: string) {
    this.#why = why;
  }

  current(): T {
    if (this.#value === undefined) throw new VirtualKubeletError("Unavailable", this.#why);
    return this.#value.is;
  }

  /** Undefined while there is none. */
  get value(): T | undefined {
    return this.#value?.is;
  }

  subscribe(changed: () => void): () => void {
    // Each call is a subscription of its own, also of the same function.
    const one = (): void => changed();
    this.#subscribers.add(one);
    return () => this.#subscribers.delete(one);
  }

  set(value: T): void {
    this.#value = { is: value };
    for (const changed of [...this.#subscribers]) changed();
  }

  /** There is none any more, or still none, for this reason. */
  clear(why: string): void {
    const had = this.#value !== undefined;
    this.#value = undefined;
    this.#why = why;
    if (had) for (const changed of [...this.#subscribers]) changed();
  }
}

/** The first value that there is. Its source must be running. Throws Aborted. */
export async function available<T>(source: Pick<Renewed<T>, "current" | "subscribe">, signal: AbortSignal): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const look = (): void => {
    try {
      resolve(source.current());
    } catch {
      // Not yet: the next change tells.
    }
  };
  const stop = (): void => reject(new VirtualKubeletError("Aborted", "ended before there was one"));
  const unsubscribe = source.subscribe(look);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  look();
  try {
    return await promise;
  } finally {
    unsubscribe();
    signal.removeEventListener("abort", stop);
  }
}
