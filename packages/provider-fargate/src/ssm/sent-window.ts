// Messages that were sent and not acknowledged yet: they are sent again until they are, and there are only so many at a time.
import { type Clock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

export interface SentWindowOptions {
  readonly clock: Clock;
  readonly send: (bytes: Uint8Array) => void;
  /** Nothing was acknowledged for so long although something was sent: Unavailable. */
  readonly giveUpMs: number;
  readonly giveUp: (error: VirtualKubeletError) => void;
  /** Messages on their way at a time. */
  readonly capacity?: number | undefined;
}

interface Sent {
  readonly bytes: Uint8Array;
  readonly firstSent: number;
  lastSent: number;
}

const firstTimeoutMs = 500;
const shortestTimeoutMs = 200;
const longestTimeoutMs = 4_000;

export class SentWindow {
  readonly #options: SentWindowOptions;
  readonly #capacity: number;
  readonly #sent = new Map<number, Sent>();
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  #roundTrip: { readonly mean: number; readonly deviation: number } | undefined;
  /** When the other side last showed that it is there, or began to owe it. */
  #lastSign = 0;
  #paused = false;
  #closed: VirtualKubeletError | undefined;
  #cancel: (() => void) | undefined;

  constructor(options: SentWindowOptions) {
    this.#options = options;
    this.#capacity = options.capacity ?? 64;
  }

  /** Resolves when another message may be sent, first come first served; rejects when the window was closed. */
  async room(): Promise<void> {
    while (this.#closed === undefined && (this.#sent.size >= this.#capacity || this.#paused)) {
      const waiter = Promise.withResolvers<void>();
      this.#waiting.push(waiter);
      await waiter.promise;
    }
    if (this.#closed !== undefined) throw this.#closed;
  }

  /** Sends it, now and again. */
  add(sequenceNumber: number, bytes: Uint8Array): void {
    if (this.#closed !== undefined) return;
    const now = this.#options.clock.now();
    if (this.#sent.size === 0) this.#lastSign = now;
    this.#sent.set(sequenceNumber, { bytes, firstSent: now, lastSent: now });
    this.#options.send(bytes);
    this.#arm();
  }

  acknowledge(sequenceNumber: number): void {
    const sent = this.#sent.get(sequenceNumber);
    if (sent === undefined) return;
    const now = this.#options.clock.now();
    this.#lastSign = now;
    // The answer to a message that was sent twice may be to either.
    if (sent.firstSent === sent.lastSent) this.#measured(now - sent.firstSent);
    this.#sent.delete(sequenceNumber);
    this.#wake();
  }

  /** Resolves when all has been acknowledged or the window was closed. */
  async drained(): Promise<void> {
    while (this.#sent.size > 0 && this.#closed === undefined) {
      const waiter = Promise.withResolvers<void>();
      this.#waiting.push(waiter);
      await waiter.promise;
    }
  }

  /** The service has nobody who listens: nothing is sent again until `resume`. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#lastSign = this.#options.clock.now();
    for (const sent of this.#sent.values()) sent.lastSent = Number.NEGATIVE_INFINITY;
    this.#resend();
    this.#wake();
  }

  close(error: VirtualKubeletError): void {
    this.#closed ??= error;
    this.#sent.clear();
    this.#cancel?.();
    this.#cancel = undefined;
    this.#wake();
  }

  #wake(): void {
    for (const waiter of this.#waiting.splice(0)) waiter.resolve();
  }

  #measured(milliseconds: number): void {
    const { mean, deviation } = this.#roundTrip ?? { mean: milliseconds, deviation: milliseconds / 2 };
    this.#roundTrip = {
      mean: mean + (milliseconds - mean) / 8,
      deviation: deviation + (Math.abs(milliseconds - mean) - deviation) / 4,
    };
  }

  get #timeoutMs(): number {
    if (this.#roundTrip === undefined) return firstTimeoutMs;
    const { mean, deviation } = this.#roundTrip;
    return Math.min(Math.max(mean + 4 * deviation, shortestTimeoutMs), longestTimeoutMs);
  }

  #arm(): void {
    this.#cancel ??= this.#options.clock.schedule(this.#timeoutMs, () => {
      this.#cancel = undefined;
      this.#resend();
    });
  }

  #resend(): void {
    if (this.#sent.size === 0 || this.#closed !== undefined) return;
    const { clock, giveUpMs } = this.#options;
    const now = clock.now();
    if (this.#paused) this.#lastSign = now;
    else if (now - this.#lastSign >= giveUpMs) {
      const text = `the session's other side has acknowledged nothing for ${Math.round(giveUpMs / 1000)} s`;
      this.#options.giveUp(new VirtualKubeletError("Unavailable", text));
      return;
    } else {
      for (const sent of this.#sent.values()) {
        if (now - sent.lastSent < this.#timeoutMs) continue;
        sent.lastSent = now;
        this.#options.send(sent.bytes);
      }
    }
    this.#arm();
  }
}
