// One container of a group in memory: its runs, its log, and commands in it by the small shell of the mock provider.
import { once } from "node:events";
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { ContainerIO } from "../provider/streams.ts";
import { openStreams } from "../providers/mock/session.ts";
import { emptyInput, type Output } from "../providers/mock/shell/bytes.ts";
import { commands as simulated } from "../providers/mock/shell/commands.ts";
import { placeCommands } from "../providers/mock/shell/commands-files.ts";
import { Files } from "../providers/mock/shell/files.ts";
import { Interpreter } from "../providers/mock/shell/interpreter.ts";
import type { Command, Machine, Process } from "../providers/mock/shell/process.ts";
import { shellCommand } from "../providers/mock/shell/shell.ts";
import type { RunnerContainer, RunnerGroup, RunnerLogLine, RunnerState, RunnerStats } from "./group-runner.ts";
import { typedShell } from "./memory-typed-shell.ts";

export interface MemoryGroupContainerOptions {
  readonly spec: RunnerContainer;
  readonly volumes: RunnerGroup["volumes"];
  readonly hostname: string;
  readonly clock: Clock;
  readonly exitAfterMs: number;
}

const filesRoom = 16 * 1024 ** 2;
const mostLines = 10_000;
/** One simple command after another: what the small shell surely does as a real one would. */
const simpleScript = /^\s*((echo|exit|sleep|true|false|cat|printf|test)\b[^;&|`$(){}\n]*(;|&&|\n|$)\s*)+$/;

export class MemoryGroupContainer {
  readonly lines: RunnerLogLine[] = [];
  state: RunnerState = { state: "created", restarts: 0 };
  readonly #options: MemoryGroupContainerOptions;
  readonly #files: Files;
  readonly #readers = new Set<(line: RunnerLogLine) => void>();
  #run: AbortController = new AbortController();
  #ending = Promise.withResolvers<RunnerState>();

  constructor(options: MemoryGroupContainerOptions) {
    this.#options = options;
    const { spec, volumes, clock } = options;
    this.#files = new Files(filesRoom, { left: filesRoom }, () => clock.now());
    for (const path of ["/bin", "/dev", "/etc", "/root", "/tmp", spec.workingDir ?? "/"])
      this.#files.makeDirectory(path, true);
    for (const name of ["null", "zero", "urandom"]) this.#files.create(`/dev/${name}`, 0o666);
    placeCommands(this.#files, Object.keys(simulated));
    for (const { volume, path } of spec.mounts) {
      this.#files.makeDirectory(path, true);
      for (const file of volumes.find(({ name }) => name === volume)?.files ?? []) {
        const whole = `${path}/${file.path}`;
        this.#files.makeDirectory(whole.replace(/\/[^/]*$/, ""), true);
        this.#files.create(whole, file.mode);
        this.#files.append(whole, file.data);
      }
    }
  }

  start(): void {
    if (this.state.state === "running") return;
    const { spec, clock, exitAfterMs } = this.#options;
    if (this.state.state === "exited") this.#ending = Promise.withResolvers<RunnerState>();
    const restarts = this.state.restarts + (this.state.state === "exited" ? 1 : 0);
    this.state = { state: "running", restarts, startedAt: clock.now() };
    const run = new AbortController();
    this.#run = run;
    this.#write("stdout", `${spec.name} env=${Object.keys(spec.env).length}`);
    const code = /(?:^|\/)exit-(\d+)/.exec(spec.image)?.[1];
    const script = scriptOf(spec);
    if (code !== undefined) clock.schedule(exitAfterMs, () => this.#end(run, Number(code)));
    else if (script !== undefined) void this.#follow(run, script);
  }

  async ended(): Promise<RunnerState> {
    return await this.#ending.promise;
  }

  /** TERM, and KILL after the grace. */
  stop(graceMs: number): void {
    const run = this.#run;
    if (graceMs <= 0) this.#end(run, 137);
    else if (!this.#options.spec.image.includes("stubborn")) this.#end(run, 143);
    else this.#options.clock.schedule(graceMs, () => this.#end(run, 137));
  }

  async exec(command: readonly string[], io: ContainerIO, signal: AbortSignal): Promise<number> {
    if (this.state.state !== "running")
      throw new VirtualKubeletError("Conflict", `container ${this.#options.spec.name} does not run`);
    const run = this.#run.signal;
    const own = AbortSignal.any([signal, run]);
    const { stdin } = io;
    const isShell = command.length === 1 && /^(\/bin\/)?sh$/.test(command[0] ?? "");
    const exitCode =
      isShell && io.tty && stdin !== undefined
        ? await typedShell(
            { ...io, stdin },
            (typed, streams) => this.#execute(typed, { ...streams, signal: own }, undefined),
            (typed, client) => this.#onStreams(typed, client, own),
            own,
          )
        : await this.#onStreams(command, io, own);
    signal.throwIfAborted();
    return run.aborted ? 137 : exitCode;
  }

  /** What is typed comes back, a line at a time, as of `cat`; with the container's `stdin` alone. */
  async attach(io: ContainerIO, signal: AbortSignal): Promise<void> {
    const reader = ({ stream, text }: RunnerLogLine): void => {
      const output = stream === "stderr" && !io.tty ? io.stderr : io.stdout;
      output?.write(`${text}${io.tty ? "\r\n" : "\n"}`);
    };
    const until = AbortSignal.any([signal, this.#run.signal]);
    this.#readers.add(reader);
    try {
      if (io.stdin !== undefined && this.#options.spec.stdin === true)
        void this.#echo(openStreams({ ...io, resize: undefined }, until).stdin);
      if (this.state.state === "running" && !until.aborted) await once(until, "abort");
    } finally {
      this.#readers.delete(reader);
    }
  }

  stats(): RunnerStats {
    const { startedAt, finishedAt } = this.state;
    const lifeMs = startedAt === undefined ? 0 : (finishedAt ?? this.#options.clock.now()) - startedAt;
    const isRunning = this.state.state === "running";
    return { cpuNanoseconds: Math.round(lifeMs * 50_000), memoryBytes: isRunning ? 8 * 1024 ** 2 : 0 };
  }

  remove(): void {
    this.#end(this.#run, 137);
    this.#files.close();
  }

  async #onStreams(command: readonly string[], io: ContainerIO, own: AbortSignal): Promise<number> {
    const over = new AbortController();
    const streams = openStreams(io, AbortSignal.any([own, over.signal]));
    try {
      return await this.#execute(command, { ...streams, signal: own }, streams.terminal);
    } finally {
      over.abort();
      await streams.closed;
    }
  }

  async #echo(input: Process["stdin"]): Promise<void> {
    for (let line = await input.readLine(); line !== undefined; line = await input.readLine())
      this.#write("stdout", line);
  }

  async #follow(run: AbortController, command: readonly string[]): Promise<void> {
    const streams = { stdin: emptyInput(), stdout: this.#output("stdout"), stderr: this.#output("stderr") };
    const exitCode = await this.#execute(command, { ...streams, signal: run.signal }, undefined);
    this.#end(run, exitCode);
  }

  async #execute(
    command: readonly string[],
    process: Pick<Process, "stdin" | "stdout" | "stderr" | "signal">,
    terminal: Machine["terminal"],
  ): Promise<number> {
    const { spec, clock, hostname } = this.#options;
    const machine: Machine = { hostname, clock, files: this.#files, terminal };
    const [name = "", ...args] = command;
    const own = this.#commands();
    const environment = new Map([
      ["PATH", "/bin"],
      ["HOME", "/root"],
      ["HOSTNAME", hostname],
      ...Object.entries(spec.env),
    ]);
    return await new Interpreter(machine, own).execute(name, {
      ...{ ...process, machine, args, environment, directory: spec.workingDir ?? "/" },
    });
  }

  /** A shell that knows `kill 1` and settings of terminals, too. */
  #commands(): Readonly<Record<string, Command>> {
    const kill: Command = async ({ args }) => {
      if (args.at(-1) !== "1") return 1;
      const isHard = args.some((arg) => /^-(9|(SIG)?KILL)$/.test(arg));
      this.stop(isHard ? 0 : 3_600_000);
      return 0;
    };
    const sh = shellCommand(() => own);
    const own: Readonly<Record<string, Command>> = { ...simulated, kill, sh, ash: sh, bash: sh };
    return own;
  }

  #output(stream: RunnerLogLine["stream"]): Output {
    let rest = "";
    return {
      write: async (chunk) => {
        const lines = `${rest}${Buffer.from(chunk).toString("utf8")}`.split("\n");
        rest = lines.pop() ?? "";
        for (const line of lines) this.#write(stream, line);
        return true;
      },
    };
  }

  #write(stream: RunnerLogLine["stream"], text: string): void {
    const last = this.lines.at(-1)?.time ?? 0n;
    const now = BigInt(this.#options.clock.now()) * 1_000_000n;
    const line: RunnerLogLine = { time: now > last ? now : last + 1n, stream, text };
    this.lines.push(line);
    if (this.lines.length > mostLines) this.lines.shift();
    for (const reader of this.#readers) reader(line);
  }

  #end(run: AbortController, exitCode: number): void {
    if (this.#run !== run || this.state.state !== "running") return;
    this.state = { ...this.state, state: "exited", exitCode, finishedAt: this.#options.clock.now() };
    this.#ending.resolve(this.state);
    run.abort();
  }
}

function scriptOf({ entrypoint, args }: RunnerContainer): readonly string[] | undefined {
  const command = [...(entrypoint ?? []), ...(args ?? [])];
  const [shell = "", option = "", script = ""] = command;
  // What brings files into volumes (cloud/file-delivery.ts, or a script among them): there is nobody here who would read them.
  if (/^\/virtual-kubelet\/source\//.test(option)) return ["true"];
  if (option === "-c" && /\| tar -xpf - -C \/(\nchmod 0777 .*)?$/.test(script)) return ["true"];
  return /^(\/bin\/)?(ba|a)?sh$/.test(shell) && option === "-c" && simpleScript.test(script) ? command : undefined;
}
