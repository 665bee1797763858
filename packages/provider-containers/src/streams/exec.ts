// Runs a command in a running container through the engine: as the container's user, with its environment.
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CallContext,
  type ContainerIO,
  type ExecResult,
  isErrorKind,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { copyInto, drained } from "@virtual-kubelet/virtual-kubelet/host";
import type { EngineClient } from "../engine/engine-client.ts";
import { killExec } from "./exec-kill.ts";
import { HeldOutput } from "./refused-command.ts";
import { TerminalSizes } from "./terminal-sizes.ts";

/** The engine may be slower to note the end than its connection is to tell it. */
const endMs = 10_000;
const endPollMs = 20;

/**
 * Resolves when it has ended and its output is written. NotFound: the container does not run; Invalid: there is no such command
 * in it; Unavailable: the engine broke off. Aborted, the command is killed where that can be done.
 */
export async function execInContainer(
  client: EngineClient,
  id: string,
  command: readonly string[],
  io: ContainerIO,
  { signal }: CallContext,
): Promise<ExecResult> {
  if (command.length === 0) throw new VirtualKubeletError("Invalid", "there is no command to run");
  const { tty } = io;
  const sizes = new TerminalSizes(tty ? io.resize : undefined);
  const size = await sizes.first(signal);
  const body = { Cmd: command, AttachStdin: io.stdin !== undefined, AttachStdout: true, AttachStderr: !tty, Tty: tty };
  const execId = await client.createExec(id, body, { signal }).catch((error: unknown) => {
    if (!isErrorKind(error, "Conflict")) throw error;
    throw new VirtualKubeletError("NotFound", `container ${id} is not running`, { cause: error });
  });
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  const held = new HeldOutput();
  let begun = false;
  try {
    const stream = await client.startExec(execId, { tty, size }, { signal });
    begun = true;
    const leave = (): void => stream.destroy();
    until.addEventListener("abort", leave, { once: true });
    // With a terminal, its end would be typed there.
    const input =
      io.stdin === undefined
        ? undefined
        : copyInto(io.stdin, stream.stdin, until).then(() => {
            if (!until.aborted) stream.stdin.end();
          });
    input?.catch(() => {});
    const resizing = sizes.follow(
      ({ width, height }) => client.resizeExec(execId, width, height, { signal: until }),
      until,
    );
    // A refusal comes where errors go; with a terminal there is one stream alone.
    await Promise.all([
      deliver(stream.stdout, io.stdout, tty ? held : undefined, until),
      deliver(stream.stderr, io.stderr, tty ? undefined : held, until),
    ]);
    const exitCode = await ended(client, execId, signal);
    const refusal = held.refusal(exitCode);
    if (refusal !== undefined) throw refusal;
    const rest = held.rest();
    const to = tty ? io.stdout : io.stderr;
    if (rest !== undefined && to?.writable === true) to.write(rest);
    over.abort();
    await Promise.all([resizing, input]);
    return { exitCode };
  } catch (error) {
    if (begun) await killExec(client, id, execId);
    signal.throwIfAborted();
    throw error;
  } finally {
    over.abort();
  }
}

/** All of it, no faster than it is taken; what nobody asked for is read all the same, or the command would wait. */
export async function deliver(
  from: AsyncIterable<unknown>,
  to: ContainerIO["stdout"],
  held: HeldOutput | undefined,
  signal: AbortSignal,
): Promise<void> {
  for await (const chunk of from) {
    if (!(chunk instanceof Uint8Array)) continue;
    const data = held === undefined ? chunk : held.take(chunk);
    if (data === undefined || to === undefined || to.destroyed || to.writableEnded) continue;
    if (!to.write(data)) await drained(to, signal);
  }
}

async function ended(client: EngineClient, execId: string, signal: AbortSignal): Promise<number> {
  for (const deadline = performance.now() + endMs; ; await sleep(endPollMs, undefined, { signal })) {
    const { running, exitCode } = await client.inspectExec(execId, { signal });
    if (!running && exitCode !== undefined) return exitCode;
    if (performance.now() > deadline)
      throw new VirtualKubeletError("Unavailable", "the engine does not tell how the command ended");
  }
}
