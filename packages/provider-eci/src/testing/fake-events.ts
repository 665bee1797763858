// What the fake tells of a group: as the service does, and as the kubelet in it does.
import { createHash } from "node:crypto";
import type { Clock } from "@virtual-kubelet/virtual-kubelet";

export interface FakeEvent {
  readonly reason: string;
  readonly message: string;
  readonly type: "Normal" | "Warning";
  readonly source: "EciService" | "K8sAgent";
  readonly count: number;
  /** RFC 3339, to the second. */
  readonly first: string;
  readonly last: string;
  /** Epoch milliseconds. */
  readonly lastMs: number;
  /** The same for the same event. */
  readonly hash: string;
}

const most = 200;

export class FakeEvents {
  readonly #clock: Clock;
  readonly #all: FakeEvent[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get all(): readonly FakeEvent[] {
    return this.#all;
  }

  /** Of the kubelet; the same again counts on. */
  tell(reason: string, message: string, type: FakeEvent["type"] = "Normal"): void {
    this.#add(reason, message, type, "K8sAgent");
  }

  /** Of the service. */
  announce(reason: string, message: string, type: FakeEvent["type"] = "Normal"): void {
    this.#add(reason, message, type, "EciService");
  }

  #add(reason: string, message: string, type: FakeEvent["type"], source: FakeEvent["source"]): void {
    const lastMs = this.#clock.now();
    const last = secondOf(lastMs);
    const index = this.#all.findIndex((event) => event.reason === reason && event.message === message);
    const before = this.#all[index];
    const hash = createHash("sha256").update(`${reason}\n${message}`).digest("hex").slice(0, 16);
    if (before !== undefined) this.#all[index] = { ...before, count: before.count + 1, last, lastMs };
    else this.#all.push({ reason, message, type, source, count: 1, first: last, last, lastMs, hash });
    if (this.#all.length > most) this.#all.shift();
  }
}

export function secondOf(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}
