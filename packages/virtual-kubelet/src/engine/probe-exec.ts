// Runs a command in a container for a probe or a hook: within a time, and with a bounded part of its output kept.
import { Writable } from "node:stream";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Deadline } from "./probe-deadline.ts";
import type { ProbeOutcome } from "./probe-outcome.ts";
import type { RunTarget } from "./probe-results.ts";
import { goDuration } from "./probe-text.ts";

/** stdout, then stderr. */
export interface Executed {
  readonly exitCode: number;
  readonly output: string;
}

const outputLimit = 10 * 1024;

/**
 * Undefined when the deadline came first: the command has been told to stop, and is not waited for. Throws Aborted, and what
 * `exec` throws.
 */
export async function execInRun(
  command: readonly string[],
  target: Pick<RunTarget, "exec">,
  deadline: Deadline,
  log: Logger,
): Promise<Executed | undefined> {
  const stdout = new Head(outputLimit);
  const stderr = new Head(outputLimit);
  try {
    const result = await deadline.race(
      target.exec(command, { stdout, stderr, tty: false }, { signal: deadline.signal, log }),
    );
    deadline.throwIfAborted();
    if (result === undefined) return undefined;
    const output = Buffer.concat([...stdout.parts, ...stderr.parts]).subarray(0, outputLimit);
    return { exitCode: result.exitCode, output: output.toString() };
  } catch (error) {
    deadline.throwIfAborted();
    if (deadline.isOver) return undefined;
    throw error;
  } finally {
    stdout.destroy();
    stderr.destroy();
  }
}

/** Exit code 0 is success. Throws nothing but Aborted. */
export async function execProbe(
  command: readonly string[],
  target: Pick<RunTarget, "exec">,
  limitMs: number,
  deadline: Deadline,
  log: Logger,
): Promise<ProbeOutcome> {
  try {
    const executed = await execInRun(command, target, deadline, log);
    if (executed === undefined) return timedOut(command, limitMs);
    return executed.exitCode === 0 ? { type: "success" } : { type: "failure", output: executed.output };
  } catch (error) {
    deadline.throwIfAborted();
    return { type: "error", state: "unknown", message: errorText(VirtualKubeletError.from(error)) };
  }
}

export function timedOut(command: readonly string[], limitMs: number): ProbeOutcome {
  const text = `command timed out: ${JSON.stringify(command.join(" "))} timed out after ${goDuration(limitMs)}`;
  return { type: "failure", output: text };
}

/** Keeps the beginning of what is written to it and takes all the rest. */
class Head extends Writable {
  readonly parts: Buffer[] = [];
  #left: number;

  constructor(limit: number) {
    super({ decodeStrings: true });
    this.#left = limit;
    // Written to after its end by a command that does not stop: nobody's loss.
    this.on("error", () => {});
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const part = chunk.subarray(0, this.#left);
    if (part.length > 0) this.parts.push(Buffer.from(part));
    this.#left -= part.length;
    done();
  }
}
