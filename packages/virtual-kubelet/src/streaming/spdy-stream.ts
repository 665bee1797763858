// One stream of a SPDY session as a Node duplex: half-closes, resets, and a bounded buffer for what nobody has read yet.
import { Duplex } from "node:stream";
import { VirtualKubeletError } from "../errors.ts";
import { resetStatus } from "./spdy-frames.ts";
import type { SpdyHeaders } from "./spdy-headers.ts";

/** Counted for each buffered piece beside its bytes: a piece of one byte costs memory, too. */
const pieceCost = 256;

/** What a stream needs of its session. */
export interface SpdyLink {
  /** Sends data, then FIN when `fin` is set; calls back when more may come. */
  send(streamId: number, chunks: readonly Buffer[], fin: boolean, sent: (error?: Error) => void): void;
  sendReset(streamId: number, status: number): void;
  /** The cost of what a stream keeps has changed by so much. */
  buffered(stream: SpdyStream, change: number): void;
  /** Both directions have ended, or it was reset or destroyed. */
  closed(stream: SpdyStream): void;
}

/**
 * Its readable side is what the peer sends, `end()` half-closes, `destroy()` resets. A reset by the peer, and the end of
 * the session, destroy it with an Aborted or Unavailable error; such an error needs no listener.
 */
export class SpdyStream extends Duplex {
  readonly streamId: number;
  /** Those that it was opened with. */
  readonly headers: SpdyHeaders;
  readonly #link: SpdyLink;
  /** What came and was not asked for yet. Node's own buffer holds one piece at most, so that this one counts. */
  #pieces: Buffer[] = [];
  #cost = 0;
  #wanted = false;
  #peerEnded = false;
  #endPushed = false;
  #finSent = false;
  #gone = false;
  #discards = false;

  constructor(link: SpdyLink, streamId: number, headers: SpdyHeaders) {
    super({ readableHighWaterMark: 1, decodeStrings: true });
    this.#link = link;
    this.streamId = streamId;
    this.headers = headers;
    // Who uses the stream learns it by 'close' or a failed write; a client that goes away must not end the process.
    this.on("error", () => {});
  }

  /** Cost of what is buffered, in bytes. */
  get cost(): number {
    return this.#cost;
  }

  /** What comes from now on, and what nobody has read yet, is dropped: it holds the session back no more. */
  discardInput(): void {
    this.#discards = true;
    this.#pieces = [];
    this.#charge(-this.#cost);
    if (this.#peerEnded) this.#deliver();
    // What Node keeps, a piece and the end, goes as well.
    this.resume();
  }

  /** For the session: takes a piece that came, and the end of the peer's side. */
  receive(piece: Buffer, fin: boolean): void {
    if (this.destroyed) return;
    if (this.#peerEnded) {
      this.#reset(resetStatus.streamAlreadyClosed);
      this.destroy(new VirtualKubeletError("Invalid", "bad SPDY: data after the end of its stream"));
      return;
    }
    this.#peerEnded = fin;
    if (piece.length > 0 && !this.#discards) {
      const kept = this.readableFlowing === true && this.#wanted ? piece : ownMemory(piece);
      if (this.#wanted && this.#pieces.length === 0) this.#wanted = this.push(kept);
      else {
        this.#pieces.push(kept);
        this.#charge(kept.length + pieceCost);
      }
    }
    if (fin) this.#deliver();
  }

  /** For the session: the stream is gone without a frame of ours. */
  abandon(error: Error): void {
    this.#gone = true;
    this.destroy(error);
  }

  override _read(): void {
    this.#wanted = true;
    this.#deliver();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#link.send(this.streamId, [chunk], false, callback);
  }

  override _writev(
    items: readonly { readonly chunk: Buffer; readonly encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    const chunks = items.map((item) => item.chunk);
    this.#link.send(this.streamId, chunks, false, callback);
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#finSent = true;
    this.#link.send(this.streamId, [], true, callback);
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.#finSent || !this.#peerEnded) this.#reset(resetStatus.cancel);
    this.#pieces = [];
    this.#charge(-this.#cost);
    this.#link.closed(this);
    callback(error);
  }

  #reset(status: number): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#link.sendReset(this.streamId, status);
  }

  #deliver(): void {
    while (this.#wanted) {
      const piece = this.#pieces.shift();
      if (piece === undefined) break;
      this.#wanted = this.push(piece);
      if (this.destroyed || this.#discards) return;
      // Only now: it may make the session go on at once, and what comes then must not overtake the piece.
      this.#charge(-(piece.length + pieceCost));
    }
    if (this.#peerEnded && this.#pieces.length === 0 && !this.#endPushed) {
      this.#endPushed = true;
      this.push(null);
    }
  }

  #charge(change: number): void {
    if (change === 0) return;
    this.#cost += change;
    this.#link.buffered(this, change);
  }
}

/** A small part of a large chunk would keep all of that in memory as long as it waits: it gets memory of its own. */
function ownMemory(piece: Buffer): Buffer {
  if (piece.length * 4 >= piece.buffer.byteLength) return piece;
  const copy = Buffer.allocUnsafeSlow(piece.length);
  piece.copy(copy);
  return copy;
}
