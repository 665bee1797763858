// What is typed into a shell on a terminal to have it run one command, tell where its output begins and ends, and its exit code. Lines
// are short enough for a terminal and hold nothing that one would act upon. Pure.
import { printfFormat } from "./shell-quoting.ts";

export interface ShellRequest {
  readonly command: readonly string[];
  /** Letters and digits, never seen before: stands in front of what is told. */
  readonly token: string;
  readonly tty: boolean;
  /** Input is typed, a line of `inputLine` at a time, then `inputEnd`. Without: there is none. Not with a terminal. */
  readonly stdin: boolean;
  /** Errors come apart, when the command has ended. Not with a terminal. */
  readonly stderr: boolean;
  /** Of the terminal, where it has not been told otherwise. */
  readonly size?: { readonly width: number; readonly height: number } | undefined;
}

/** A terminal takes lines of 4095 bytes, some shells fewer. */
const bytesPerLine = 200;

export const inputEnd = ".\n";

/** Of at most `inputPiece` bytes. */
export function inputLine(bytes: Uint8Array): string {
  return `:${printfFormat(bytes)}\n`;
}

export const inputPiece: number = bytesPerLine;

/** The same for a shell that told of `base64`: more for each line, and a third longer than what it holds. Of at most `codedPiece` bytes.
 * The shell tells of each when it has taken it: a terminal with more in front of it than it holds may show nothing meanwhile. */
export function codedLine(bytes: Uint8Array): string {
  return `=${Buffer.from(bytes).toString("base64")}\n`;
}

/** Makes 3000 letters. */
export const codedPiece = 2250;

/** In front of each: the mark of `ShellOutput`. */
export function markOf(token: string): string {
  return `VK-${token}`;
}

export function shellLines(request: ShellRequest): readonly string[] {
  const { command, token, tty } = request;
  return [
    "stty -echo 2>/dev/null",
    ...assigned("s", tty ? terminalScript(request) : pipeScript(request)),
    "set --",
    ...command.flatMap((word) => [...assigned("a", word), 'set -- "$@" "$a"']),
    // In place of the shell that reads this: it would show prompts, and not outlive an interrupt of the command.
    `exec /bin/sh -c "$s" sh ${token} "$@"`,
    // A blank first keeps it out of histories.
  ].map((line) => ` ${line}\n`);
}

function assigned(variable: string, text: string): readonly string[] {
  const bytes = Buffer.from(text);
  const lines = [`${variable}=`];
  for (let at = 0; at < bytes.length; at += bytesPerLine) {
    // What a substitution ends with is kept by a letter behind it.
    const format = printfFormat(bytes.subarray(at, at + bytesPerLine));
    lines.push(`${variable}=$${variable}$(printf '${format}x');${variable}=\${${variable}%x}`);
  }
  return lines;
}

const tell = (kind: string, more = ""): string => `printf 'VK-%s${kind}' "$t"${more}`;
const begin = ["t=$1", "shift"];

const decode =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell's.
  'while IFS= read -r l && [ "$l" != . ]; do case $l in =*) printf %s "${l#=}" | base64 -d; printf "VK-%s+" "$t" >&5;; *) printf "${l#:}";; esac; done';

/** Input may come by `codedLine`. */
const beginCoded = [
  'if [ "$(printf YQ== | base64 -d 2>/dev/null)" = a ]',
  `then ${tell("{\\n")}`,
  `else ${tell("[\\n")}`,
  "fi",
].join("; ");

function terminalScript({ size }: ShellRequest): string {
  return [
    ...begin,
    "stty echo 2>/dev/null",
    ...(size === undefined ? [] : [`stty rows ${size.height} cols ${size.width} 2>/dev/null`]),
    // The command gets interrupts, and this goes on.
    "trap : INT QUIT",
    tell("[\\n"),
    '"$@"',
    "c=$?",
    // An interrupt throws away what is on its way to be shown.
    "stty -isig 2>/dev/null",
    tell("]%d;", ' "$c"'),
  ].join("\n");
}

function pipeScript({ stdin, stderr }: ShellRequest): string {
  const run = [
    ...(stderr
      ? [
          'if [ -n "$e" ]; then "$@" 2>&3 3>&- 4<&-; else "$@" 2>&1; fi',
          "c=$?",
          `if [ -n "$e" ]; then ${tell("|")}; cat <&4; fi`,
        ]
      : ['"$@" 2>/dev/null', "c=$?"]),
    tell("]%d;", ' "$c"'),
  ].join("; ");
  return [
    ...begin,
    "stty -echo -opost -isig 2>/dev/null",
    ...(stderr
      ? [
          // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell's.
          "e=${TMPDIR:-/tmp}/.vk-$t",
          'command -v cat >/dev/null && command -v rm >/dev/null && (umask 077; : >"$e") 2>/dev/null || e=',
          // Without a name it is gone with the command, however that ends.
          'if [ -n "$e" ]; then exec 3>"$e" 4<"$e"; rm -f "$e"; fi',
        ]
      : []),
    ...(stdin ? ["exec 5>&1", beginCoded] : [tell("[\\n")]),
    stdin ? `${decode} | { ${run}; } 5>&-` : `{ ${run}; } </dev/null`,
  ].join("\n");
}
