// Commands about files: list, make, remove, and the conditions of `test`.
import { encode, print } from "./bytes.ts";
import { openInput } from "./devices.ts";
import type { FileInfo } from "./files.ts";
import { type Command, fail, type Process, pathOf, say } from "./process.ts";

const ls: Command = async (process) => {
  const options = process.args.filter((arg) => arg.startsWith("-")).join("");
  const paths = process.args.filter((arg) => !arg.startsWith("-"));
  const { files } = process.machine;
  let code = 0;
  for (const path of paths.length === 0 ? ["."] : paths) {
    const full = pathOf(process, path);
    const info = files.stat(full);
    if (info === undefined) {
      code = await fail(process, `ls: ${path}: No such file or directory`);
      continue;
    }
    const isListed = info.kind === "directory" && !options.includes("d");
    const names = isListed
      ? (files.list(full) ?? []).filter((name) => options.includes("a") || !name.startsWith("."))
      : [path];
    if (isListed && paths.length > 1) await print(process.stdout, `${path}:\n`);
    const lines = names.map((name) => {
      const at = isListed ? `${full === "/" ? "" : full}/${name}` : full;
      return options.includes("l") ? longLine(name, files.stat(at, true)) : name;
    });
    code = Math.max(code, await say(process, lines.map((line) => `${line}\n`).join("")));
  }
  return code;
};

function longLine(name: string, info: FileInfo | undefined): string {
  if (info === undefined) return name;
  const { kind, mode, size, modified, target } = info;
  const letters = [..."rwxrwxrwx"].map((letter, index) => ((mode >> (8 - index)) & 1 ? letter : "-")).join("");
  const first = kind === "directory" ? "d" : kind === "link" ? "l" : "-";
  const when = new Date(modified).toISOString().slice(0, 16).replace("T", " ");
  return `${first}${letters} 1 root root ${String(size).padStart(9)} ${when} ${name}${target === undefined ? "" : ` -> ${target}`}`;
}

/** Does one thing for each path; options are left to `work`. */
function forEachPath(
  name: string,
  work: (process: Process, path: string, options: string) => string | undefined,
): Command {
  return async (process) => {
    const options = process.args.filter((arg) => arg.startsWith("-")).join("");
    const paths = process.args.filter((arg) => !arg.startsWith("-"));
    if (paths.length === 0) return await fail(process, `usage: ${name} FILE...`);
    let code = 0;
    for (const path of paths) {
      const fault = work(process, pathOf(process, path), options);
      if (fault !== undefined) code = await fail(process, `${name}: ${path}: ${fault}`);
    }
    return code;
  };
}

const mkdir = forEachPath("mkdir", ({ machine }, path, options) =>
  machine.files.makeDirectory(path, options.includes("p")),
);

const rm = forEachPath("rm", ({ machine }, path, options) => {
  const fault = machine.files.remove(path, /[rR]/.test(options));
  return fault === "No such file or directory" && options.includes("f") ? undefined : fault;
});

const touch = forEachPath("touch", ({ machine }, path) =>
  machine.files.stat(path) === undefined ? machine.files.create(path) : machine.files.append(path, new Uint8Array()),
);

const tee: Command = async (process) => {
  const append = process.args.includes("-a");
  const paths = process.args.filter((arg) => arg !== "-a").map((path) => pathOf(process, path));
  const { files } = process.machine;
  let code = 0;
  for (const path of paths) {
    const fault = append && files.stat(path) !== undefined ? undefined : files.create(path);
    if (fault !== undefined) code = await fail(process, `tee: ${path}: ${fault}`);
  }
  for (let chunk = await process.stdin.read(); chunk !== undefined; chunk = await process.stdin.read()) {
    for (const path of paths) if (files.append(path, chunk) !== undefined) code = 1;
    if (!(await process.stdout.write(chunk))) break;
  }
  return code;
};

const cp: Command = async (process) => {
  const [from, to, ...more] = process.args;
  if (from === undefined || to === undefined || more.length > 0) return await fail(process, "usage: cp FROM TO");
  const { files } = process.machine;
  const target =
    files.stat(pathOf(process, to))?.kind === "directory" ? `${to}/${from.slice(from.lastIndexOf("/") + 1)}` : to;
  const input = openInput(files, pathOf(process, from), process.signal);
  if (typeof input === "string") return await fail(process, `cp: ${from}: ${input}`);
  if (pathOf(process, from) === pathOf(process, target))
    return await fail(process, `cp: ${from} and ${to} are the same file`);
  let fault = files.create(pathOf(process, target));
  for (let chunk = await input.read(); chunk !== undefined && fault === undefined; chunk = await input.read()) {
    fault = files.append(pathOf(process, target), chunk);
  }
  return fault === undefined ? 0 : await fail(process, `cp: ${target}: ${fault}`);
};

const test: Command = async (process) => {
  const holds = condition(process, process.args);
  return holds === undefined
    ? await fail(process, "test: this condition is not supported by this shell", 2)
    : holds
      ? 0
      : 1;
};

const bracket: Command = async (process) => {
  if (process.args.at(-1) !== "]") return await fail(process, "[: missing ]", 2);
  return await test({ ...process, args: process.args.slice(0, -1) });
};

function condition(process: Process, args: readonly string[]): boolean | undefined {
  const [first, second, third] = args;
  if (first === "!") {
    const holds = condition(process, args.slice(1));
    return holds === undefined ? undefined : !holds;
  }
  if (args.length === 0) return false;
  if (args.length === 1) return first !== "";
  if (args.length === 2) {
    const info = process.machine.files.stat(pathOf(process, second ?? ""));
    if (first === "-n") return second !== "";
    if (first === "-z") return second === "";
    if (first === "-e") return info !== undefined;
    if (first === "-d") return info?.kind === "directory";
    if (first === "-f") return info?.kind === "file";
    if (first === "-s") return (info?.size ?? 0) > 0;
    if (first === "-r" || first === "-w") return info !== undefined;
    if (first === "-x") return info !== undefined && (info.mode & 0o111) !== 0;
    return undefined;
  }
  if (args.length !== 3) return undefined;
  if (second === "=" || second === "==") return first === third;
  if (second === "!=") return first !== third;
  const [left, right] = [Number(first), Number(third)];
  if (Number.isNaN(left) || Number.isNaN(right)) return undefined;
  const comparisons: Readonly<Record<string, boolean>> = {
    "-eq": left === right,
    "-ne": left !== right,
    "-lt": left < right,
    "-le": left <= right,
    "-gt": left > right,
    "-ge": left >= right,
  };
  return comparisons[second ?? ""];
}

export const fileCommands: Readonly<Record<string, Command>> = { "[": bracket, cp, ls, mkdir, rm, tee, test, touch };

/** The commands that are found as files, so that `ls /bin` and `test -x` tell the truth. */
export function placeCommands(files: Process["machine"]["files"], names: readonly string[]): void {
  for (const name of names) {
    files.create(`/bin/${name}`, 0o755);
    files.append(`/bin/${name}`, encode("simulated\n"));
  }
}
