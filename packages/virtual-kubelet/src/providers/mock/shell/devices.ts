// Opening a path for reading or writing: files, and the few devices that commands like to use.
import { randomFillSync } from "node:crypto";
import { discard, emptyInput, Input, type Output } from "./bytes.ts";
import type { Files } from "./files.ts";

const zeros = new Uint8Array(64 * 1024);

/** Of a file's, before others have their turn. */
const chunksAtOnce = 16;

/** An error's text when it cannot be read. Ends when the signal aborts. */
export function openInput(files: Files, path: string, signal: AbortSignal): Input | string {
  if (path === "/dev/null") return emptyInput();
  if (path === "/dev/zero") return new Input(async () => (await unlessAborted(signal)) && zeros);
  if (path === "/dev/urandom" || path === "/dev/random") {
    return new Input(async () => (await unlessAborted(signal)) && randomFillSync(new Uint8Array(16 * 1024)));
  }
  const info = files.stat(path);
  if (info === undefined) return "No such file or directory";
  return info.kind === "directory" ? "Is a directory" : openFile(files, path, signal);
}

/** The content of a file that is there. */
export function openFile(files: Files, path: string, signal: AbortSignal): Input {
  const chunks = files.read(path);
  let count = 0;
  return new Input(async () => {
    count += 1;
    const isOver = count % chunksAtOnce === 0 ? !(await yieldToEvents(signal)) : signal.aborted;
    const next = isOver ? undefined : chunks.next();
    return next === undefined || next.done === true ? undefined : next.value;
  });
}

/** An error's text when it cannot be written. `onFull` is told when no room is left. */
export function openOutput(
  files: Files,
  path: string,
  append: boolean,
  onFull: (message: string) => void,
): Output | string {
  if (path === "/dev/null") return discard;
  if (!append || files.stat(path) === undefined) {
    const fault = files.create(path);
    if (fault !== undefined) return fault;
  } else if (files.stat(path)?.kind === "directory") return "Is a directory";
  return {
    async write(chunk) {
      const fault = files.append(path, chunk);
      if (fault !== undefined) onFull(fault);
      return fault === undefined;
    },
  };
}

/** Endless sources yield to the event loop, or nothing could end them. */
export async function yieldToEvents(signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  await new Promise<void>((resolve) => setImmediate(resolve));
  return !signal.aborted;
}

async function unlessAborted(signal: AbortSignal): Promise<true | undefined> {
  return (await yieldToEvents(signal)) ? true : undefined;
}
