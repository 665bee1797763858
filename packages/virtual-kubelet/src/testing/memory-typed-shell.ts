// The shell on a terminal into which cloud/shell-lines.ts types, for containers in memory: it takes those very lines, runs their command
// and tells its output and code as they ask. What else is typed is for the shell of people.
import { Readable } from "node:stream";
import type { ContainerIO } from "../provider/streams.ts";
import { encode, Input, inputFrom, outputTo, print } from "../providers/mock/shell/bytes.ts";
import type { Process } from "../providers/mock/shell/process.ts";

/** Runs a command on these streams. */
export type RunTyped = (
  command: readonly string[],
  streams: Pick<Process, "stdin" | "stdout" | "stderr">,
) => Promise<number>;
/** Runs it with the client's streams, on a terminal. */
export type RunOnTerminal = (command: readonly string[], io: ContainerIO) => Promise<number>;

export async function typedShell(
  io: ContainerIO & { readonly stdin: Readable },
  run: RunTyped,
  onTerminal: RunOnTerminal,
  signal: AbortSignal,
): Promise<number> {
  const typed = inputFrom(io.stdin, signal);
  const output = io.stdout === undefined ? undefined : outputTo(io.stdout, signal);
  const first = await typed.readLine();
  const rest = (before: string): Readable => Readable.from(chunks(typed, before), { objectMode: false });
  if (first === undefined) return 0;
  if (!first.startsWith(" stty -echo")) return await onTerminal(["/bin/sh"], { ...io, stdin: rest(`${first}\n`) });

  const { token, script, command } = await typedCommand(typed);
  const mark = `VK-${token}`;
  const told = async (text: string): Promise<void> => void (output === undefined || (await print(output, text)));
  if (script.includes("trap : INT QUIT")) {
    await told(`${mark}[\r\n`);
    const code = await onTerminal(command, { ...io, stdin: rest("") });
    await told(`${mark}]${code};`);
    return 0;
  }
  await told(`${mark}[\n`);
  const stdout = { write: async (chunk: Uint8Array) => (await output?.write(chunk)) ?? true };
  let errors = "";
  const stderr = {
    write: async (chunk: Uint8Array) => {
      errors += Buffer.from(chunk).toString("latin1");
      return true;
    },
  };
  const hasInput = script.includes("read -r l");
  const stdin = new Input(async () => (hasInput ? decodedLine(await typed.readLine()) : undefined));
  const code = await run(command, { stdin, stdout, stderr });
  if (script.includes("TMPDIR")) {
    await told(`${mark}|`);
    await output?.write(Buffer.from(errors, "latin1"));
  }
  await told(`${mark}]${code};`);
  return 0;
}

/** Reads on until the line that runs it. */
async function typedCommand(
  typed: Input,
): Promise<{ readonly token: string; readonly script: string; readonly command: readonly string[] }> {
  const variables = new Map<string, string>();
  const command: string[] = [];
  for (;;) {
    const line = (await typed.readLine())?.trim();
    if (line === undefined) return { token: "", script: "", command };
    const [, empty] = /^(\w)=$/.exec(line) ?? [];
    const [, name = "", format] = /^(\w)=\$\w\$\(printf '(.*)x'\);/.exec(line) ?? [];
    const [, token] = /^exec \/bin\/sh -c "\$s" sh (\w+) "\$@"$/.exec(line) ?? [];
    if (token !== undefined) return { token, script: variables.get("s") ?? "", command };
    if (empty !== undefined) variables.set(empty, "");
    else if (format !== undefined)
      variables.set(name, `${variables.get(name) ?? ""}${unprinted(format).toString("latin1")}`);
    else if (line === 'set -- "$@" "$a"')
      command.push(Buffer.from(variables.get("a") ?? "", "latin1").toString("utf8"));
  }
}

function decodedLine(line: string | undefined): Uint8Array | undefined {
  return line === undefined || line === "." ? undefined : unprinted(line.replace(/^:/, ""));
}

/** What `printf` makes of the format. */
function unprinted(format: string): Buffer {
  const text = format.replaceAll(/\\([0-7]{3})/g, (_all, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  return Buffer.from(text, "latin1");
}

async function* chunks(input: Input, before: string): AsyncGenerator<Uint8Array> {
  if (before !== "") yield encode(before);
  for (let chunk = await input.read(); chunk !== undefined; chunk = await input.read()) yield chunk;
}
