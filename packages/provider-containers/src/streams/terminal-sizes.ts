// Sizes of a client's terminal: the first one before the command begins, the others as they come.
import { setTimeout as sleep } from "node:timers/promises";
import { isErrorKind, type TerminalSize } from "@virtual-kubelet/virtual-kubelet";

/** Clients tell the first size at once; one that does not is not waited for. */
const firstSizeMs = 200;
/** A process that has only just begun may not have its terminal yet. */
const tries = 10;
const triesMs = 50;

export class TerminalSizes {
  readonly #sizes: AsyncIterator<TerminalSize> | undefined;
  #pending: Promise<IteratorResult<TerminalSize>> | undefined;

  constructor(sizes: AsyncIterable<TerminalSize> | undefined) {
    this.#sizes = sizes?.[Symbol.asyncIterator]();
  }

  /** undefined: none came soon. */
  async first(signal: AbortSignal): Promise<TerminalSize | undefined> {
    if (this.#sizes === undefined) return undefined;
    const pending = this.#sizes.next();
    pending.catch(() => {});
    const timer = new AbortController();
    const late = sleep(firstSizeMs, undefined, { signal: AbortSignal.any([signal, timer.signal]) });
    const came = await Promise.race([pending, late]).catch(() => undefined);
    timer.abort();
    late.catch(() => {});
    if (came === undefined) this.#pending = pending;
    else if (came.done !== true) return came.value;
    return undefined;
  }

  /** Until there are no more, or the signal aborts. What the engine refuses is left: the next size may be taken. */
  async follow(resize: (size: TerminalSize) => Promise<void>, signal: AbortSignal): Promise<void> {
    const over = Promise.withResolvers<undefined>();
    const leave = (): void => over.resolve(undefined);
    signal.addEventListener("abort", leave, { once: true });
    try {
      while (this.#sizes !== undefined && !signal.aborted) {
        const next = this.#pending ?? this.#sizes.next();
        this.#pending = undefined;
        const came = await Promise.race([next, over.promise]);
        if (came === undefined || came.done === true) return;
        await applied(() => resize(came.value), signal);
      }
    } catch {
      // The client has gone.
    } finally {
      signal.removeEventListener("abort", leave);
      void this.#sizes?.return?.().catch(() => {});
    }
  }
}

async function applied(resize: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (let left = tries; left > 0 && !signal.aborted; left -= 1) {
    try {
      await resize();
      return;
    } catch (error) {
      if (isErrorKind(error, "NotFound", "Aborted")) return;
      await sleep(triesMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
