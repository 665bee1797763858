// When a trial ends: Ctrl-C, SIGTERM, a terminal or a reader that is gone. What has to go even when it ends at once is here too.
import { rmSync } from "node:fs";
import { errorText } from "../errors.ts";

/** One Ctrl-C may come twice, from the terminal and from npm; a second one from the user takes longer. */
const twiceMs = 500;

export class Stop implements Disposable {
  readonly #controller = new AbortController();
  readonly #files = new Set<string>();
  readonly #undo: (() => void)[] = [];
  #askedAt: number | undefined;

  constructor() {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      const heard = (): void => this.#heard(name);
      process.on(name, heard);
      this.#undo.push(() => process.off(name, heard));
    }
    // Nobody reads on, as behind `| head`, or the terminal is gone.
    for (const stream of [process.stdout, process.stderr]) {
      const broken = (): void => this.#controller.abort();
      stream.on("error", broken);
    }
    const exit = (): void => this.#removeFiles();
    process.on("exit", exit);
    this.#undo.push(() => process.off("exit", exit));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** A file or directory that does not outlive this process, however it ends short of SIGKILL. */
  removeAtExit(path: string): void {
    this.#files.add(path);
  }

  [Symbol.dispose](): void {
    this.#removeFiles();
    for (const undo of this.#undo) undo();
  }

  #heard(name: "SIGINT" | "SIGTERM" | "SIGHUP"): void {
    const now = performance.now();
    if (name === "SIGINT" && this.#askedAt !== undefined && now - this.#askedAt > twiceMs) {
      process.stderr.write("Ended at once: what ran outside of this process may still be there.\n");
      process.exit(130);
    }
    this.#askedAt ??= now;
    this.#controller.abort();
  }

  #removeFiles(): void {
    for (const path of this.#files) {
      try {
        rmSync(path, { recursive: true, force: true, maxRetries: 3 });
      } catch (error) {
        process.stderr.write(`error: not deleted: ${path}: ${errorText(error)}\n`);
      }
    }
    this.#files.clear();
  }
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
