// Header blocks of SPDY/3: names and values, compressed by zlib with one context for each direction of a connection.
import { constants, inflateRawSync } from "node:zlib";
import { VirtualKubeletError } from "../errors.ts";
import { spdyDictionary, spdyDictionaryId } from "./spdy-dictionary.ts";

/** By name in lower case; of several values the first. */
export type SpdyHeaders = ReadonlyMap<string, string>;

/** Blocks that grow past this when inflated are refused; those of Kubernetes have some hundred bytes. */
export const longestHeaderBlock: number = 32 * 1024;
const mostHeaders = 128;

/** As far back as deflate can refer. */
const windowSize = 32 * 1024;
/** An empty stored block: what a sync flush ends with, at the border of a byte. */
const flushMark = Buffer.from([0, 0, 0xff, 0xff]);
const longestStored = 0xffff;

/**
 * Reads the header blocks of one direction, in the order in which they came: each refers to those before it.
 *
 * A sync flush ends each block at the border of a byte and of a deflate block, so that nothing but the last 32 KiB of text
 * lives on from one to the next. Each is therefore inflated by itself, at once, with those as its dictionary.
 */
export class HeaderInflater {
  #window: Buffer | undefined;

  /** Throws Invalid for what is no header block or grows too long; the connection has no future then. */
  inflate(block: Buffer): SpdyHeaders {
    const deflated = this.#window === undefined ? this.#begin(block) : block;
    if (!deflated.subarray(-flushMark.length).equals(flushMark)) throw invalid("does not end in a sync flush");
    const window = this.#window ?? Buffer.alloc(0);
    let text: Buffer;
    try {
      text = inflateRawSync(deflated, {
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: longestHeaderBlock,
        ...(window.length > 0 && { dictionary: window }),
      });
    } catch (error) {
      throw invalid("cannot be inflated", error);
    }
    this.#window = Buffer.concat([window, text]).subarray(-windowSize);
    return parseHeaderBlock(text);
  }

  /** Reads the head of the zlib stream, which only the first block has. */
  #begin(block: Buffer): Buffer {
    if (block.length < 2) throw invalid("is cut");
    const method = block.readUInt8(0);
    const head = block.readUInt16BE(0);
    if ((method & 0x0f) !== 8 || method >>> 4 > 7 || head % 31 !== 0) throw invalid("has no zlib head");
    if ((head & 0x20) === 0) return block.subarray(2);
    if (block.length < 6 || block.readUInt32BE(2) !== spdyDictionaryId) throw invalid("wants another dictionary");
    this.#window = spdyDictionary;
    return block.subarray(6);
  }
}

/** Writes the header blocks of one direction. They are stored, not squeezed: few, short, and mostly empty. */
export class HeaderDeflater {
  #begun = false;

  deflate(headers: Iterable<readonly [name: string, value: string]>): Buffer {
    const text = encodeHeaderBlock(headers);
    if (text.length > longestStored) throw invalid("is too long");
    const head = this.#begun ? [] : [0x78, 0xf9, ...idBytes];
    this.#begun = true;
    const { length } = text;
    const stored = [0, length & 0xff, length >>> 8, ~length & 0xff, (~length >>> 8) & 0xff];
    return Buffer.concat([Buffer.from([...head, ...stored]), text, Buffer.from([0]), flushMark]);
  }
}

const idBytes = [24, 16, 8, 0].map((shift) => (spdyDictionaryId >>> shift) & 0xff);

/** Reads an inflated block. Throws Invalid. */
export function parseHeaderBlock(text: Buffer): SpdyHeaders {
  const headers = new Map<string, string>();
  let at = 0;
  const word = (): number => {
    if (text.length - at < 4) throw invalid("is cut");
    at += 4;
    return text.readUInt32BE(at - 4);
  };
  const part = (): string => {
    const length = word();
    if (text.length - at < length) throw invalid("is cut");
    at += length;
    return text.toString("utf8", at - length, at);
  };
  const count = word();
  if (count > mostHeaders) throw invalid(`has ${count} headers`);
  for (let index = 0; index < count; index++) {
    const name = part().toLowerCase();
    const value = part();
    if (name === "" || headers.has(name)) throw invalid("has a header without a name or twice");
    const end = value.indexOf("\0");
    headers.set(name, end < 0 ? value : value.slice(0, end));
  }
  return headers;
}

/** The reverse of `parseHeaderBlock`; names are written in lower case. */
export function encodeHeaderBlock(headers: Iterable<readonly [name: string, value: string]>): Buffer {
  const parts: Buffer[] = [];
  let count = 0;
  for (const [name, value] of headers) {
    count++;
    for (const text of [name.toLowerCase(), value]) parts.push(uint32(Buffer.byteLength(text)), Buffer.from(text));
  }
  return Buffer.concat([uint32(count), ...parts]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function invalid(what: string, cause?: unknown): VirtualKubeletError {
  return new VirtualKubeletError("Invalid", `bad SPDY: header block ${what}`, { cause });
}
