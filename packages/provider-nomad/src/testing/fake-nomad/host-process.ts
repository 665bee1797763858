// A task as a process of this machine: its runs, its lines, its figures, and commands beside it.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { finished, pipeline } from "node:stream/promises";
import { type ContainerIO, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type {
  RunnerContainer,
  RunnerLogLine,
  RunnerState,
  RunnerStats,
} from "@virtual-kubelet/virtual-kubelet/testing";

/** Of errors that a driver passes on. */
const unknown = "rpc error: code = Unknown desc =";
const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 };

export class HostProcess {
  readonly lines: RunnerLogLine[] = [];
  /** All that its runs wrote, to the last byte. */
  readonly output: Record<RunnerLogLine["stream"], Buffer[]> = { stdout: [], stderr: [] };
  state: RunnerState = { state: "created", restarts: 0 };
  readonly #spec: RunnerContainer;
  readonly #directory: string;
  #child: ChildProcess | undefined;
  #ending = Promise.withResolvers<RunnerState>();

  constructor(spec: RunnerContainer, directory: string) {
    this.#spec = spec;
    this.#directory = directory;
  }

  /** Throws Invalid when there is no such program. */
  async start(): Promise<void> {
    const [program = "", ...args] = [...(this.#spec.entrypoint ?? []), ...(this.#spec.args ?? [])];
    const child = this.#spawn(program, args, ["ignore", "pipe", "pipe"]);
    try {
      await once(child, "spawn");
    } catch (cause) {
      const message = `failed to launch command with executor: ${unknown} binary "${program}" could not be found`;
      throw new VirtualKubeletError("Invalid", message, {
        cause,
      });
    }
    const { state, restarts } = this.state;
    if (state === "exited") this.#ending = Promise.withResolvers<RunnerState>();
    this.state = { state: "running", restarts: restarts + (state === "exited" ? 1 : 0), startedAt: Date.now() };
    this.#child = child;
    const reading = [this.#read(child.stdout, "stdout"), this.#read(child.stderr, "stderr")];
    child.once("exit", (code, signal) => {
      // What it left behind goes with it.
      kill(child);
      void Promise.all(reading).then(() => {
        const exitCode = code ?? 128 + (signalNumbers[signal ?? ""] ?? 0);
        this.state = { ...this.state, state: "exited", exitCode, finishedAt: Date.now() };
        this.#ending.resolve(this.state);
      });
    });
  }

  async ended(): Promise<RunnerState> {
    return await this.#ending.promise;
  }

  async stop(graceMs: number): Promise<void> {
    if (this.state.state !== "running" || this.#child === undefined) return;
    const child = this.#child;
    if (graceMs <= 0) kill(child);
    else if (child.pid !== undefined) send(child.pid, this.#spec.stopSignal ?? "SIGTERM");
    const late = setTimeout(() => kill(child), Math.min(graceMs, 2 ** 31 - 1)).unref();
    await this.ended();
    clearTimeout(late);
  }

  /** As of the driver: throws Invalid where there is no such program. */
  async exec(command: readonly string[], io: ContainerIO, signal: AbortSignal): Promise<number> {
    if (this.state.state !== "running") throw new VirtualKubeletError("Conflict", "the task does not run");
    const words = command.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ");
    const [program = "", ...args] = io.tty ? ["script", "-qefc", words, "/dev/null"] : command;
    const child = this.#spawn(program, args, ["pipe", "pipe", "pipe"]);
    try {
      await once(child, "spawn");
    } catch (cause) {
      const message = `${unknown} failed to start command: fork/exec ${command[0]}: no such file or directory`;
      throw new VirtualKubeletError("Invalid", message, { cause });
    }
    const abort = (): void => kill(child);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
    const ended = once(child, "exit");
    const outputs = [copy(child.stdout, io.stdout), copy(child.stderr, io.tty ? io.stdout : io.stderr)];
    if (child.stdin !== null) void input(io.stdin, child.stdin);
    if (io.resize !== undefined) void sizes(io.resize, child);
    const [code]: unknown[] = await ended;
    kill(child);
    await Promise.all(outputs);
    signal.removeEventListener("abort", abort);
    return typeof code === "number" ? code : 137;
  }

  stats(): RunnerStats {
    try {
      const fields = readFileSync(`/proc/${this.#child?.pid ?? 0}/stat`, "utf8")
        .replace(/^.*\) /, "")
        .split(" ");
      // Ticks of ten milliseconds, pages of four kibibytes.
      const ticks = Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]);
      return { cpuNanoseconds: ticks * 10_000_000, memoryBytes: Number(fields[21]) * 4096 };
    } catch {
      return { cpuNanoseconds: 0, memoryBytes: 0 };
    }
  }

  #spawn(program: string, args: readonly string[], stdio: readonly ("ignore" | "pipe")[]): ChildProcess {
    return spawn(program, [...args], {
      ...{ cwd: this.#spec.workingDir ?? this.#directory, detached: true, stdio: [...stdio] },
      env: { PATH: process.env["PATH"], ...this.#spec.env },
    });
  }

  async #read(stream: Readable | null, name: RunnerLogLine["stream"]): Promise<void> {
    if (stream === null) return;
    const decoder = new TextDecoder();
    let rest = "";
    const put = (text: string): void => {
      const last = this.lines.at(-1)?.time ?? 0n;
      const now = BigInt(Date.now()) * 1_000_000n;
      this.lines.push({ time: now > last ? now : last + 1n, stream: name, text });
    };
    for await (const chunk of stream) {
      if (!Buffer.isBuffer(chunk)) continue;
      this.output[name].push(chunk);
      const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) put(line);
    }
    if (rest !== "") put(rest);
  }
}

/** With all that it started. */
function kill({ pid }: ChildProcess): void {
  if (pid !== undefined) send(-pid, "SIGKILL");
}

function send(pid: number, signal: string): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended.
  }
}

async function copy(from: Readable | null, to: Writable | undefined): Promise<void> {
  if (from === null) return;
  if (to === undefined) from.resume();
  else {
    from.pipe(to, { end: false });
    // Nobody reads it any more.
    to.once("close", () => from.resume());
  }
  await finished(from, { writable: false });
}

async function input(from: ContainerIO["stdin"], to: Writable): Promise<void> {
  // A command that reads no more than it wants is nobody's fault.
  await pipeline(from ?? [], to).catch(() => {});
}

async function sizes(resize: NonNullable<ContainerIO["resize"]>, { pid }: ChildProcess): Promise<void> {
  for await (const { width, height } of resize) {
    try {
      const children = readFileSync(`/proc/${pid ?? 0}/task/${pid ?? 0}/children`, "utf8")
        .trim()
        .split(" ");
      const fd = openSync(`/proc/${children.at(-1) ?? ""}/fd/0`, constants.O_RDWR | constants.O_NOCTTY);
      await once(
        spawn("stty", ["rows", `${height}`, "cols", `${width}`], { stdio: [fd, "ignore", "ignore"] }),
        "close",
      );
      closeSync(fd);
    } catch {
      // It has ended, or has no terminal yet.
    }
  }
}
