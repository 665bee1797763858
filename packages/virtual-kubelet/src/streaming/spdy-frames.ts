// Frames of SPDY/3.1: bytes to frames and back. Pure: knows neither sockets nor streams, and leaves header blocks compressed.
import { VirtualKubeletError } from "../errors.ts";

/** Control frames above this are refused. Those of Kubernetes are some hundred bytes long; the format allows 16 MiB. */
export const longestControlFrame: number = 16 * 1024;

/** What a data frame can carry at most. */
export const longestDataFrame: number = 2 ** 24 - 1;

/** Status codes of RST_STREAM. */
export const resetStatus = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  internalError: 6,
  streamAlreadyClosed: 9,
} as const;

/** Status codes of GOAWAY. */
export const goAwayStatus = { ok: 0, protocolError: 1, internalError: 2 } as const;

export type SpdyFrame =
  /** A piece of a data frame, as it came; `fin` is set on the last piece alone. Shares memory with what was pushed. */
  | { readonly type: "data"; readonly streamId: number; readonly data: Buffer; readonly fin: boolean }
  | {
      readonly type: "synStream";
      readonly streamId: number;
      readonly fin: boolean;
      readonly unidirectional: boolean;
      /** Compressed. */
      readonly block: Buffer;
    }
  | { readonly type: "synReply"; readonly streamId: number; readonly fin: boolean; readonly block: Buffer }
  | { readonly type: "headers"; readonly streamId: number; readonly fin: boolean; readonly block: Buffer }
  | { readonly type: "rstStream"; readonly streamId: number; readonly status: number }
  | { readonly type: "ping"; readonly id: number }
  | { readonly type: "goAway"; readonly lastGoodStreamId: number; readonly status: number };

const version = 3;
const frameTypes = { synStream: 1, synReply: 2, rstStream: 3, ping: 6, goAway: 7, headers: 8 } as const;
const flagFin = 1;
const flagUnidirectional = 2;
const headerLength = 8;
const nothing = Buffer.alloc(0);

interface ControlHeader {
  readonly type: number;
  readonly flags: number;
  readonly length: number;
}

/**
 * Cuts a byte stream into frames. Data is handed on as it comes, without a copy and without waiting for the end of its
 * frame; of control frames at most `longestControlFrame` bytes are kept.
 */
export class SpdyFrameParser {
  #chunks: Buffer[] = [];
  /** Where the unread part of the first chunk starts. */
  #at = 0;
  /** A header or payload that came in parts, and how much of it is there. */
  #parts: Buffer | undefined;
  #partsLength = 0;
  #control: ControlHeader | undefined;
  #dataStream = 0;
  #dataLeft = 0;
  #dataFin = false;

  /** Adds bytes. They are not copied, and kept until `next` has consumed them. */
  push(chunk: Buffer): void {
    if (chunk.length > 0) this.#chunks.push(chunk);
  }

  /** The next frame, or undefined until more bytes are pushed. Throws Invalid for what is no SPDY/3: there is no going on then. */
  next(): SpdyFrame | undefined {
    for (;;) {
      if (this.#dataLeft > 0) return this.#nextData();
      const control = this.#control;
      if (control === undefined) {
        const header = this.#take(headerLength);
        if (header === undefined) return undefined;
        const frame = this.#begin(header.readUInt32BE(0), header.readUInt32BE(4));
        if (frame !== undefined) return frame;
      } else {
        const payload = this.#take(control.length);
        if (payload === undefined) return undefined;
        this.#control = undefined;
        const frame = decodeControl(control, payload);
        if (frame !== undefined) return frame;
      }
    }
  }

  #begin(first: number, second: number): SpdyFrame | undefined {
    const flags = second >>> 24;
    const length = second & longestDataFrame;
    if (first >= 0x8000_0000) {
      if (((first >>> 16) & 0x7fff) !== version) throw invalid(`version ${(first >>> 16) & 0x7fff} of a control frame`);
      if (length > longestControlFrame) throw invalid(`control frame of ${length} bytes`);
      this.#control = { type: first & 0xffff, flags, length };
      return undefined;
    }
    if (first === 0) throw invalid("data for stream 0");
    const fin = (flags & flagFin) !== 0;
    if (length === 0) return fin ? { type: "data", streamId: first, data: nothing, fin } : undefined;
    this.#dataStream = first;
    this.#dataLeft = length;
    this.#dataFin = fin;
    return undefined;
  }

  #nextData(): SpdyFrame | undefined {
    const chunk = this.#chunks[0];
    if (chunk === undefined) return undefined;
    const length = Math.min(this.#dataLeft, chunk.length - this.#at);
    const data = chunk.subarray(this.#at, this.#at + length);
    this.#advance(chunk, length);
    this.#dataLeft -= length;
    return { type: "data", streamId: this.#dataStream, data, fin: this.#dataFin && this.#dataLeft === 0 };
  }

  /** So many bytes in one piece, or undefined until all of them are there. */
  #take(length: number): Buffer | undefined {
    if (length === 0) return nothing;
    const first = this.#chunks[0];
    if (first === undefined) return undefined;
    if (this.#parts === undefined) {
      if (first.length - this.#at >= length) {
        const taken = first.subarray(this.#at, this.#at + length);
        this.#advance(first, length);
        return taken;
      }
      this.#parts = Buffer.allocUnsafe(length);
      this.#partsLength = 0;
    }
    while (this.#partsLength < length) {
      const chunk = this.#chunks[0];
      if (chunk === undefined) return undefined;
      const copied = chunk.copy(this.#parts, this.#partsLength, this.#at);
      this.#partsLength += copied;
      this.#advance(chunk, copied);
    }
    const taken = this.#parts;
    this.#parts = undefined;
    return taken;
  }

  #advance(chunk: Buffer, by: number): void {
    this.#at += by;
    if (this.#at < chunk.length) return;
    this.#chunks.shift();
    this.#at = 0;
  }
}

/** Undefined for frames without a meaning here: settings, windows (there is no flow control), and unknown ones. */
function decodeControl(header: ControlHeader, payload: Buffer): SpdyFrame | undefined {
  const fin = (header.flags & flagFin) !== 0;
  const need = (exactly: boolean, length: number): void => {
    if (exactly ? payload.length !== length : payload.length < length) {
      throw invalid(`control frame of type ${header.type} with ${payload.length} bytes`);
    }
  };
  const streamIdAt = (offset: number): number => {
    const id = payload.readUInt32BE(offset) & 0x7fff_ffff;
    if (id === 0) throw invalid(`control frame of type ${header.type} for stream 0`);
    return id;
  };
  switch (header.type) {
    case frameTypes.synStream:
      need(false, 10);
      return {
        type: "synStream",
        streamId: streamIdAt(0),
        fin,
        unidirectional: (header.flags & flagUnidirectional) !== 0,
        block: payload.subarray(10),
      };
    case frameTypes.synReply:
      need(false, 4);
      return { type: "synReply", streamId: streamIdAt(0), fin, block: payload.subarray(4) };
    case frameTypes.headers:
      need(false, 4);
      return { type: "headers", streamId: streamIdAt(0), fin, block: payload.subarray(4) };
    case frameTypes.rstStream:
      need(true, 8);
      return { type: "rstStream", streamId: streamIdAt(0), status: payload.readUInt32BE(4) };
    case frameTypes.ping:
      need(true, 4);
      return { type: "ping", id: payload.readUInt32BE(0) };
    case frameTypes.goAway:
      need(true, 8);
      return {
        type: "goAway",
        lastGoodStreamId: payload.readUInt32BE(0) & 0x7fff_ffff,
        status: payload.readUInt32BE(4),
      };
    default:
      return undefined;
  }
}

/** What stands before `length` (at most `longestDataFrame`) bytes of data. */
export function encodeDataHeader(streamId: number, length: number, fin: boolean): Buffer {
  const header = Buffer.allocUnsafe(headerLength);
  writeDataHeader(header, streamId, length, fin);
  return header;
}

/** A whole data frame in one piece: for little data, where a second write costs more than the copy. */
export function encodeData(streamId: number, chunks: readonly Buffer[], length: number, fin: boolean): Buffer {
  const frame = Buffer.allocUnsafe(headerLength + length);
  writeDataHeader(frame, streamId, length, fin);
  let at = headerLength;
  for (const chunk of chunks) at += chunk.copy(frame, at);
  return frame;
}

function writeDataHeader(into: Buffer, streamId: number, length: number, fin: boolean): void {
  into.writeUInt32BE(streamId, 0);
  into.writeUInt32BE(((fin ? flagFin : 0) << 24) | length, 4);
}

/** Opens a stream with a compressed header block. */
export function encodeSynStream(streamId: number, block: Buffer, fin: boolean): Buffer {
  const payload = Buffer.alloc(10);
  payload.writeUInt32BE(streamId, 0);
  return encodeControl(frameTypes.synStream, fin ? flagFin : 0, [payload, block]);
}

export function encodeSynReply(streamId: number, block: Buffer): Buffer {
  return encodeControl(frameTypes.synReply, 0, [words(streamId), block]);
}

export function encodeRstStream(streamId: number, status: number): Buffer {
  return encodeControl(frameTypes.rstStream, 0, [words(streamId, status)]);
}

export function encodePing(id: number): Buffer {
  return encodeControl(frameTypes.ping, 0, [words(id)]);
}

export function encodeGoAway(lastGoodStreamId: number, status: number): Buffer {
  return encodeControl(frameTypes.goAway, 0, [words(lastGoodStreamId, status)]);
}

function encodeControl(type: number, flags: number, payload: readonly Buffer[]): Buffer {
  const length = payload.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([words(0x8000_0000 + version * 0x1_0000 + type, flags * 0x100_0000 + length), ...payload]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.allocUnsafe(4 * values.length);
  values.forEach((value, index) => {
    bytes.writeUInt32BE(value, 4 * index);
  });
  return bytes;
}

function invalid(what: string): VirtualKubeletError {
  return new VirtualKubeletError("Invalid", `bad SPDY: ${what}`);
}
