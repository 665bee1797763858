// A fault that lasts is told when it was seen twice, and then now and then, not at every look.
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";

const againMs = 600_000;

export class FaultLog {
  readonly #log: Logger;
  readonly #clock: Clock;
  readonly #message: string;
  /** Seen and maybe told; a look in the middle of a change sees faults that are none. */
  #fault: { readonly text: string; readonly toldAt: number | undefined } | undefined;

  constructor(log: Logger, clock: Clock, message: string) {
    this.#log = log;
    this.#clock = clock;
    this.#message = message;
  }

  /** A fault is told when it is seen a second time. */
  tell(text: string): void {
    const now = this.#clock.now();
    const known = this.#fault?.text === text ? this.#fault : undefined;
    if (known === undefined) this.#fault = { text, toldAt: undefined };
    else if (known.toldAt === undefined || now - known.toldAt >= againMs) {
      this.#log.warn({ reason: text }, this.#message);
      this.#fault = { text, toldAt: now };
    }
  }

  clear(): void {
    this.#fault = undefined;
  }
}
