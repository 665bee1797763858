// A connection that the engine has given over, as the streams of a process. Output is read no faster than both its readers
// take it; the end of the input is passed on, and the output goes on.
import { type Duplex, Readable, Writable } from "node:stream";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { EngineStream } from "./engine-client.ts";
import { StdcopyDecoder } from "./stdcopy.ts";

export class HijackedStream implements EngineStream {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly #connection: Duplex;
  readonly #full = new Set<Readable>();
  readonly #decoder: StdcopyDecoder | undefined;

  constructor(connection: Duplex, { tty }: { readonly tty: boolean }) {
    this.#connection = connection;
    this.#decoder = tty ? undefined : new StdcopyDecoder();
    this.stdout = this.#output();
    this.stderr = this.#output();
    this.stdin = new Writable({
      write: (chunk, _encoding, done) => void connection.write(chunk, done),
      final: (done) => void connection.end(done),
    });
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.on("error", () => {});
    connection.on("data", (chunk: Buffer) => this.#take(chunk));
    connection.once("end", () => this.#end());
    connection.on("error", (cause) => this.#fail(cause));
    connection.once("close", () => {
      this.#end();
      this.stdin.destroy();
    });
  }

  destroy(): void {
    this.#connection.destroy();
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.destroy();
  }

  #output(): Readable {
    const output: Readable = new Readable({
      read: () => {
        this.#full.delete(output);
        if (this.#full.size === 0) this.#connection.resume();
      },
    });
    // Whom nobody reads any more must not hold up the other.
    output.once("close", () => {
      this.#full.delete(output);
      if (this.#full.size === 0) this.#connection.resume();
    });
    return output;
  }

  #take(chunk: Buffer): void {
    if (this.#decoder === undefined) {
      this.#give(this.stdout, chunk);
      return;
    }
    try {
      for (const { stream, data } of this.#decoder.feed(chunk))
        this.#give(stream === "stdout" ? this.stdout : this.stderr, data);
    } catch (error) {
      this.#fail(error);
    }
  }

  #give(output: Readable, data: Uint8Array): void {
    if (output.destroyed || output.push(data)) return;
    this.#full.add(output);
    this.#connection.pause();
  }

  #end(): void {
    for (const output of [this.stdout, this.stderr]) if (!output.destroyed && !output.readableEnded) output.push(null);
  }

  #fail(cause: unknown): void {
    const error = new VirtualKubeletError("Unavailable", "the connection to the container engine broke", { cause });
    this.#connection.destroy();
    for (const stream of [this.stdin, this.stdout, this.stderr]) stream.destroy(error);
  }
}
