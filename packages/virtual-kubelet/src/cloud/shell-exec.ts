// Commands with arguments, input, and exit codes over a terminal that has none of it: one in which /bin/sh runs and reads what is
// typed. A mark that is made anew for each command tells where its output begins and ends; the client never sees it.
//
// Without `tty` the command has no terminal: its output is what it wrote, byte for byte; its input is typed in a code that the shell
// undoes, and has an end; its errors are kept in a file in /tmp and come after its output, or in it where no file can be written.
import { randomBytes } from "node:crypto";
import { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import { copyInto, drained } from "../host/stream-copy.ts";
import type { ContainerIO, ExecResult, TerminalSize } from "../provider/streams.ts";
import { codedLine, codedPiece, inputEnd, inputLine, inputPiece, markOf, shellLines } from "./shell-lines.ts";
import { ShellOutput, type ShownPiece } from "./shell-output.ts";

/** /bin/sh runs in it, interactively. */
export interface ShellTerminal {
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends with the shell. Read once. */
  readonly output: AsyncIterable<Uint8Array>;
  /** Absent: the size is set once, by the shell. */
  readonly resize?: ((size: TerminalSize) => Promise<void>) | undefined;
  /** Output ends then. Called more than once. */
  close(): void | Promise<void>;
}

export interface ShellExecOptions {
  readonly signal: AbortSignal;
  /** Most bytes of one write; default 1024. */
  readonly writeBytes?: number | undefined;
  /** For the shell to begin, milliseconds; default 30 000. */
  readonly beginMs?: number | undefined;
  /** Of the terminal at first, where it cannot be resized. */
  readonly size?: TerminalSize | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Resolves when the command has ended and its output is written; closes the terminal. Unsupported: there is no /bin/sh in the image;
 * Unavailable: the connection broke, or no shell answers.
 */
export async function execInShell(
  terminal: ShellTerminal,
  command: readonly string[],
  io: ContainerIO,
  options: ShellExecOptions,
): Promise<ExecResult> {
  const { signal, writeBytes = 1024, beginMs = 30_000, clock = systemClock } = options;
  const token = randomBytes(16).toString("hex");
  const output = new ShellOutput(markOf(token), io);
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  let late = false;
  const close = (): void => void closed(terminal);
  until.addEventListener("abort", close, { once: true });
  const cancel = clock.schedule(beginMs, () => {
    late = !output.hasBegun;
    if (late) over.abort();
  });
  let wake = (): void => {};
  until.addEventListener("abort", () => wake(), { once: true });
  const taken = async (lines: number): Promise<void> => {
    while (output.linesTaken < lines && !until.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await promise;
    }
  };
  const typed = async (text: string | Uint8Array): Promise<void> => {
    const bytes = typeof text === "string" ? Buffer.from(text) : text;
    for (let at = 0; at < bytes.length && !until.aborted; at += writeBytes)
      await terminal.write(bytes.subarray(at, at + writeBytes));
  };
  const request = {
    ...{ command, token, tty: io.tty, stdin: io.stdin !== undefined && !io.tty, stderr: io.stderr !== undefined },
    size: terminal.resize === undefined ? options.size : undefined,
  };
  const lines = shellLines(request).join("");
  const working: Promise<void>[] = [];
  // Where it cannot be written to, its output ends, too, and tells why.
  const inBackground = (work: Promise<void>): void => void working.push(work.catch(() => {}));
  try {
    signal.throwIfAborted();
    inBackground(typed(lines));
    let hasBegun = false;
    for await (const chunk of terminal.output) {
      const pieces = output.feed(chunk);
      wake();
      await deliver(pieces, io, until);
      if (output.hasBegun && !hasBegun) {
        hasBegun = true;
        if (io.stdin !== undefined)
          inBackground(passInput(io.stdin, { tty: io.tty, taken: output.takesCode ? taken : undefined }, typed, until));
        if (io.tty && io.resize !== undefined && terminal.resize !== undefined)
          inBackground(passSizes(io.resize, terminal.resize.bind(terminal), until));
      }
      if (output.exitCode !== undefined) return { exitCode: output.exitCode };
    }
    await deliver(output.end(), io, until);
  } catch (error) {
    if (!until.aborted) throw VirtualKubeletError.from(error);
  } finally {
    cancel();
    until.removeEventListener("abort", close);
    over.abort();
    await closed(terminal);
    await Promise.all(working);
  }
  if (signal.aborted) throw VirtualKubeletError.from(signal.reason);
  throw notEnded(output, lines, late, beginMs);
}

/** `reason` of the error for a command that began, and whose end the connection did not live to tell: its container may have ended by it. */
export const connectionEnded = "ConnectionEnded";

function notEnded(output: ShellOutput, typed: string, late: boolean, beginMs: number): VirtualKubeletError {
  if (output.hasBegun)
    return new VirtualKubeletError("Unavailable", "the connection to the container ended before the command did", {
      reason: connectionEnded,
    });
  if (late)
    return new VirtualKubeletError("Unavailable", `no shell in the container answered within ${beginMs / 1000} s`);
  // Not what the terminal shows of the command that was typed.
  const said = output.before
    .split(/[^ -~]+/)
    .filter((line) => line.trim() !== "" && !typed.includes(line.trim()))
    .join(" ")
    .slice(-200);
  return new VirtualKubeletError(
    "Unsupported",
    `commands run by a shell here: the container's image needs /bin/sh${said === "" ? "" : ` (${said})`}`,
  );
}

async function deliver(pieces: readonly ShownPiece[], io: ContainerIO, signal: AbortSignal): Promise<void> {
  for (const { stream, data } of pieces) {
    const to = stream === "stdout" ? io.stdout : io.stderr;
    if (to === undefined || to.destroyed || to.writableEnded) continue;
    if (!to.write(data)) await drained(to, signal);
  }
}

async function passInput(
  stdin: NonNullable<ContainerIO["stdin"]>,
  { tty, taken }: { readonly tty: boolean; readonly taken: ((lines: number) => Promise<void>) | undefined },
  typed: (text: string | Uint8Array) => Promise<void>,
  until: AbortSignal,
): Promise<void> {
  let coded = 0;
  const write = async (chunk: Buffer): Promise<void> => {
    if (tty) return await typed(chunk);
    // Its processes are worth it for more than a line of the other.
    const isCoded = taken !== undefined && chunk.length > inputPiece;
    const [size, line] = isCoded ? [codedPiece, codedLine] : [inputPiece, inputLine];
    for (let at = 0; at < chunk.length && !until.aborted; at += size) {
      await typed(line(chunk.subarray(at, at + size)));
      if (isCoded) await taken(++coded);
    }
  };
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => void write(chunk).then(() => done(), done),
    // With a terminal, an end would be typed into it.
    final: (done) => void (tty ? Promise.resolve() : typed(inputEnd)).then(() => done(), done),
  });
  await copyInto(stdin, sink, until);
  if (until.aborted) sink.destroy();
  else await finished(sink.end());
}

async function passSizes(
  sizes: AsyncIterable<TerminalSize>,
  resize: (size: TerminalSize) => Promise<void>,
  until: AbortSignal,
): Promise<void> {
  const iterator = sizes[Symbol.asyncIterator]();
  const left = Promise.withResolvers<undefined>();
  until.addEventListener("abort", () => left.resolve(undefined), { once: true });
  for (;;) {
    const next = await Promise.race([iterator.next(), left.promise]);
    if (next === undefined || next.done === true || until.aborted) break;
    await resize(next.value);
  }
  // Not waited for: it may end with the client alone.
  void Promise.resolve(iterator.return?.()).catch(() => {});
}

async function closed(terminal: ShellTerminal): Promise<void> {
  try {
    await terminal.close();
  } catch {
    // It is closed, one way or another.
  }
}
