// A value from files that somebody else replaces: read again every few seconds; what cannot be used leaves what there is.
import { readFile } from "node:fs/promises";
import { type Clock, pause, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Renewed } from "./certificate-source.ts";
import { FaultLog } from "./fault-log.ts";
import { RenewedValue } from "./renewed-value.ts";

export interface FileRules<T> {
  /** Names the files in messages, e.g. "client CA file". */
  readonly what: string;
  /** All faults, or what the files hold. */
  readonly read: () => Promise<{ readonly value: T } | { readonly faults: readonly string[] }>;
  readonly isSame: (a: T, b: T) => boolean;
  /** Told before others are of a first or another value. */
  readonly taken: (value: T, first: boolean) => void;
}

const lookEveryMs = 5000;

export class ReplacedFiles<T> implements Renewed<T> {
  readonly #rules: FileRules<T>;
  readonly #clock: Clock;
  readonly #value: RenewedValue<T>;
  readonly #faults: FaultLog;

  constructor(rules: FileRules<T>, { log, clock }: { readonly log: Logger; readonly clock?: Clock | undefined }) {
    this.#rules = rules;
    this.#clock = clock ?? systemClock;
    this.#value = new RenewedValue<T>(`${rules.what} was not read yet`);
    this.#faults = new FaultLog(log, this.#clock, `${rules.what} cannot be used, keeping the last one`);
  }

  /** Reads them for the first time. Throws Invalid with all their faults. */
  async readFirst(): Promise<void> {
    const found = await this.#rules.read();
    if ("faults" in found) throw new VirtualKubeletError("Invalid", found.faults.join("; "));
    this.#take(found.value, true);
  }

  current(): T {
    return this.#value.current();
  }

  subscribe(changed: () => void): () => void {
    return this.#value.subscribe(changed);
  }

  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await pause(this.#clock, lookEveryMs, signal);
      if (signal.aborted) return;
      const found = await this.#rules.read();
      if ("faults" in found) {
        this.#faults.tell(found.faults.join("; "));
        continue;
      }
      this.#faults.clear();
      const known = this.#value.value;
      if (known === undefined || !this.#rules.isSame(known, found.value)) this.#take(found.value, false);
    }
  }

  #take(value: T, first: boolean): void {
    this.#rules.taken(value, first);
    this.#value.set(value);
  }
}

/** A file's text, or in words why there is none. */
export async function textOf(file: string): Promise<{ readonly text: string } | { readonly fault: string }> {
  try {
    return { text: await readFile(file, "utf8") };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "error";
    return { fault: `${file} cannot be read: ${code}` };
  }
}
