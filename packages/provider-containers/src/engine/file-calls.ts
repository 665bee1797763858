// Small files out of a container's file system, whether it runs or not.
import { posix } from "node:path";
import { isErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type EngineCalls, part } from "./engine-calls.ts";
import type { CallOptions } from "./engine-client.ts";

const blockBytes = 512;
/** Larger ones are refused. */
const mostBytes = 1024 * 1024;

/** An image's own links; each is the engine's to look up, within the container. */
const mostLinks = 8;

/** Links are followed. Undefined: there is no such file, or it is no regular one. */
export async function readContainerFile(
  calls: EngineCalls,
  id: string,
  path: string,
  options: CallOptions,
): Promise<Uint8Array | undefined> {
  let at = path;
  for (let links = 0; links <= mostLinks; links++) {
    const found = await readOne(calls, id, at, options);
    if (found === undefined || !("link" in found)) return found;
    at = posix.resolve("/", posix.dirname(at), found.link);
  }
  return undefined;
}

async function readOne(
  calls: EngineCalls,
  id: string,
  path: string,
  options: CallOptions,
): Promise<Uint8Array | Link | undefined> {
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

export interface Link {
  readonly link: string;
}

/** Of a tar file that has begun to come. `longLink`: of the header before, for what does not fit into one. */
function firstFile(tar: Buffer, longLink = ""): Uint8Array | Link | undefined | "more" {
  if (tar.length < blockBytes) return "more";
  const type = tar.toString("latin1", 156, 157);
  if (type === "2") return { link: longLink || tar.toString("utf8", 157, 257).replace(/\0.*$/s, "") };
  const size = Number.parseInt(tar.toString("latin1", 124, 136), 8);
  if (!Number.isSafeInteger(size) || !["0", "\0", "x"].includes(type)) return undefined;
  if (tar.length < blockBytes + size) return "more";
  const content = tar.subarray(blockBytes, blockBytes + size);
  if (type !== "x") return content;
  // Further attributes of what comes next.
  const link = /^\d+ linkpath=(.*)$/m.exec(content.toString())?.[1];
  return firstFile(tar.subarray(blockBytes + Math.ceil(size / blockBytes) * blockBytes), link);
}
