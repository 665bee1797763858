// Sizes of a terminal as they arrive: JSON objects one after the other, cut anywhere; of several unread ones only the newest counts.
import type { TerminalSize } from "./remote-command.ts";

/** One object is some forty characters; what grows past this without an end is no size. */
const longestObject = 1024;

/** Decodes the resize stream. Bad input is passed over, and held to a bound. */
export class TerminalSizes implements AsyncIterable<TerminalSize> {
  #text = "";
  #newest: TerminalSize | undefined;
  #ended = false;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();

  /** Takes the next bytes of the stream. */
  receive(bytes: Uint8Array): void {
    if (this.#ended) return;
    for (const character of Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1")) {
      if (this.#text.length < longestObject) this.#text += character;
      if (character !== "}") continue;
      const size = parseSize(this.#text);
      this.#text = "";
      if (size === undefined) continue;
      this.#newest = size;
      this.#wake.resolve();
    }
  }

  /** No more will come; a size that nobody has read is still given. */
  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TerminalSize, void, undefined> {
    for (;;) {
      await this.#wake.promise;
      const size = this.#newest;
      this.#newest = undefined;
      if (!this.#ended) this.#wake = Promise.withResolvers();
      if (size !== undefined) yield size;
      else if (this.#ended) return;
    }
  }
}

/** Go reads the names of fields whatever their case, so does this. */
function parseSize(text: string): TerminalSize | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  let width: number | undefined;
  let height: number | undefined;
  for (const [name, cells] of Object.entries(value)) {
    if (typeof cells !== "number" || !Number.isInteger(cells) || cells < 0 || cells > 65535) continue;
    if (name.toLowerCase() === "width") width = cells;
    if (name.toLowerCase() === "height") height = cells;
  }
  return width === undefined || height === undefined ? undefined : { width, height };
}
