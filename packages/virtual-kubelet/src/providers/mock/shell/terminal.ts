// The line discipline of a terminal: echo, editing of the line, ctrl-C and ctrl-D; what is written gets its carriage returns.
import type { TerminalSize } from "../../../provider/streams.ts";
import { encode, Input, type Output, print } from "./bytes.ts";
import type { TerminalOfProcess } from "./process.ts";

const longestLine = 4096;
/** Typed ahead and not read yet; beyond it reading from the client waits. */
const longestQueue = 64 * 1024;
const fallbackSize: TerminalSize = { width: 80, height: 24 };

export class Terminal implements TerminalOfProcess {
  /** Whole lines, as typed; ends at ctrl-D and may go on after it, until the client's side has ended. */
  readonly input: Input;
  readonly output: Output;
  readonly #raw: Output;
  readonly #queue: (Uint8Array | "end")[] = [];
  #queued = 0;
  #line = "";
  #escape: "none" | "begun" | "sequence" = "none";
  #hungUp = false;
  #wakeReader: (() => void) | undefined;
  #wakePump: (() => void) | undefined;
  readonly #listeners: (() => boolean)[] = [];
  #size: TerminalSize | undefined;
  readonly #sized = Promise.withResolvers<void>();

  constructor(raw: Output) {
    this.#raw = raw;
    this.input = new Input(() => this.#next());
    this.output = { write: (chunk) => raw.write(withReturns(chunk)) };
  }

  async size(): Promise<TerminalSize> {
    const timer = setTimeout(this.#sized.resolve, 500);
    await this.#sized.promise;
    clearTimeout(timer);
    return this.#size ?? fallbackSize;
  }

  setSize(size: TerminalSize): void {
    this.#size = size;
    this.#sized.resolve();
  }

  onInterrupt(listener: () => boolean): () => void {
    this.#listeners.push(listener);
    return () => {
      const index = this.#listeners.lastIndexOf(listener);
      if (index >= 0) this.#listeners.splice(index, 1);
    };
  }

  /** Takes what the client types until its side ends or the signal aborts. */
  async pump(typed: Input, signal: AbortSignal): Promise<void> {
    const decoder = new TextDecoder();
    const onAbort = (): void => {
      this.#hangUp();
      this.#wakePump?.();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (let chunk = await typed.read(); chunk !== undefined; chunk = await typed.read()) {
        const echo = this.#type(decoder.decode(chunk, { stream: true }));
        if (echo !== "") await print(this.#raw, echo);
        while (this.#queued > longestQueue && !signal.aborted) {
          await new Promise<void>((resolve) => {
            this.#wakePump = resolve;
          });
        }
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#hangUp();
    }
  }

  #hangUp(): void {
    this.#hungUp = true;
    this.#sized.resolve();
    this.#wakeReader?.();
  }

  async #next(): Promise<Uint8Array | undefined> {
    while (this.#queue.length === 0 && !this.#hungUp) {
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
      this.#wakeReader = undefined;
    }
    const next = this.#queue.shift();
    if (next === undefined || next === "end") return undefined;
    this.#queued -= next.length;
    this.#wakePump?.();
    return next;
  }

  #push(item: Uint8Array | "end"): void {
    this.#queue.push(item);
    this.#queued += item.length;
    this.#wakeReader?.();
  }

  /** Does what the keys do; answers with what the user is to see of them. */
  #type(text: string): string {
    let echo = "";
    for (const char of text) {
      if (this.#escape !== "none") {
        // Arrow keys and the like: there is no history to walk.
        if (this.#escape === "begun") this.#escape = char === "[" || char === "O" ? "sequence" : "none";
        else if (char >= "@" && char <= "~") this.#escape = "none";
      } else if (char === "\x1b") this.#escape = "begun";
      else if (char === "\r" || char === "\n") {
        echo += "\r\n";
        this.#push(encode(`${this.#line}\n`));
        this.#line = "";
      } else if (char === "\x7f" || char === "\b") echo += this.#erase(1);
      else if (char === "\x15") echo += this.#erase([...this.#line].length);
      else if (char === "\x17") echo += this.#erase([...(/\S*\s*$/.exec(this.#line)?.[0] ?? "")].length);
      else if (char === "\x04") {
        this.#push(this.#line === "" ? "end" : encode(this.#line));
        this.#line = "";
      } else if (char === "\x03") {
        // Before whoever is interrupted writes something of its own.
        void print(this.#raw, `${echo}^C\r\n`);
        echo = "";
        this.#interrupt();
      } else if (char >= " " || char === "\t") {
        if (this.#line.length >= longestLine) continue;
        this.#line += char;
        echo += char;
      }
    }
    return echo;
  }

  #erase(count: number): string {
    const chars = [...this.#line];
    const erased = Math.min(count, chars.length);
    this.#line = chars.slice(0, chars.length - erased).join("");
    return "\b \b".repeat(erased);
  }

  #interrupt(): void {
    this.#line = "";
    this.#queue.length = 0;
    this.#queued = 0;
    // An end that nobody waits for would be taken by whoever reads next, the shell.
    const isAwaited = this.#wakeReader !== undefined;
    if (this.#listeners.at(-1)?.() === true && isAwaited) this.#push("end");
  }
}

/** Each newline becomes carriage return and newline. */
function withReturns(chunk: Uint8Array): Uint8Array {
  let count = 0;
  for (const byte of chunk) if (byte === 10) count += 1;
  if (count === 0) return chunk;
  const result = new Uint8Array(chunk.length + count);
  let at = 0;
  for (const byte of chunk) {
    if (byte === 10) result[at++] = 13;
    result[at++] = byte;
  }
  return result;
}
