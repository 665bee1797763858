// The command `sh`: a script given with -c, one in a file, or lines from stdin, with a prompt when there is a terminal.
import { type Input, print } from "./bytes.ts";
import { openInput } from "./devices.ts";
import { Interpreter, newState, type ShellState, type Streams } from "./interpreter.ts";
import { type Command, fail, killedByInterrupt, type Process, pathOf } from "./process.ts";
import { parse } from "./syntax.ts";

/** A script longer than this is refused. */
const longestScript = 1024 * 1024;

/** `commands`: what the shell finds, itself included. */
export function shellCommand(commands: () => Readonly<Record<string, Command>>): Command {
  return async (process) => {
    const interpreter = new Interpreter(process.machine, commands());
    const flags = process.args.findIndex((arg) => !/^-[a-z]*$/.test(arg));
    const options = process.args.slice(0, flags < 0 ? undefined : flags);
    const rest = flags < 0 ? [] : process.args.slice(flags);
    const [first, ...parameters] = rest;
    const streams: Streams = process;
    if (options.some((option) => option.includes("c"))) {
      if (first === undefined) return await fail(process, "sh: -c requires an argument", 2);
      const state = newState(process.environment, process.directory, parameters.length > 0 ? parameters : ["sh"]);
      return await interpreter.runScript(first, state, streams, process.signal);
    }
    if (first !== undefined) {
      const input = openInput(process.machine.files, pathOf(process, first), process.signal);
      if (typeof input === "string") return await fail(process, `sh: ${first}: ${input}`, 127);
      const state = newState(process.environment, process.directory, rest);
      return await interpreter.runScript(await readScript(input), state, streams, process.signal);
    }
    const state = newState(process.environment, process.directory, ["sh"]);
    return await readAndRun(process, interpreter, state);
  };
}

async function readScript(input: Input): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await input.read(); chunk !== undefined && length < longestScript; chunk = await input.read()) {
    chunks.push(chunk);
    length += chunk.length;
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** One line after another, so that what runs can read on from the same stdin. */
async function readAndRun(process: Process, interpreter: Interpreter, state: ShellState): Promise<number> {
  const { terminal } = process.machine;
  let running: AbortController | undefined;
  let pending = "";
  const prompt = async (): Promise<void> => {
    if (terminal !== undefined) await print(process.stdout, pending === "" ? "$ " : "> ");
  };
  const restore = terminal?.onInterrupt(() => {
    state.lastCode = killedByInterrupt;
    if (running !== undefined) {
      running.abort();
      return true;
    }
    pending = "";
    void prompt();
    return false;
  });
  const onAbort = (): void => running?.abort();
  process.signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (!state.exited && !process.signal.aborted) {
      await prompt();
      const line = await process.stdin.readLine();
      if (line === undefined) break;
      const script = pending === "" ? line : `${pending}\n${line}`;
      const parsed = parse(script);
      if (parsed.type === "incomplete" && script.length < longestScript) {
        pending = script;
        continue;
      }
      pending = "";
      if (parsed.type !== "script") {
        await interpreter.refuse(parsed, state, process);
        continue;
      }
      running = new AbortController();
      if (process.signal.aborted) break;
      await interpreter.run(parsed.pipelines, state, process, running.signal);
      running = undefined;
    }
    if (pending !== "") await interpreter.refuse({ type: "incomplete" }, state, process);
    return state.lastCode;
  } finally {
    restore?.();
    process.signal.removeEventListener("abort", onAbort);
  }
}
