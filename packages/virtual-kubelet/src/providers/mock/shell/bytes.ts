// Byte streams between the simulated commands of a container: pulled and pushed with back-pressure, ended by one signal.
import type { Readable, Writable } from "node:stream";

/** Takes bytes. */
export interface Output {
  /** Resolves when more can be taken; false: nobody reads any more, or the process is to end. The chunk is not changed later. */
  write(chunk: Uint8Array): Promise<boolean>;
}

/** Gives bytes, in chunks or lines; several commands may read from one, one after another. */
export class Input {
  readonly #pull: () => Promise<Uint8Array | undefined>;
  readonly #onClose: () => void;
  #rest: Uint8Array | undefined;

  /** `pull` answers undefined at the end, and may answer more later (a terminal does). `onClose`: nobody will read any more. */
  constructor(pull: () => Promise<Uint8Array | undefined>, onClose: () => void = () => {}) {
    this.#pull = pull;
    this.#onClose = onClose;
  }

  /** At least one byte and at most `max`; undefined at the end. */
  async read(max: number = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    let chunk = this.#rest ?? (await this.#pull());
    this.#rest = undefined;
    while (chunk?.length === 0) chunk = await this.#pull();
    if (chunk === undefined || chunk.length <= max) return chunk;
    this.#rest = chunk.subarray(max);
    return chunk.subarray(0, max);
  }

  /** Exactly `size` bytes, fewer only at the end. For small sizes. */
  async take(size: number): Promise<Uint8Array> {
    const whole = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      const chunk = await this.read(size - filled);
      if (chunk === undefined) return whole.subarray(0, filled);
      whole.set(chunk, filled);
      filled += chunk.length;
    }
    return whole;
  }

  /** The next line without its end, cut at `limit` bytes; undefined at the end. */
  async readLine(limit: number = 64 * 1024): Promise<string | undefined> {
    const parts: Uint8Array[] = [];
    for (let length = 0; ; ) {
      const chunk = await this.read();
      if (chunk === undefined) return parts.length === 0 ? undefined : text(parts);
      const found = chunk.indexOf(10);
      const end = found <= limit - length ? found : -1;
      const taken = end >= 0 ? end : Math.min(chunk.length, limit - length);
      parts.push(chunk.subarray(0, taken));
      length += taken;
      const rest = chunk.subarray(end >= 0 ? taken + 1 : taken);
      if (rest.length > 0) this.#rest = rest;
      if (end >= 0 || length >= limit) return text(parts);
    }
  }

  close(): void {
    this.#rest = undefined;
    this.#onClose();
  }
}

function text(parts: readonly Uint8Array[]): string {
  return Buffer.concat(parts).toString("utf8");
}

/** Ends at once. */
export function emptyInput(): Input {
  return new Input(async () => undefined);
}

/** Takes everything and keeps nothing. */
export const discard: Output = { write: async () => true };

const encoder = new TextEncoder();

export function encode(value: string): Uint8Array {
  return encoder.encode(value);
}

/** Writes text; see `Output.write`. */
export function print(output: Output, value: string): Promise<boolean> {
  return output.write(encode(value));
}

/** Everything from one to the other; false: the other takes no more. */
export async function copy(input: Input, output: Output): Promise<boolean> {
  for (let chunk = await input.read(); chunk !== undefined; chunk = await input.read()) {
    if (!(await output.write(chunk))) return false;
  }
  return true;
}

/** Holds one chunk at a time: a writer waits for the reader. */
export function pipe(signal: AbortSignal): {
  readonly input: Input;
  readonly output: Output;
  readonly end: () => void;
} {
  let held: Uint8Array | undefined;
  let writerDone = false;
  let readerGone = false;
  let wakeReader: (() => void) | undefined;
  let wakeWriter: (() => void) | undefined;
  const wake = (): void => {
    wakeReader?.();
    wakeWriter?.();
  };
  signal.addEventListener("abort", wake, { once: true });
  const end = (): void => {
    writerDone = true;
    wake();
    signal.removeEventListener("abort", wake);
  };
  const pull = async (): Promise<Uint8Array | undefined> => {
    while (held === undefined && !writerDone && !signal.aborted) {
      await new Promise<void>((resolve) => {
        wakeReader = resolve;
      });
    }
    const chunk = held;
    held = undefined;
    wakeWriter?.();
    return chunk;
  };
  const isOver = (): boolean => readerGone || signal.aborted;
  const write = async (chunk: Uint8Array): Promise<boolean> => {
    if (chunk.length === 0) return !isOver();
    while (held !== undefined && !isOver()) {
      await new Promise<void>((resolve) => {
        wakeWriter = resolve;
      });
    }
    if (isOver()) return false;
    held = chunk;
    wakeReader?.();
    return true;
  };
  const input = new Input(pull, () => {
    readerGone = true;
    held = undefined;
    wake();
  });
  return { input, output: { write }, end };
}

/** Reads a Node stream, leaves it alone otherwise. Its errors count as its end. */
export function inputFrom(readable: Readable, signal: AbortSignal): Input {
  return new Input(async () => {
    for (;;) {
      if (signal.aborted || readable.destroyed) return undefined;
      const chunk: unknown = readable.read();
      if (chunk instanceof Uint8Array) return chunk;
      if (typeof chunk === "string") return encode(chunk);
      if (readable.readableEnded) return undefined;
      await anyOf(readable, ["readable", "end", "close", "error"], signal);
    }
  });
}

/** Writes to a Node stream and waits for its `drain`. */
export function outputTo(writable: Writable, signal: AbortSignal): Output {
  const isOver = (): boolean => signal.aborted || writable.destroyed || writable.writableEnded;
  return {
    async write(chunk) {
      if (isOver()) return false;
      if (!writable.write(chunk)) {
        while (writable.writableNeedDrain && !isOver()) {
          await anyOf(writable, ["drain", "close", "error"], signal);
        }
      }
      return !isOver();
    },
  };
}

function anyOf(emitter: Readable | Writable, events: readonly string[], signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = (): void => {
    for (const event of events) emitter.removeListener(event, done);
    signal.removeEventListener("abort", done);
    resolve();
  };
  for (const event of events) emitter.on(event, done);
  signal.addEventListener("abort", done, { once: true });
  return promise;
}
