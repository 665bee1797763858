// Passes what happens to pods on to whoever watches: of reports the latest, of events all, up to a limit.
import type { PodOwner, PodUpdate } from "../provider/pods.ts";

/** Events that nobody has taken yet; the oldest go first. */
const mostEvents = 1000;

export class UpdateFeed {
  readonly #readers = new Set<Reader>();
  /** Of the time before the first reader, and between two. */
  #unread: Reader = new Reader();

  report(update: Extract<PodUpdate, { readonly type: "report" }>): void {
    for (const reader of this.#readers) reader.put(update.report.owner, update);
  }

  gone(owner: PodOwner): void {
    for (const reader of this.#readers) reader.put(owner, { type: "gone", owner });
  }

  event(update: Extract<PodUpdate, { readonly type: "event" }>): void {
    if (this.#readers.size === 0) this.#unread.tell(update);
    for (const reader of this.#readers) reader.tell(update);
  }

  /** From the call on; ends when the signal aborts. */
  async *read(signal: AbortSignal): AsyncGenerator<PodUpdate> {
    const reader = this.#unread;
    this.#unread = new Reader();
    this.#readers.add(reader);
    const end = (): void => reader.end();
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    try {
      yield* reader.updates();
    } finally {
      signal.removeEventListener("abort", end);
      this.#readers.delete(reader);
    }
  }
}

class Reader {
  readonly #latest = new Map<string, PodUpdate>();
  readonly #events: PodUpdate[] = [];
  #ended = false;
  #wake: () => void = () => {};

  put({ uid }: PodOwner, update: PodUpdate): void {
    this.#latest.delete(uid);
    this.#latest.set(uid, update);
    this.#wake();
  }

  tell(update: PodUpdate): void {
    if (this.#events.length >= mostEvents) this.#events.shift();
    this.#events.push(update);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *updates(): AsyncGenerator<PodUpdate> {
    while (!this.#ended) {
      const event = this.#events.shift();
      if (event !== undefined) {
        yield event;
        continue;
      }
      const next = this.#latest.entries().next();
      if (next.done !== true) {
        this.#latest.delete(next.value[0]);
        yield next.value[1];
        continue;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }
}
