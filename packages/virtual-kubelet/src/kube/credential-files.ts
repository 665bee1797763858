// Files that hold credentials and are replaced under our feet: read again when they change, the last good text kept
// while they cannot be read.
import { readFile, stat } from "node:fs/promises";
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";

/** A file is looked at no more often than this, and read whenever its identity changed. */
export const lookEveryMs = 1000;
/** Read even if it looks the same: file systems with coarse times, mounts that swap links. */
const readEveryMs = 60_000;

export class WatchedFile {
  readonly path: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  #text: string | undefined;
  #mark = "";
  #lookedAt = Number.NEGATIVE_INFINITY;
  #readAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<string> | undefined;

  constructor(path: string, clock: Clock, log: Logger) {
    this.path = path;
    this.#clock = clock;
    this.#log = log;
  }

  /** The newest text, or the last known one while the file cannot be read. Throws Unauthorized while it never could. */
  read(): Promise<string> {
    if (this.#text !== undefined && this.#clock.now() - this.#lookedAt < lookEveryMs)
      return Promise.resolve(this.#text);
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** The next read() goes to the file. */
  forget(): void {
    this.#lookedAt = Number.NEGATIVE_INFINITY;
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  async #look(): Promise<string> {
    const now = this.#clock.now();
    try {
      const { mtimeMs, size, ino } = await stat(this.path);
      const mark = `${mtimeMs}/${size}/${ino}`;
      if (this.#text === undefined || mark !== this.#mark || now - this.#readAt >= readEveryMs) {
        this.#text = await readFile(this.path, "utf8");
        this.#mark = mark;
        this.#readAt = now;
      }
    } catch (error) {
      const detail = error instanceof Error && "code" in error ? String(error.code) : "error";
      if (this.#text === undefined)
        throw new VirtualKubeletError("Unauthorized", `cannot read ${this.path}: ${detail}`, { cause: error });
      this.#log.warn(
        { file: this.path, reason: detail },
        "credentials file cannot be read again, keeping what it held",
      );
    }
    this.#lookedAt = now;
    return this.#text;
  }
}
