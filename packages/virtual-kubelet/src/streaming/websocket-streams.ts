// Node streams over a WebSocket: what is not read holds the client back, what the client does not read holds the writer back.
import { Duplex, Readable, Writable } from "node:stream";
import { VirtualKubeletError } from "../errors.ts";
import type { WebSocketWire } from "./websocket-wire.ts";

/** Bytes that a stream keeps before it holds its other end back. */
const highWaterMark = 64 * 1024;
/** Content of one message to the client. */
const maxPieceBytes = 64 * 1024;

/** Makes the message that carries a piece of content. */
export type EncodePiece = (piece: Buffer) => Buffer | string;

/** What comes in for one stream: the way from the wire to who reads it. */
export class Inlet {
  readonly #wire: WebSocketWire;
  readonly #stream: Readable;
  #ended = false;

  constructor(wire: WebSocketWire, stream: Readable) {
    this.#wire = wire;
    this.#stream = stream;
  }

  /** Holds the wire while the stream is full. After the end, or when nobody wants it any more, the data is dropped. */
  receive(data: Buffer): void {
    if (this.#ended || this.#stream.destroyed || data.length === 0) return;
    this.#wire.touch();
    if (!this.#stream.push(data)) this.#wire.hold(this.#stream);
  }

  end(): void {
    if (this.#ended || this.#stream.destroyed) return;
    this.#ended = true;
    this.#stream.push(null);
  }
}

/** The client's side of one channel. */
export function channelInput(wire: WebSocketWire): { readonly stream: Readable; readonly inlet: Inlet } {
  const stream = new Readable({
    highWaterMark,
    read: () => wire.release(stream),
    destroy: (error, done) => {
      wire.release(stream);
      done(error);
    },
  });
  return { stream: tolerant(stream), inlet: new Inlet(wire, stream) };
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
    highWaterMark,
    read: () => wire.release(stream),
    final: (done) => void on.ended().then(() => done(), done),
    destroy: (error, done) => {
      wire.release(stream);
      on.destroyed(error);
      done(error);
    },
  });
  return { stream: tolerant(stream), inlet: new Inlet(wire, stream) };
}

type Done = (error?: Error | null) => void;

interface Writing {
  readonly write: (chunk: unknown, encoding: BufferEncoding, done: Done) => void;
  readonly writev: (chunks: readonly { readonly chunk: unknown }[], done: Done) => void;
}

function writing(wire: WebSocketWire, encode: EncodePiece): Writing {
  return {
    write: (chunk, _encoding, done) => sendPieces(wire, encode, bufferOf(chunk), done),
    // Many small writes become few messages: a message costs more than its bytes.
    writev: (chunks, done) => sendPieces(wire, encode, Buffer.concat(chunks.map(({ chunk }) => bufferOf(chunk))), done),
  };
}

/** Sends piece after piece, no faster than the client takes them; `done` when the last one has left. */
function sendPieces(wire: WebSocketWire, encode: EncodePiece, data: Buffer, done: Done): void {
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
      wire.send(encode(piece), mustWait ? next : ignore);
      if (mustWait) return;
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
