// The authorities that client certificates are verified against, from a file that may be replaced.
import { readFile } from "node:fs/promises";
import { type Clock, pause, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { bundleFault } from "./ca-bundle.ts";
import type { Renewed } from "./certificate-source.ts";
import { FaultLog } from "./fault-log.ts";
import { RenewedValue } from "./renewed-value.ts";

export interface ClientCaFileOptions {
  /** Path; PEM, any number of certificates. */
  readonly file: string;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
}

const lookEveryMs = 5000;

export class ClientCaFile implements Renewed<string> {
  readonly #options: ClientCaFileOptions;
  readonly #clock: Clock;
  readonly #value = new RenewedValue<string>("client CA file was not read yet");
  readonly #faults: FaultLog;

  private constructor(options: ClientCaFileOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#faults = new FaultLog(options.log, this.#clock, "client CA file cannot be used, keeping what it held");
  }

  /** Reads it. Throws Invalid when that holds no certificate. */
  static async open(options: ClientCaFileOptions): Promise<ClientCaFile> {
    const source = new ClientCaFile(options);
    const found = await source.#read();
    if ("fault" in found) throw new VirtualKubeletError("Invalid", found.fault);
    source.#value.set(found.text);
    return source;
  }

  current(): string {
    return this.#value.current();
  }

  subscribe(changed: () => void): () => void {
    return this.#value.subscribe(changed);
  }

  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await pause(this.#clock, lookEveryMs, signal);
      if (signal.aborted) return;
      const found = await this.#read();
      if ("fault" in found) {
        this.#faults.tell(found.fault);
        continue;
      }
      this.#faults.clear();
      if (found.text === this.#value.value) continue;
      this.#options.log.info({ file: this.#options.file }, "client CA replaced");
      this.#value.set(found.text);
    }
  }

  async #read(): Promise<{ readonly text: string } | { readonly fault: string }> {
    const { file } = this.#options;
    try {
      const text = await readFile(file, "utf8");
      const fault = bundleFault(text);
      return fault === undefined ? { text } : { fault: `${file} ${fault}` };
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "error";
      return { fault: `${file} cannot be read: ${code}` };
    }
  }
}
