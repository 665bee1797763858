// A tar archive of files with modes and owners, the same bytes for the same files: ustar, long names as GNU tar and busybox read them.
// Pure.

export interface TarFile {
  /** Relative. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly data: Uint8Array;
}

const block = 512;
const longestName = 100;

/** The directories on the way are made by who unpacks it. */
export function tarArchive(files: readonly TarFile[]): Uint8Array {
  const parts = files.flatMap((file) => {
    const name = Buffer.from(file.path);
    const content = [header(name, "0", file, file.data.length), padded(file.data)];
    if (name.length <= longestName) return content;
    const long = Buffer.concat([name, Buffer.alloc(1)]);
    const owner = { mode: 0o644, uid: 0, gid: 0 };
    return [header(Buffer.from("././@LongLink"), "L", owner, long.length), padded(long), ...content];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

function padded(data: Uint8Array): Uint8Array {
  return Buffer.concat([data, Buffer.alloc((block - (data.length % block)) % block)]);
}

function header(
  name: Uint8Array,
  type: string,
  { mode, uid, gid }: Pick<TarFile, "mode" | "uid" | "gid">,
  size: number,
): Uint8Array {
  const bytes = Buffer.alloc(block);
  const number = (value: number, at: number, width: number): void => {
    const octal = value.toString(8);
    if (octal.length < width) bytes.write(octal.padStart(width - 1, "0"), at, "latin1");
    else {
      // User ids from 2^21 on: in base 256, with the first bit set.
      bytes.writeUInt8(0x80, at);
      bytes.writeUIntBE(value, at + width - 6, 6);
    }
  };
  bytes.set(name.subarray(0, longestName));
  number(mode, 100, 8);
  number(uid, 108, 8);
  number(gid, 116, 8);
  number(size, 124, 12);
  number(0, 136, 12);
  bytes.write(type, 156, "latin1");
  bytes.write("ustar\x0000", 257, "latin1");
  bytes.fill(" ", 148, 156);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}
