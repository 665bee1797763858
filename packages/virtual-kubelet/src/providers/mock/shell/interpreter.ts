// Runs parsed scripts of the small shell: expansion, pipes, redirections, and the commands that change the shell itself.
import { discard, type Input, type Output, pipe, print } from "./bytes.ts";
import { openInput, openOutput } from "./devices.ts";
import { absolute } from "./files.ts";
import { type Command, killedByInterrupt, type Machine, type Process } from "./process.ts";
import { type Parsed, type Pipeline, parse, type SimpleCommand, type Word } from "./syntax.ts";

export interface Streams {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
}

/** Changed by what runs in it. */
export interface ShellState {
  readonly variables: Map<string, string>;
  readonly exported: Set<string>;
  directory: string;
  lastCode: number;
  /** `exit` was called: nothing more is to run. */
  exited: boolean;
  /** $0, $1 ... */
  readonly parameters: readonly string[];
}

export function newState(
  environment: ReadonlyMap<string, string>,
  directory: string,
  parameters: readonly string[],
): ShellState {
  const exported = new Set(environment.keys());
  return { variables: new Map(environment), exported, directory, lastCode: 0, exited: false, parameters };
}

type Builtin = (state: ShellState, args: readonly string[], streams: Streams, machine: Machine) => Promise<number>;

const builtins: Readonly<Record<string, Builtin>> = {
  ":": async () => 0,
  async cd(state, [path], { stderr }, { files }) {
    const target = absolute(state.directory, path ?? state.variables.get("HOME") ?? "/");
    const info = files.stat(target);
    if (info?.kind !== "directory") {
      await print(stderr, `sh: cd: ${path}: ${info === undefined ? "No such file or directory" : "Not a directory"}\n`);
      return 1;
    }
    state.directory = target;
    state.variables.set("PWD", target);
    return 0;
  },
  async exit(state, [code]) {
    state.exited = true;
    return code === undefined ? state.lastCode : Number.parseInt(code, 10) & 255;
  },
  async export(state, args) {
    for (const arg of args) {
      const [name = "", ...value] = arg.split("=");
      if (arg.includes("=")) state.variables.set(name, value.join("="));
      state.exported.add(name);
    }
    return 0;
  },
  async unset(state, args) {
    for (const name of args) {
      state.variables.delete(name);
      state.exported.delete(name);
    }
    return 0;
  },
  set: async () => 0,
};

export class Interpreter {
  readonly #machine: Machine;
  readonly #commands: Readonly<Record<string, Command>>;

  constructor(machine: Machine, commands: Readonly<Record<string, Command>>) {
    this.#machine = machine;
    this.#commands = commands;
  }

  /** Parses and runs; a script with a fault runs not at all and answers 2. */
  async runScript(script: string, state: ShellState, streams: Streams, signal: AbortSignal): Promise<number> {
    const parsed = parse(script);
    if (parsed.type === "script") return await this.run(parsed.pipelines, state, streams, signal);
    return await this.refuse(parsed, state, streams);
  }

  async refuse(parsed: Exclude<Parsed, { type: "script" }>, state: ShellState, { stderr }: Streams): Promise<number> {
    const message = parsed.type === "fault" ? parsed.message : "syntax error: unexpected end of file";
    await print(stderr, `sh: ${message}\n`);
    state.lastCode = 2;
    return 2;
  }

  /** Answers with the exit code of the last command that ran. */
  async run(pipelines: readonly Pipeline[], state: ShellState, streams: Streams, signal: AbortSignal): Promise<number> {
    for (const { commands, negated, when } of pipelines) {
      if (when !== "always" && (state.lastCode === 0) !== (when === "succeeded")) continue;
      const code = await this.#pipeline(commands, state, streams, signal);
      state.lastCode = signal.aborted ? killedByInterrupt : negated ? Number(code === 0) : code;
      if (state.exited || signal.aborted) break;
    }
    return state.lastCode;
  }

  async #pipeline(
    commands: readonly SimpleCommand[],
    state: ShellState,
    streams: Streams,
    signal: AbortSignal,
  ): Promise<number> {
    const [only] = commands;
    if (only !== undefined && commands.length === 1) return await this.#simple(only, state, streams, signal);
    let stdin = streams.stdin;
    const running = commands.map(async (command, index) => {
      const isLast = index === commands.length - 1;
      const to = isLast ? undefined : pipe(signal);
      const own = { ...streams, stdin, stdout: to?.output ?? streams.stdout };
      if (to !== undefined) stdin = to.input;
      // Each side of a pipe has a shell of its own: what it changes ends with it.
      const copyOfState = { ...state, variables: new Map(state.variables), exported: new Set(state.exported) };
      try {
        return await this.#simple(command, copyOfState, own, signal);
      } finally {
        to?.end();
        if (index > 0) own.stdin.close();
      }
    });
    return (await Promise.all(running)).at(-1) ?? 0;
  }

  async #simple(command: SimpleCommand, state: ShellState, outer: Streams, signal: AbortSignal): Promise<number> {
    const words = command.words.flatMap((word) => expand(word, state));
    const opened = await this.#redirect(command, state, outer, signal);
    if (opened === undefined) return 1;
    const { streams, isFull } = opened;
    const [name, ...args] = words;
    if (name === undefined) {
      for (const { name: variable, value } of command.assignments) state.variables.set(variable, textOf(value, state));
      return 0;
    }
    const builtin = Object.hasOwn(builtins, name) ? builtins[name] : undefined;
    if (builtin !== undefined) return await builtin(state, args, streams, this.#machine);
    const environment = new Map([...state.variables].filter(([variable]) => state.exported.has(variable)));
    for (const { name: variable, value } of command.assignments) environment.set(variable, textOf(value, state));
    const { directory } = state;
    const code = await this.execute(name, { ...streams, machine: this.#machine, args, environment, directory, signal });
    return isFull() ? 1 : code;
  }

  /** Runs one command by its name or path; 127 when there is none, 126 when it cannot be run. */
  async execute(name: string, process: Process): Promise<number> {
    const base = name.includes("/") ? name.slice(name.lastIndexOf("/") + 1) : name;
    const command = Object.hasOwn(this.#commands, base) ? this.#commands[base] : undefined;
    const info = name.includes("/") ? process.machine.files.stat(absolute(process.directory, name)) : undefined;
    if (name.includes("/") && info === undefined) {
      await print(process.stderr, `sh: ${name}: not found\n`);
      return 127;
    }
    if (command !== undefined && info?.kind !== "directory") return await command(process);
    await print(process.stderr, info === undefined ? `sh: ${name}: not found\n` : `sh: ${name}: Permission denied\n`);
    return info === undefined ? 127 : 126;
  }

  async #redirect(
    command: SimpleCommand,
    state: ShellState,
    outer: Streams,
    signal: AbortSignal,
  ): Promise<{ readonly streams: Streams; readonly isFull: () => boolean } | undefined> {
    let { stdin, stdout, stderr } = outer;
    let full = false;
    const refuse = async (target: string, message: string): Promise<undefined> => {
      await print(stderr, `sh: ${target}: ${message}\n`);
    };
    for (const { fd, operator, target: word } of command.redirections) {
      const target = textOf(word, state);
      const path = absolute(state.directory, target);
      if (operator === "<") {
        const input = openInput(this.#machine.files, path, signal);
        if (typeof input === "string") return await refuse(target, input);
        stdin = input;
        continue;
      }
      let output: Output | string;
      if (operator === ">&") {
        output = target === "1" ? stdout : target === "2" ? stderr : target === "-" ? discard : "Bad file descriptor";
      } else {
        output = openOutput(this.#machine.files, path, operator === ">>", (message) => {
          if (!full) void print(outer.stderr, `sh: write error: ${message}\n`);
          full = true;
        });
      }
      if (typeof output === "string") return await refuse(target, output);
      if (fd === 2) stderr = output;
      else stdout = output;
    }
    return { streams: { stdin, stdout, stderr }, isFull: () => full };
  }
}

/** The fields that a word becomes: none, one or, by unquoted variables, more. */
function expand(word: Word, state: ShellState): readonly string[] {
  const fields: string[] = [];
  let current: string | undefined;
  for (const part of word.parts) {
    if (part.type === "text") current = (current ?? "") + part.text;
    else if (part.name === "@" && part.quoted) {
      const [first, ...rest] = state.parameters.slice(1);
      if (first !== undefined) current = (current ?? "") + first;
      for (const parameter of rest) {
        fields.push(current ?? "");
        current = parameter;
      }
    } else {
      const value = valueOfPart(part, state);
      if (part.quoted) {
        current = (current ?? "") + value;
        continue;
      }
      const [first = "", ...rest] = value.split(/\s+/);
      if (value !== "" && (first !== "" || current !== undefined)) current = (current ?? "") + first;
      for (const piece of rest) {
        if (current !== undefined) fields.push(current);
        current = piece === "" ? undefined : piece;
      }
    }
  }
  if (current !== undefined) fields.push(current);
  return fields;
}

function textOf(word: Word, state: ShellState): string {
  return word.parts.map((part) => (part.type === "text" ? part.text : valueOfPart(part, state))).join("");
}

function valueOfPart(
  part: { readonly name: string; readonly fallback?: string | undefined },
  state: ShellState,
): string {
  const { name, fallback = "" } = part;
  if (name === "?") return String(state.lastCode);
  if (name === "$") return "1";
  if (name === "!") return "";
  if (name === "#") return String(Math.max(0, state.parameters.length - 1));
  if (name === "@" || name === "*") return state.parameters.slice(1).join(" ");
  const value = /^\d+$/.test(name) ? state.parameters[Number(name)] : state.variables.get(name);
  return value === undefined || value === "" ? fallback : value;
}
