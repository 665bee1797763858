// Connects a client with the main process of a run: its output from now on, and its input where it has one.
import { constants, openSync, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { VirtualKubeletError } from "../../errors.ts";
import { Movement } from "../../host/movement.ts";
import { isMissing } from "../../host/state-files.ts";
import { copyInto, drained } from "../../host/stream-copy.ts";
import type { ContainerIO } from "../../provider/streams.ts";
import type { CallContext } from "../../provider.ts";
import type { LiveRun } from "./live-run.ts";
import type { OutputStream } from "./log-lines.ts";
import { followSizes, terminalHolder } from "./terminal.ts";

const readSize = 64 * 1024;
/** A client whose input has ended gets what the process says to it: until nothing comes for so long, or it never ends. */
const quietMs = 1000;
const longestMs = 2000;

export async function attachToRun(run: LiveRun, io: ContainerIO, { signal }: CallContext): Promise<void> {
  signal.throwIfAborted();
  const state = run.record.state();
  if (state.type !== "running") throw new VirtualKubeletError("NotFound", `container ${run.ref.name} is not running`);
  const { spec } = run.record;
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  // Before anything is typed: its answer is to be seen.
  const from = { stdout: sizeOf(run, "stdout"), stderr: sizeOf(run, "stderr") };
  const movement = new Movement();
  const output = Promise.all([
    follow(run, "stdout", from.stdout, io.stdout, until, movement.moved),
    follow(run, "stderr", from.stderr, spec.tty ? undefined : io.stderr, until, movement.moved),
  ]).then(() => {});
  const sizes = spec.tty ? io.resize?.[Symbol.asyncIterator]() : undefined;
  const resizing = sizes && followSizes(sizes, () => terminalHolder(state.main.pid), until);
  const once = spec.stdinOnce && !spec.tty;
  const input = io.stdin !== undefined && (spec.stdin || spec.tty) ? feed(run, io.stdin, once, until) : undefined;
  try {
    // An input that was for once ends alone; else its client has left.
    const answered = (): Promise<void> => movement.quiet({ quietMs, longestMs, signal: until });
    await Promise.race([output, ...(input === undefined || once ? [] : [input.then(answered)])]);
    signal.throwIfAborted();
  } finally {
    over.abort();
    await Promise.all([output, input, resizing]);
  }
}

function sizeOf(run: LiveRun, stream: OutputStream): number {
  return statSync(join(run.record.directory, stream), { throwIfNoEntry: false })?.size ?? 0;
}

/** What comes on a stream after so many bytes, until the run is over. */
async function follow(
  run: LiveRun,
  stream: OutputStream,
  from: number,
  to: Writable | undefined,
  signal: AbortSignal,
  moved: () => void,
): Promise<void> {
  if (to === undefined) return ended(run, signal);
  const path = join(run.record.directory, stream);
  let file: FileHandle | undefined;
  const floor = { stdout: Number.MAX_SAFE_INTEGER, stderr: Number.MAX_SAFE_INTEGER };
  const release = run.log.hold(floor);
  try {
    let at = from;
    for (floor[stream] = at; !signal.aborted; floor[stream] = at) {
      const wake = new AbortController();
      const changed = run.log.changed(AbortSignal.any([signal, wake.signal, AbortSignal.timeout(1000)]));
      const { isOver } = run.record;
      file ??= await openOrNone(path);
      const read = await file?.read(Buffer.allocUnsafe(readSize), 0, readSize, at);
      if (read !== undefined && read.bytesRead > 0) {
        at += read.bytesRead;
        moved();
        if (!to.destroyed && !to.write(read.buffer.subarray(0, read.bytesRead))) await drained(to, signal);
      } else if (isOver) return;
      else await changed;
      wake.abort();
    }
  } finally {
    release();
    await file?.close();
  }
}

async function ended(run: LiveRun, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !run.record.isOver)
    await run.log.changed(AbortSignal.any([signal, AbortSignal.timeout(1000)]));
}

async function feed(
  run: LiveRun,
  from: NonNullable<ContainerIO["stdin"]>,
  once: boolean,
  signal: AbortSignal,
): Promise<void> {
  const pipe = openInput(join(run.record.directory, "in"));
  if (pipe === undefined) return void from.resume();
  pipe.on("error", () => {});
  await copyInto(from, pipe, signal);
  // The end of this client's input is that of the process's only when it was to have one client.
  if (once) run.endInput();
  await new Promise<void>((resolve) => {
    pipe.once("close", () => resolve());
    if (signal.aborted) pipe.destroy();
    else pipe.end(() => pipe.destroy());
  });
}

/** undefined: nobody reads it any more. */
function openInput(path: string): Socket | undefined {
  try {
    return new Socket({
      fd: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK),
      readable: false,
      writable: true,
    });
  } catch (error) {
    if (isMissing(error) || (error instanceof Error && "code" in error && error.code === "ENXIO")) return undefined;
    throw error;
  }
}

async function openOrNone(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
