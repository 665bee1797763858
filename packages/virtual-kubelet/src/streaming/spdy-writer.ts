// The sending side of a SPDY session: frames in the order of the calls, writers held back while the transport is full.
import type { Duplex } from "node:stream";
import { VirtualKubeletError } from "../errors.ts";
import { encodeData, encodeDataHeader } from "./spdy-frames.ts";

/** Longer data goes in several frames. */
const longestFrame = 256 * 1024;
/** Up to here a data frame is copied together, into one write. */
const smallWrite = 8 * 1024;
/** Answers to pings and the like that the peer does not take, from which on it is given no more reason for them. */
const controlBuffer = 64 * 1024;

type Sent = (error?: Error) => void;

export class SpdyWriter {
  readonly #transport: Duplex;
  readonly #unclogged: () => void;
  /** Whose data is with the transport, which has not taken it yet. */
  #waiting: Sent[] = [];
  #controlPending = 0;
  #stopped = false;

  /** `unclogged` is called when control frames have left. */
  constructor(transport: Duplex, unclogged: () => void) {
    this.#transport = transport;
    this.#unclogged = unclogged;
    transport.on("drain", () => this.#drain());
  }

  /** The peer makes us answer, and does not read. */
  get clogged(): boolean {
    return this.#controlPending > controlBuffer;
  }

  /** Sends data, then FIN when `fin` is set; calls back when the transport wants more, or has none to send any more. */
  send(streamId: number, chunks: readonly Buffer[], fin: boolean, sent: Sent): void {
    if (this.#stopped) {
      sent(new VirtualKubeletError("Unavailable", "the connection has ended"));
      return;
    }
    let length = 0;
    for (const chunk of chunks) length += chunk.length;
    const transport = this.#transport;
    if (length <= smallWrite) {
      if (length > 0 || fin) transport.write(encodeData(streamId, chunks, length, fin));
    } else {
      transport.cork();
      for (const chunk of chunks) this.#writeChunk(streamId, chunk);
      if (fin) transport.write(encodeDataHeader(streamId, 0, true));
      transport.uncork();
    }
    if (transport.writableNeedDrain) this.#waiting.push(sent);
    else sent();
  }

  #writeChunk(streamId: number, chunk: Buffer): void {
    for (let at = 0; at < chunk.length; at += longestFrame) {
      const piece = chunk.length <= longestFrame ? chunk : chunk.subarray(at, at + longestFrame);
      this.#transport.write(encodeDataHeader(streamId, piece.length, false));
      this.#transport.write(piece);
    }
  }

  /** Sends a whole frame that is not data. */
  sendControl(frame: Buffer): void {
    if (this.#stopped) return;
    this.#controlPending += frame.length;
    this.#transport.write(frame, () => {
      this.#controlPending -= frame.length;
      this.#unclogged();
    });
  }

  /** No more is sent; who waits is told so. */
  stop(reason: Error): void {
    this.#stopped = true;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const sent of waiting) sent(reason);
  }

  #drain(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const [index, sent] of waiting.entries()) {
      if (this.#transport.writableNeedDrain) {
        // One of them has filled it again: the others are the first of the next turn.
        this.#waiting.unshift(...waiting.slice(index));
        return;
      }
      sent();
    }
  }
}
