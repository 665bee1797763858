// Node streams over a WebSocket: what is not read holds the client back, what the client does not read holds the writer back.
import { Duplex, Readable, Writable } from "node:stream";
import { VirtualKubeletError } from "../errors.ts";
import type { WebSocketWire } from "./websocket-wire.ts";

/** Content that a stream keeps, in bytes, before it holds its other end back. */
const highWaterMark = 64 * 1024;
/** Content of one message to the client. */
const maxPieceBytes = 64 * 1024;
/** Shorter content that has to be kept is copied together: an object for each of a thousand bytes would cost a hundred times as much. */
const shortBytes = 1024;
const crumbsBytes = 4096;

/** From this length on, content is put into a message whose memory is used again: what is allocated for each costs its copying and a garbage collection many times over. */
const longPiece = 4096;

/** Makes the message that carries a piece of content, in `room` where there is some and it can be used. */
export type EncodePiece = (piece: Buffer, room?: Buffer) => Buffer | string;

/** What comes in for one stream: the way from the wire to who reads it. */
export class Inlet {
  readonly #wire: WebSocketWire;
  readonly #stream: Readable;
  /** Came and was not asked for yet. Node's own buffer is given one piece at a time, so that this one counts. */
  #pieces: { readonly data: Buffer; readonly cost: number }[] = [];
  /** Short content, after the pieces. */
  #crumbs: Buffer | undefined;
  #crumbsLength = 0;
  #cost = 0;
  #wanted = false;
  #ended = false;

  constructor(wire: WebSocketWire, stream: Readable) {
    this.#wire = wire;
    this.#stream = stream;
  }

  /** Holds the wire while too much is kept. After the end, or when nobody wants it any more, the data is dropped. */
  receive(data: Buffer): void {
    if (this.#ended || this.#stream.destroyed || data.length === 0) return;
    this.#wire.touch();
    if (this.#wanted) {
      this.#wanted = this.#stream.push(data);
      return;
    }
    if (data.length < shortBytes) this.#addCrumbs(data);
    else {
      this.#closeCrumbs();
      this.#pieces.push({ data, cost: data.length });
      this.#cost += data.length;
    }
    if (this.#cost > highWaterMark) this.#wire.hold(this);
  }

  end(): void {
    if (this.#ended || this.#stream.destroyed) return;
    this.#ended = true;
    this.#deliver();
  }

  /** The stream is read. */
  want(): void {
    this.#wanted = true;
    this.#deliver();
  }

  /** The stream was destroyed. */
  drop(): void {
    this.#pieces = [];
    this.#crumbs = undefined;
    this.#wire.release(this);
  }

  #addCrumbs(data: Buffer): void {
    if (this.#crumbs === undefined || this.#crumbs.length - this.#crumbsLength < data.length) {
      this.#closeCrumbs();
      this.#crumbs = Buffer.allocUnsafeSlow(crumbsBytes);
      this.#crumbsLength = 0;
      this.#cost += crumbsBytes;
    }
    this.#crumbsLength += data.copy(this.#crumbs, this.#crumbsLength);
  }

  #closeCrumbs(): void {
    if (this.#crumbs !== undefined)
      this.#pieces.push({ data: this.#crumbs.subarray(0, this.#crumbsLength), cost: crumbsBytes });
    this.#crumbs = undefined;
  }

  #deliver(): void {
    while (this.#wanted) {
      if (this.#pieces.length === 0) this.#closeCrumbs();
      const piece = this.#pieces.shift();
      if (piece === undefined) break;
      this.#wanted = this.#stream.push(piece.data);
      if (this.#stream.destroyed) return;
      this.#cost -= piece.cost;
      // Only now: what comes when the wire goes on must not overtake the piece.
      if (this.#cost <= highWaterMark) this.#wire.release(this);
    }
    if (this.#ended && this.#cost === 0 && !this.#stream.readableEnded) this.#stream.push(null);
  }
}

/** The client's side of one channel. */
export function channelInput(wire: WebSocketWire): { readonly stream: Readable; readonly inlet: Inlet } {
  const stream = new Readable({
    highWaterMark: 1,
    read: () => inlet.want(),
    destroy: (error, done) => {
      inlet.drop();
      done(error);
    },
  });
  const inlet = new Inlet(wire, stream);
  return { stream: tolerant(stream), inlet };
}

/** Our side of one channel. Its end is nothing that the wire can say. */
export function channelOutput(wire: WebSocketWire, encode: EncodePiece): Writable {
  return tolerant(new Writable({ ...writing(wire, encode), highWaterMark }));
}

/** Both ways in one. `ended` is called when all that was written has left, `destroyed` when nobody wants it any more. */
export function channelDuplex(
  wire: WebSocketWire,
  encode: EncodePiece,
  on: { readonly ended: () => Promise<void>; readonly destroyed: (error: Error | null) => void },
): { readonly stream: Duplex; readonly inlet: Inlet } {
  const stream = new Duplex({
    ...writing(wire, encode),
    writableHighWaterMark: highWaterMark,
    readableHighWaterMark: 1,
    read: () => inlet.want(),
    final: (done) => void on.ended().then(() => done(), done),
    destroy: (error, done) => {
      inlet.drop();
      on.destroyed(error);
      done(error);
    },
  });
  const inlet = new Inlet(wire, stream);
  return { stream: tolerant(stream), inlet };
}

type Done = (error?: Error | null) => void;

interface Writing {
  readonly write: (chunk: unknown, encoding: BufferEncoding, done: Done) => void;
  readonly writev: (chunks: readonly { readonly chunk: unknown }[], done: Done) => void;
}

function writing(wire: WebSocketWire, encode: EncodePiece): Writing {
  let room: Buffer | undefined;
  // Of a stream, one message at a time is waited for.
  const encodeAwaited: EncodePiece = (piece) => {
    if (piece.length < longPiece) return encode(piece);
    room ??= Buffer.allocUnsafeSlow(1 + maxPieceBytes);
    return encode(piece, room);
  };
  const encoders = { encode, encodeAwaited };
  return {
    write: (chunk, _encoding, done) => sendPieces(wire, encoders, bufferOf(chunk), done),
    // Many small writes become few messages: a message costs more than its bytes.
    writev: (chunks, done) =>
      sendPieces(wire, encoders, Buffer.concat(chunks.map(({ chunk }) => bufferOf(chunk))), done),
  };
}

interface Encoders {
  readonly encode: EncodePiece;
  /** For a message that is the last until it has left. */
  readonly encodeAwaited: EncodePiece;
}

/** Sends piece after piece, no faster than the client takes them; `done` when the last one has left. */
function sendPieces(wire: WebSocketWire, { encode, encodeAwaited }: Encoders, data: Buffer, done: Done): void {
  let offset = 0;
  const next = (error?: Error | null): void => {
    if (error !== undefined && error !== null) {
      done(error);
      return;
    }
    while (offset < data.length) {
      const piece = data.subarray(offset, offset + maxPieceBytes);
      offset += piece.length;
      const mustWait = offset >= data.length || wire.isFull;
      if (!mustWait) wire.send(encode(piece), ignore);
      else {
        wire.send(encodeAwaited(piece), next);
        return;
      }
    }
    done();
  };
  next();
}

/** The error of a message in the middle comes with the last one again. */
function ignore(): void {}

/** Streams that decode strings hand over bytes alone. */
function bufferOf(chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk;
  if (chunk instanceof Uint8Array) return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new VirtualKubeletError("Internal", "a stream was given something other than bytes");
}

/** What fails here fails because the client left, and the signal tells: who listens to that alone must not bring the process down. */
function tolerant<S extends Readable | Writable>(stream: S): S {
  stream.on("error", () => {});
  return stream;
}
