// The command `tar`, as far as `kubectl cp` and its like go: create, extract and list, uncompressed.
import { type Input, type Output, print } from "./bytes.ts";
import { openFile, openInput, openOutput } from "./devices.ts";
import { absolute, type Files } from "./files.ts";
import { brokenPipe, type Command, fail, type Process } from "./process.ts";
import { blockBytes, padding, readHeader, readRecords, type TarHeader, writeHeader } from "./tar-format.ts";

interface Request {
  readonly mode: "c" | "x" | "t";
  readonly archive: string;
  readonly verbose: boolean;
  /** What to archive, each with the directory that -C named before it. */
  readonly members: readonly { readonly directory: string; readonly path: string }[];
  readonly directory: string;
}

/** Long names and the like; more is no archive that a client sends. */
const longestExtension = 1024 * 1024;

export const tar: Command = async (process) => {
  const request = readArguments(process);
  if (typeof request === "string") return await fail(process, `tar: ${request}`, 2);
  const archivePath = absolute(process.directory, request.archive);
  if (request.mode === "c") {
    const output =
      request.archive === "-" ? process.stdout : openOutput(process.machine.files, archivePath, false, () => {});
    if (typeof output === "string") return await fail(process, `tar: ${request.archive}: ${output}`, 2);
    return await create(process, request, output);
  }
  const input = request.archive === "-" ? process.stdin : openInput(process.machine.files, archivePath, process.signal);
  if (typeof input === "string") return await fail(process, `tar: ${request.archive}: ${input}`, 2);
  return await extract(process, request, input);
};

function readArguments(process: Process): Request | string {
  let [mode, archive, verbose, directory]: [Request["mode"] | undefined, string, boolean, string] = [
    undefined,
    "-",
    false,
    process.directory,
  ];
  const members: { directory: string; path: string }[] = [];
  const args = [...process.args];
  for (let isFirst = true; args.length > 0; isFirst = false) {
    const arg = args.shift() ?? "";
    if (/^--(no-same-|same-|no-overwrite-dir|overwrite|touch|numeric-owner|warning)/.test(arg)) continue;
    if (arg === "--" || (!arg.startsWith("-") && !isFirst) || arg === "-") {
      if (arg !== "--") members.push({ directory, path: arg });
      continue;
    }
    if (arg.startsWith("--")) return `${arg}: not supported`;
    for (const letter of arg.replace(/^-/, "")) {
      if (letter === "c" || letter === "x" || letter === "t") mode = letter;
      else if (letter === "f") archive = args.shift() ?? "-";
      else if (letter === "C") directory = absolute(directory, args.shift() ?? ".");
      else if (letter === "v") verbose = true;
      else if (!"mpokPh".includes(letter)) return `-${letter}: not supported`;
    }
  }
  if (mode === undefined) return "one of c, x and t must be given";
  if (mode === "c" && members.length === 0) return "refusing to create an empty archive";
  if (process.machine.files.stat(directory)?.kind !== "directory") return `${directory}: No such file or directory`;
  return { mode, archive, verbose, members, directory };
}

async function create(process: Process, request: Request, output: Output): Promise<number> {
  const { files } = process.machine;
  let code = 0;
  let written = 0;
  for (const { directory, path } of request.members) {
    const full = absolute(directory, path);
    if (files.stat(full, true) === undefined) {
      code = await fail(process, `tar: ${path}: Cannot stat: No such file or directory`, 2);
      continue;
    }
    for (const member of walk(files, full, memberName(path))) {
      if (request.verbose) await print(process.stderr, `${member.name}\n`);
      if (!(await writeMember(process, member.full, member.name, output))) return brokenPipe;
      written += 1;
    }
  }
  // No end without a member: a reader who saw a whole archive would not wait for the exit code.
  if (written === 0) return code;
  return (await output.write(new Uint8Array(2 * blockBytes))) ? code : brokenPipe;
}

/** No archive leads out of the directory in which it is unpacked. */
function memberName(path: string): string {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return parts.length === 0 ? "." : parts.join("/");
}

function* walk(files: Files, full: string, name: string): Generator<{ readonly full: string; readonly name: string }> {
  yield { full, name };
  if (files.stat(full, true)?.kind !== "directory") return;
  for (const child of files.list(full) ?? [])
    yield* walk(files, `${full === "/" ? "" : full}/${child}`, `${name}/${child}`);
}

async function writeMember(process: Process, full: string, name: string, output: Output): Promise<boolean> {
  const { files } = process.machine;
  const info = files.stat(full, true);
  if (info === undefined) return true;
  const isFile = info.kind === "file";
  const header: TarHeader = {
    name: info.kind === "directory" ? `${name}/` : name,
    type: isFile ? "0" : info.kind === "directory" ? "5" : "2",
    mode: info.mode,
    size: isFile ? info.size : 0,
    modified: info.modified / 1000,
    linkName: info.target ?? "",
  };
  if (!(await output.write(writeHeader(header)))) return false;
  const content = openFile(files, full, process.signal);
  for (let left = header.size; left > 0; ) {
    // What was promised in the header is written, whatever happens to the file meanwhile.
    const chunk = (await content.read(left)) ?? new Uint8Array(Math.min(left, 64 * 1024));
    left -= chunk.length;
    if (!(await output.write(chunk))) return false;
  }
  return await output.write(new Uint8Array(padding(header.size)));
}

async function extract(process: Process, request: Request, input: Input): Promise<number> {
  let next: { name?: string | undefined; linkName?: string | undefined; size?: number | undefined } = {};
  for (;;) {
    const block = await input.take(blockBytes);
    if (block.length === 0) return 0;
    const read = readHeader(block);
    if (read === "end") {
      while ((await input.read()) !== undefined);
      return 0;
    }
    if (read === undefined) return await fail(process, "tar: This does not look like a tar archive", 2);
    if (read.type === "x" || read.type === "g" || read.type === "L" || read.type === "K") {
      if (read.size > longestExtension) return await fail(process, "tar: extended header too long", 2);
      const bytes = await input.take(read.size);
      await input.take(padding(read.size));
      const text = Buffer.from(bytes).toString("utf8").replace(/\0+$/, "");
      if (read.type === "L") next.name = text;
      else if (read.type === "K") next.linkName = text;
      else if (read.type === "x") {
        const records = readRecords(bytes);
        const size = records.get("size");
        next = {
          name: records.get("path") ?? next.name,
          linkName: records.get("linkpath") ?? next.linkName,
          size: size === undefined ? undefined : Number(size),
        };
      }
      continue;
    }
    const header = {
      ...read,
      name: next.name ?? read.name,
      linkName: next.linkName ?? read.linkName,
      size: next.size ?? read.size,
    };
    next = {};
    const fault = await extractMember(process, request, header, input);
    if (fault !== undefined) return await fail(process, `tar: ${header.name}: ${fault}`, 2);
  }
}

/** Reads the member to its end; answers with what went wrong. */
async function extractMember(
  process: Process,
  { mode, verbose, directory }: Request,
  header: TarHeader,
  input: Input,
): Promise<string | undefined> {
  const { files } = process.machine;
  const isExtracted = mode === "x";
  if (verbose || !isExtracted) await print(isExtracted ? process.stderr : process.stdout, `${header.name}\n`);
  const path = absolute(directory, memberName(header.name));
  let fault: string | undefined;
  let target: string | undefined;
  if (isExtracted && path !== directory) {
    files.makeDirectory(path.slice(0, Math.max(1, path.lastIndexOf("/"))), true);
    if (header.type === "5") fault = files.makeDirectory(path, true, header.mode & 0o777);
    else if (header.type === "2") {
      files.remove(path, false);
      fault = files.link(path, header.linkName);
    } else if (header.type === "0") {
      // Replaced, never written through: a link of the archive must not lead elsewhere.
      if (files.stat(path, true)?.kind === "link") files.remove(path, false);
      fault = files.create(path, header.mode & 0o777);
      target = path;
    } else await print(process.stderr, `tar: ${header.name}: skipped, of a type that is not supported\n`);
  }
  for (let left = header.size; left > 0 && fault === undefined; ) {
    const chunk = await input.read(left);
    if (chunk === undefined) return "Unexpected EOF in archive";
    left -= chunk.length;
    if (target !== undefined) fault = files.append(target, chunk);
  }
  await input.take(padding(header.size));
  return fault;
}
