// When a trial ends: Ctrl-C, SIGTERM, a terminal or a reader that is gone. What has to go even when it ends at once is here too.
import { rmSync } from "node:fs";
import { errorText } from "../errors.ts";

/** One Ctrl-C may come twice, from the terminal and from npm; a second one from the user takes longer. */
const twiceMs = 500;

export class Stop implements Disposable {
  readonly #controller = new AbortController();
  readonly #last: (() => void)[] = [];
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
    const exit = (): void => this.#runLast();
    process.on("exit", exit);
    this.#undo.push(() => process.off("exit", exit));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** A file or directory that does not outlive this process, however it ends short of SIGKILL. */
  removeAtExit(path: string): void {
    this.atExit(() => rmSync(path, { recursive: true, force: true, maxRetries: 3 }));
  }

  /** Called once when this process ends, however it does short of SIGKILL; what it throws is told. */
  atExit(last: () => void): void {
    this.#last.push(last);
  }

  [Symbol.dispose](): void {
    this.#runLast();
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

  #runLast(): void {
    for (const last of this.#last.splice(0)) {
      try {
        last();
      } catch (error) {
        process.stderr.write(`error: not deleted: ${errorText(error)}\n`);
      }
    }
  }
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
