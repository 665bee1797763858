// Commands that make, pass on, count and sum up bytes.
import { createHash } from "node:crypto";
import { pause } from "../../../clock.ts";
import { copy, encode, type Input, print } from "./bytes.ts";
import { openInput, yieldToEvents } from "./devices.ts";
import { brokenPipe, type Command, fail, type Process, pathOf, say } from "./process.ts";

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
  a: "\x07",
  b: "\b",
  e: "\x1b",
};

const echo: Command = async (process) => {
  let args = process.args;
  let newline = true;
  let escaped = false;
  for (let first = args[0]; first !== undefined && /^-[neE]+$/.test(first); first = args[0]) {
    if (first.includes("n")) newline = false;
    if (first.includes("e")) escaped = true;
    args = args.slice(1);
  }
  const text = args.join(" ");
  return await say(process, `${escaped ? withEscapes(text) : text}${newline ? "\n" : ""}`);
};

function withEscapes(text: string): string {
  return text.replaceAll(/\\(?:0([0-7]{1,3})|x([0-9a-fA-F]{1,2})|([ntr\\abe]))/g, (_all, octal, hex, letter) => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(String(octal), 8));
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(String(hex), 16));
    return escapes[String(letter)] ?? "";
  });
}

/** Runs `use` over each file named, or over stdin; `-` is stdin too. */
async function eachInput(
  process: Process,
  name: string,
  paths: readonly string[],
  use: (input: Input, path: string) => Promise<number>,
): Promise<number> {
  let code = 0;
  for (const path of paths.length === 0 ? ["-"] : paths) {
    const input =
      path === "-" ? process.stdin : openInput(process.machine.files, pathOf(process, path), process.signal);
    const ended =
      typeof input === "string" ? await fail(process, `${name}: ${path}: ${input}`) : await use(input, path);
    if (ended === brokenPipe) return ended;
    code = Math.max(code, ended);
  }
  return code;
}

const cat: Command = async (process) =>
  await eachInput(process, "cat", process.args, async (input) =>
    (await copy(input, process.stdout)) ? 0 : brokenPipe,
  );

/** `-c N` and `-n N`, also with the number attached and with k, M or G; `+N` is kept as a string. */
function countOption(
  process: Process,
): { readonly unit: "c" | "n"; readonly count: string; readonly paths: readonly string[] } | undefined {
  const [first, ...rest] = process.args;
  const match = /^-(?:([cn])(.*)|(\d+))$/.exec(first ?? "");
  if (match === null) return { unit: "n", count: "10", paths: process.args };
  const attached = match[3] ?? match[2] ?? "";
  const count = attached === "" ? rest[0] : attached;
  const paths = attached === "" ? rest.slice(1) : rest;
  const unit = match[1] === "c" ? "c" : "n";
  return count === undefined ? undefined : { unit, count, paths };
}

function sizeOf(text: string): number | undefined {
  const match = /^(\d{1,12})([kKMG]?)i?B?$/.exec(text);
  if (match === null) return undefined;
  const factor = { k: 1024, K: 1024, M: 1024 ** 2, G: 1024 ** 3 }[match[2] ?? ""] ?? 1;
  return Number(match[1]) * factor;
}

const head: Command = async (process) => {
  const option = countOption(process);
  const limit = sizeOf(option?.count ?? "");
  if (option === undefined || limit === undefined)
    return await fail(process, "usage: head [-n LINES | -c BYTES] [FILE]...");
  return await eachInput(process, "head", option.paths, async (input) => {
    for (let left = limit; left > 0; ) {
      if (option.unit === "n") {
        const line = await input.readLine();
        if (line === undefined) break;
        if (!(await print(process.stdout, `${line}\n`))) return brokenPipe;
        left -= 1;
      } else {
        const chunk = await input.read(left);
        if (chunk === undefined) break;
        if (!(await process.stdout.write(chunk))) return brokenPipe;
        left -= chunk.length;
      }
    }
    return 0;
  });
};

const longestTail = 16 * 1024 ** 2;

/** Last lines or bytes, out of the last 16 MiB; or with +N from there on. */
const tail: Command = async (process) => {
  const option = countOption(process);
  const fromStart = option?.count.startsWith("+") === true;
  const count = sizeOf(fromStart ? (option?.count.slice(1) ?? "") : (option?.count ?? ""));
  if (option === undefined || count === undefined)
    return await fail(process, "usage: tail [-n [+]LINES | -c [+]BYTES] [FILE]...");
  if (!fromStart && option.unit === "c" && count > longestTail)
    return await fail(process, "tail: more than 16M: not supported");
  return await eachInput(process, "tail", option.paths, async (input) => {
    if (fromStart) {
      for (let left = Math.max(0, count - 1); left > 0; ) {
        const skipped =
          option.unit === "c"
            ? (await input.read(left))?.length
            : (await input.readLine()) === undefined
              ? undefined
              : 1;
        if (skipped === undefined) return 0;
        left -= skipped;
      }
      return (await copy(input, process.stdout)) ? 0 : brokenPipe;
    }
    const kept = await lastBytes(input, option.unit === "c" ? count : longestTail);
    let from = option.unit === "c" ? 0 : kept.length;
    if (option.unit === "n") {
      for (let lines = 0; lines < count && from > 0; lines++) {
        from = from < 2 ? 0 : kept.lastIndexOf(10, from - 2) + 1;
      }
    }
    return (await process.stdout.write(kept.subarray(from))) ? 0 : brokenPipe;
  });
};

async function lastBytes(input: Input, count: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let chunk = await input.read(); chunk !== undefined; chunk = await input.read()) {
    chunks.push(chunk);
    length += chunk.length;
    for (let first = chunks[0]; first !== undefined && length - first.length >= count; first = chunks[0]) {
      chunks.shift();
      length -= first.length;
    }
  }
  const kept = Buffer.concat(chunks);
  return kept.subarray(Math.max(0, kept.length - count));
}

const wc: Command = async (process) => {
  const options = process.args.filter((arg) => arg.startsWith("-") && arg !== "-").join("");
  const paths = process.args.filter((arg) => !arg.startsWith("-") || arg === "-");
  return await eachInput(process, "wc", paths, async (input, path) => {
    let [lines, words, bytes, inWord] = [0, 0, 0, false];
    for (let chunk = await input.read(); chunk !== undefined; chunk = await input.read()) {
      bytes += chunk.length;
      if (/^-*c*$/.test(options) && options !== "") continue;
      for (const byte of chunk) {
        if (byte === 10) lines += 1;
        const isSpace = byte === 32 || (byte >= 9 && byte <= 13);
        if (!isSpace && !inWord) words += 1;
        inWord = !isSpace;
      }
    }
    const all = [options.includes("l") && lines, options.includes("w") && words, options.includes("c") && bytes];
    const shown = options === "" ? [lines, words, bytes] : all.filter((count) => count !== false);
    return await say(process, `${shown.join(" ")}${path === "-" ? "" : ` ${path}`}\n`);
  });
};

function sumBy(name: string, algorithm: string): Command {
  return async (process) =>
    await eachInput(process, name, process.args, async (input, path) => {
      const hash = createHash(algorithm);
      for (let chunk = await input.read(); chunk !== undefined; chunk = await input.read()) hash.update(chunk);
      if (process.signal.aborted) return brokenPipe;
      return await say(process, `${hash.digest("hex")}  ${path}\n`);
    });
}

const grep: Command = async (process) => {
  const [pattern, ...paths] = process.args.filter((arg) => !/^-[Fivq]+$/.test(arg));
  const options = process.args.filter((arg) => /^-[Fivq]+$/.test(arg)).join("");
  if (pattern === undefined) return await fail(process, "usage: grep [-Fivq] TEXT [FILE]...", 2);
  const fold = (text: string): string => (options.includes("i") ? text.toLowerCase() : text);
  let found = false;
  const code = await eachInput(process, "grep", paths, async (input) => {
    for (let line = await input.readLine(); line !== undefined; line = await input.readLine()) {
      if (fold(line).includes(fold(pattern)) === options.includes("v")) continue;
      found = true;
      if (options.includes("q")) return 0;
      if (!(await print(process.stdout, `${line}\n`))) return brokenPipe;
    }
    return 0;
  });
  return code !== 0 ? code : found ? 0 : 1;
};

const seq: Command = async (process) => {
  const numbers = process.args.map(Number);
  const [a = Number.NaN, b, c] = numbers;
  const [first, step, last] = b === undefined ? [1, 1, a] : c === undefined ? [a, 1, b] : [a, b, c];
  if (![first, step, last].every(Number.isSafeInteger) || step === 0) {
    return await fail(process, "usage: seq [FIRST [STEP]] LAST");
  }
  let text = "";
  for (let value = first; step > 0 ? value <= last : value >= last; value += step) {
    text += `${value}\n`;
    if (text.length < 16_384) continue;
    if (!(await print(process.stdout, text)) || !(await yieldToEvents(process.signal))) return brokenPipe;
    text = "";
  }
  return await say(process, text);
};

const yes: Command = async (process) => {
  const line = `${process.args.length === 0 ? "y" : process.args.join(" ")}\n`;
  const chunk = encode(line.repeat(Math.max(1, Math.floor(16_384 / line.length))));
  while ((await process.stdout.write(chunk)) && (await yieldToEvents(process.signal)));
  return brokenPipe;
};

const sleep: Command = async (process) => {
  const match = /^(\d+(?:\.\d+)?|infinity)([smhd]?)$/.exec(process.args[0] ?? "");
  if (match === null) return await fail(process, "usage: sleep NUMBER[smhd]");
  const seconds = { s: 1, m: 60, h: 3600, d: 86_400 }[match[2] ?? ""] ?? 1;
  const ms = match[1] === "infinity" ? Number.MAX_SAFE_INTEGER : Number(match[1]) * seconds * 1000;
  await pause(process.machine.clock, ms, process.signal);
  return 0;
};

export const textCommands: Readonly<Record<string, Command>> = {
  cat,
  echo,
  grep,
  head,
  md5sum: sumBy("md5sum", "md5"),
  seq,
  sha256sum: sumBy("sha256sum", "sha256"),
  sleep,
  tail,
  wc,
  yes,
};
