// Small files out of a container's file system, whether it runs or not.
import { isErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type EngineCalls, part } from "./engine-calls.ts";
import type { CallOptions } from "./engine-client.ts";

const blockBytes = 512;
/** Larger ones are refused. */
const mostBytes = 1024 * 1024;

/** Undefined: there is no such file, or it is no regular one. */
export async function readContainerFile(
  calls: EngineCalls,
  id: string,
  path: string,
  options: CallOptions,
): Promise<Uint8Array | undefined> {
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  const request = calls.request(
    { method: "GET", path: `/containers/${part(id)}/archive`, query: { path } },
    { signal },
  );
  try {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of await calls.transport.stream(request)) {
      if (!(chunk instanceof Uint8Array)) continue;
      chunks.push(chunk);
      size += chunk.length;
      const content = firstFile(Buffer.concat(chunks));
      if (content !== "more") return content;
      if (size > mostBytes + 2 * blockBytes) throw new VirtualKubeletError("Invalid", `${path} is larger than 1 MiB`);
    }
    return undefined;
  } catch (error) {
    if (isErrorKind(error, "NotFound")) return undefined;
    throw error;
  } finally {
    over.abort();
  }
}

/** Of a tar file that has begun to come. */
export function firstFile(tar: Buffer): Uint8Array | undefined | "more" {
  if (tar.length < blockBytes) return "more";
  const type = tar.toString("latin1", 156, 157);
  if (type !== "0" && type !== "\0") return undefined;
  const size = Number.parseInt(tar.toString("latin1", 124, 136), 8);
  if (!Number.isSafeInteger(size)) return undefined;
  return tar.length < blockBytes + size ? "more" : tar.subarray(blockBytes, blockBytes + size);
}
