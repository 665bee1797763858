// Headers of tar archives, as far as files, directories and symbolic links go: ustar, and long names of PAX and GNU. Pure.
export const blockBytes = 512;

export interface TarHeader {
  readonly name: string;
  /** "0" file, "5" directory, "2" symbolic link, "x" and "L" what the next header says otherwise; others unknown. */
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  /** Seconds since the epoch. */
  readonly modified: number;
  readonly linkName: string;
}

/** Bytes from `size` to the next block. */
export function padding(size: number): number {
  return (blockBytes - (size % blockBytes)) % blockBytes;
}

/** The header, with one for its long names before it where they do not fit. */
export function writeHeader(header: TarHeader): Uint8Array {
  const long = [
    ...(Buffer.byteLength(header.name) > 100 ? [`path=${header.name}`] : []),
    ...(Buffer.byteLength(header.linkName) > 100 ? [`linkpath=${header.linkName}`] : []),
  ];
  if (long.length === 0) return ustar(header);
  const records = Buffer.from(long.map(record).join(""));
  const pax = ustar({ ...header, name: "PaxHeader", linkName: "", type: "x", mode: 0o644, size: records.length });
  return Buffer.concat([pax, records, Buffer.alloc(padding(records.length)), ustar(header)]);
}

/** The record's length counts itself. */
function record(text: string): string {
  const rest = Buffer.byteLength(text) + 2;
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return `${length} ${text}\n`;
}

function ustar({ name, type, mode, size, modified, linkName }: TarHeader): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, width: number): void => {
    block.write(
      `${Math.max(0, Math.floor(value))
        .toString(8)
        .padStart(width - 1, "0")}\0`,
      at,
      "latin1",
    );
  };
  Buffer.from(name).copy(block, 0, 0, 100);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(modified, 136, 12);
  block.write(type, 156, "latin1");
  Buffer.from(linkName).copy(block, 157, 0, 100);
  block.write("ustar\x0000root", 257, "latin1");
  block.write("root", 297, "latin1");
  block.write(`${checksum(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** "end" for a block of zeros, undefined for what is no header. */
export function readHeader(bytes: Uint8Array): TarHeader | "end" | undefined {
  if (bytes.length < blockBytes) return undefined;
  if (bytes.every((byte) => byte === 0)) return "end";
  const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (number(block, 148, 8) !== checksum(block)) return undefined;
  const size = number(block, 124, 12);
  const mode = number(block, 100, 8);
  if (size === undefined || mode === undefined) return undefined;
  const prefix = text(block, 257, 5) === "ustar" && block[262] === 0 ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  const type = block[156] === 0 ? "0" : String.fromCharCode(block[156] ?? 0);
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    type: type === "0" && name.endsWith("/") ? "5" : type,
    mode: mode & 0o7777,
    size,
    modified: number(block, 136, 12) ?? 0,
    linkName: text(block, 157, 100),
  };
}

/** The records of a PAX header; what is malformed ends them. */
export function readRecords(bytes: Uint8Array): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  const whole = Buffer.from(bytes);
  for (let at = 0; at < whole.length; ) {
    const space = whole.indexOf(32, at);
    const length = Number(whole.toString("latin1", at, space));
    if (space < 0 || !Number.isSafeInteger(length) || length <= space - at || at + length > whole.length) break;
    const line = whole.toString("utf8", space + 1, at + length - 1);
    const equals = line.indexOf("=");
    if (equals > 0) records.set(line.slice(0, equals), line.slice(equals + 1));
    at += length;
  }
  return records;
}

function text(block: Buffer, at: number, width: number): string {
  const end = block.indexOf(0, at);
  return block.toString("utf8", at, end < 0 || end > at + width ? at + width : end);
}

function number(block: Buffer, at: number, width: number): number | undefined {
  const first = block[at] ?? 0;
  if (first >= 0x80) {
    // GNU: the rest is a number in bytes.
    let value = first & 0x7f;
    for (let index = at + 1; index < at + width; index++) value = value * 256 + (block[index] ?? 0);
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = block.toString("latin1", at, at + width).replaceAll(/[\0 ]/g, "");
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits === "" ? "0" : digits, 8) : undefined;
}

/** The sum of all bytes, with spaces for the field that holds it. */
function checksum(block: Uint8Array): number {
  let sum = 0;
  for (const [index, byte] of block.entries()) sum += index >= 148 && index < 156 ? 32 : byte;
  return sum;
}
