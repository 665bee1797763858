// The body of a watch: bytes to lines to events. Lines are split as bytes, so that characters cut by a chunk stay whole.
import { performance } from "node:perf_hooks";
import { setImmediate as nextTurn } from "node:timers/promises";
import { VirtualKubeletError } from "../errors.ts";
import { watchError } from "./api-errors.ts";
import type { WatchEvent } from "./client.ts";
import type { KubeObject, Resource } from "./resource.ts";
import { isObject, isStored } from "./stored.ts";

const newline = 10;
/** Decoding lets other work run after so many milliseconds. */
const turnMs = 5;

/** Cuts chunks into lines, without their newline. What follows the last newline waits for the next chunk. */
export class LineSplitter {
  /** Chunks of a line whose end has not come. */
  #parts: Buffer[] = [];

  *push(chunk: Buffer): Generator<Buffer> {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      const tail = chunk.subarray(start, end);
      start = end + 1;
      if (this.#parts.length === 0) {
        yield tail;
        continue;
      }
      const line = Buffer.concat([...this.#parts, tail]);
      this.#parts = [];
      yield line;
    }
    if (start < chunk.length) this.#parts.push(start === 0 ? chunk : chunk.subarray(start));
  }

  /** Is there a line begun and not ended? */
  get cut(): boolean {
    return this.#parts.length > 0;
  }
}

export interface DecodeOptions<T extends KubeObject> {
  readonly resource: Resource<T>;
  /** For error messages, e.g. "watch pods". */
  readonly what: string;
  readonly accept?: ((object: T) => boolean) | undefined;
}

const managedFields = Buffer.from(',"managedFields":[');
const metadataEnd = Buffer.from(']},"spec":{');

/**
 * The line's text without metadata.managedFields, which are half of a pod's bytes and are never kept: what is not parsed
 * costs nothing. The server writes them last in the metadata and the spec after it; no string can hold either mark, as a
 * quote within a string is escaped. A line of another shape is left whole.
 */
function withoutManagedFields(line: Buffer): string {
  const start = line.indexOf(managedFields);
  const end = start < 0 ? -1 : line.indexOf(metadataEnd, start);
  return end < 0 ? line.toString("utf8") : line.toString("utf8", 0, start) + line.toString("utf8", end + 1);
}

/** One line of a watch. Undefined: not wanted, or no event at all (an empty line). Throws for ERROR events and nonsense. */
export function decodeLine<T extends KubeObject>(line: Buffer, options: DecodeOptions<T>): WatchEvent<T> | undefined {
  if (line.length === 0) return undefined;
  let event: unknown;
  try {
    event = JSON.parse(withoutManagedFields(line));
  } catch (error) {
    throw new VirtualKubeletError("Unavailable", `${options.what}: a line that is no JSON`, { cause: error });
  }
  if (!isObject(event)) throw new VirtualKubeletError("Unavailable", `${options.what}: a line that is no event`);
  const { type, object } = event;
  if (type === "ERROR") throw watchError(object, options.what);
  if (type === "BOOKMARK") {
    const metadata = isObject(object) && isObject(object["metadata"]) ? object["metadata"] : {};
    const { resourceVersion, annotations } = metadata;
    if (typeof resourceVersion !== "string")
      throw new VirtualKubeletError("Unavailable", `${options.what}: a bookmark without resource version`);
    const initialEventsEnd = isObject(annotations) && annotations["k8s.io/initial-events-end"] === "true";
    return { type, resourceVersion, initialEventsEnd };
  }
  // Types to come are passed over, as client-go does.
  if (type !== "ADDED" && type !== "MODIFIED" && type !== "DELETED") return undefined;
  if (!isStored(object, options.resource))
    throw new VirtualKubeletError("Unavailable", `${options.what}: an object without name, uid or resource version`);
  if (options.accept !== undefined && !options.accept(object)) return undefined;
  return { type, object };
}

/**
 * The events of a watch's body. Ends with it; throws Unavailable when it ends within a line, which is never taken for an
 * event, since its object may be cut where it still parses.
 */
export async function* decodeWatch<T extends KubeObject>(
  chunks: AsyncIterable<Buffer>,
  options: DecodeOptions<T>,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  const lines = new LineSplitter();
  let turn = performance.now();
  for await (const chunk of chunks) {
    for (const line of lines.push(chunk)) {
      const event = decodeLine(line, options);
      if (event !== undefined) yield event;
      if (performance.now() - turn < turnMs) continue;
      await nextTurn();
      turn = performance.now();
    }
  }
  if (lines.cut) throw new VirtualKubeletError("Unavailable", `${options.what}: the stream ended within an event`);
}
