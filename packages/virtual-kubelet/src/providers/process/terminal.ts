// The terminal of a command: whose it is, and how large.
import { spawn } from "node:child_process";
import { closeSync, constants, openSync, readlinkSync } from "node:fs";
import { descendants } from "../../host/process-table.ts";
import { toolEnvironment } from "../../host/tool-environment.ts";
import type { TerminalSize } from "../../provider/streams.ts";

/** A process at or below `pid` with a terminal as its input; undefined: none yet. */
export function terminalHolder(pid: number): number | undefined {
  return [pid, ...descendants(pid).map((each) => each.pid)].find((each) => {
    try {
      return readlinkSync(`/proc/${each}/fd/0`).startsWith("/dev/pts/");
    } catch {
      return false;
    }
  });
}

/** Sets the size of the terminal that a process has as its input; its foreground processes are told by the kernel. Never throws. */
export async function resizeTerminal(pid: number, { width, height }: TerminalSize): Promise<void> {
  let fd: number;
  try {
    fd = openSync(`/proc/${pid}/fd/0`, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    return;
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  const stty = spawn("stty", sizeArguments({ width, height }), {
    stdio: [fd, "ignore", "ignore"],
    env: { ...toolEnvironment },
  });
  stty.once("error", () => resolve());
  stty.once("close", () => resolve());
  await promise;
  closeSync(fd);
}

export function sizeArguments({ width, height }: TerminalSize): string[] {
  const cells = (value: number): string => String(Math.max(0, Math.min(65_535, Math.floor(value))));
  return ["rows", cells(height), "cols", cells(width)];
}

/** Applies sizes as they come, until the signal aborts. Never throws. */
export async function followSizes(
  sizes: AsyncIterator<TerminalSize>,
  holder: () => number | undefined,
  signal: AbortSignal,
): Promise<void> {
  const over = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  try {
    for (;;) {
      const next = await Promise.race([sizes.next(), over]);
      if (next === undefined || next.done === true) return;
      const pid = holder();
      if (pid !== undefined) await resizeTerminal(pid, next.value);
    }
  } catch {
    // The client's sizes broke off: the terminal stays as it is.
  }
}
