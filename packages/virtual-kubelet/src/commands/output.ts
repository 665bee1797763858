// Writes at the reader's pace.
import { once } from "node:events";

/** Resolves when more may be written. */
export async function writeAll(stream: NodeJS.WriteStream, data: Buffer): Promise<void> {
  if (!stream.write(data)) await once(stream, "drain");
}
