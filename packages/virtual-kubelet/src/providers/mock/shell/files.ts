// The files of one run of a simulated container: in memory, bounded, lost with the run.
export interface FileInfo {
  readonly kind: "file" | "directory" | "link";
  /** Permission bits. */
  readonly mode: number;
  /** Epoch milliseconds. */
  readonly modified: number;
  /** Bytes of a file's content. */
  readonly size: number;
  /** Where a symbolic link points. */
  readonly target?: string | undefined;
}

interface Entry {
  readonly kind: FileInfo["kind"];
  mode: number;
  modified: number;
  size: number;
  readonly target: string | undefined;
  /** Full blocks but the last, which may have room. */
  blocks: Uint8Array[];
  /** Names in a directory. */
  readonly children: Set<string>;
}

/** What a change came to; the texts are those of the system calls. */
export type FileFault =
  | "No such file or directory"
  | "Is a directory"
  | "Not a directory"
  | "File exists"
  | "Directory not empty"
  | "No space left on device"
  | "Too many levels of symbolic links";

/** Bytes held by the containers of one process, so that many of them stay bounded together. */
export interface Budget {
  left: number;
}

const blockSize = 64 * 1024;
/** What a name costs beside its content. */
const entryCost = 512;

export class Files {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  readonly #shared: Budget;
  #left: number;
  #taken = 0;

  /** `capacity` in bytes, for this run alone; `shared` is what all runs have together. */
  constructor(capacity: number, shared: Budget, now: () => number) {
    this.#now = now;
    this.#left = capacity;
    this.#shared = shared;
    this.#entries.set("/", entry("directory", 0o755, now()));
  }

  /** Takes links of the directories on the way, and of the last name unless `keepLink`. */
  resolve(path: string, keepLink = false): string | FileFault {
    let parts = path.split("/").filter((part) => part !== "" && part !== ".");
    let at = "";
    for (let hops = 0; parts.length > 0; ) {
      const [part = "", ...rest] = parts;
      parts = rest;
      if (part === "..") {
        at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
        continue;
      }
      const next = `${at}/${part}`;
      const found = this.#entries.get(next);
      if (found?.target === undefined || (keepLink && rest.length === 0)) {
        if (found?.kind === "file" && rest.length > 0) return "Not a directory";
        at = next;
        continue;
      }
      hops += 1;
      if (hops > 20) return "Too many levels of symbolic links";
      if (found.target.startsWith("/")) at = "";
      parts = [...found.target.split("/").filter((name) => name !== "" && name !== "."), ...rest];
    }
    return at === "" ? "/" : at;
  }

  /** Undefined: no such file. `path` is absolute. */
  stat(path: string, keepLink = false): FileInfo | undefined {
    const { found } = this.#find(path, keepLink);
    if (found === undefined) return undefined;
    const { kind, mode, modified, size, target } = found;
    return { kind, mode, modified, size, target };
  }

  /** Names in a directory, sorted; undefined: it is none. */
  list(path: string): readonly string[] | undefined {
    const { found } = this.#find(path, false);
    return found?.kind === "directory" ? [...found.children].sort() : undefined;
  }

  /** The content in chunks, as it is when each is asked for. */
  *read(path: string): Generator<Uint8Array> {
    const { found } = this.#find(path, false);
    for (let index = 0; found !== undefined && index * blockSize < found.size; index++) {
      const block = found.blocks[index];
      if (block === undefined) return;
      // A copy: the block may be filled on while whoever got it still holds it.
      const filled = Math.min(blockSize, found.size - index * blockSize);
      yield filled === block.length ? block : block.slice(0, filled);
    }
  }

  /** Makes the file, or empties it. */
  create(path: string, mode = 0o644): FileFault | undefined {
    const { at, found, fault } = this.#find(path, false);
    if (fault !== undefined) return fault;
    if (found?.kind === "directory") return "Is a directory";
    if (found !== undefined) {
      this.#give(found.size);
      found.blocks = [];
      found.size = 0;
      found.mode = mode;
      found.modified = this.#now();
      return undefined;
    }
    return this.#add(at, entry("file", mode, this.#now()));
  }

  append(path: string, bytes: Uint8Array): FileFault | undefined {
    const { found, fault } = this.#find(path, false);
    if (fault !== undefined || found === undefined) return fault ?? "No such file or directory";
    if (found.kind !== "file") return "Is a directory";
    if (!this.#takeBytes(bytes.length)) return "No space left on device";
    for (let from = 0; from < bytes.length; ) {
      const used = found.size % blockSize;
      let block = found.blocks.at(-1);
      if (used === 0 || block === undefined) {
        // Small files stay small: a block grows to its full size when it is needed.
        block = new Uint8Array(Math.min(blockSize, Math.max(256, bytes.length - from)));
        found.blocks.push(block);
      } else if (used === block.length && block.length < blockSize) {
        const larger = new Uint8Array(Math.min(blockSize, Math.max(2 * block.length, used + bytes.length - from)));
        larger.set(block);
        found.blocks[found.blocks.length - 1] = larger;
        block = larger;
      }
      const taken = Math.min(block.length - used, bytes.length - from);
      block.set(bytes.subarray(from, from + taken), used);
      found.size += taken;
      from += taken;
    }
    found.modified = this.#now();
    return undefined;
  }

  makeDirectory(path: string, withParents: boolean, mode = 0o755): FileFault | undefined {
    const { at, found, fault } = this.#find(path, false);
    if (fault !== undefined) return fault;
    if (found !== undefined) return withParents && found.kind === "directory" ? undefined : "File exists";
    const parent = parentOf(at);
    if (withParents && !this.#entries.has(parent)) {
      const above = this.makeDirectory(parent, true);
      if (above !== undefined) return above;
    }
    return this.#add(at, entry("directory", mode, this.#now()));
  }

  link(path: string, target: string): FileFault | undefined {
    const { at, found, fault } = this.#find(path, true);
    if (fault !== undefined) return fault;
    if (found !== undefined) return "File exists";
    return this.#add(at, entry("link", 0o777, this.#now(), target));
  }

  setMode(path: string, mode: number): FileFault | undefined {
    const { found } = this.#find(path, false);
    if (found === undefined) return "No such file or directory";
    found.mode = mode;
    return undefined;
  }

  remove(path: string, recursive: boolean): FileFault | undefined {
    const { at, found } = this.#find(path, true);
    if (found === undefined || at === "/") return "No such file or directory";
    if (found.kind === "directory" && !recursive) return "Is a directory";
    this.#drop(at, found);
    return undefined;
  }

  /** Gives back what it holds of the shared budget. */
  close(): void {
    this.#entries.clear();
    this.#shared.left += this.#taken;
    this.#taken = 0;
    this.#left = 0;
  }

  #find(
    path: string,
    keepLink: boolean,
  ): { readonly at: string; readonly found: Entry | undefined; readonly fault?: FileFault } {
    const at = this.resolve(path, keepLink);
    if (!at.startsWith("/")) return { at: path, found: undefined, fault: faultOf(at) };
    return { at, found: this.#entries.get(at) };
  }

  #add(path: string, added: Entry): FileFault | undefined {
    const parent = this.#entries.get(parentOf(path));
    if (parent === undefined) return "No such file or directory";
    if (parent.kind !== "directory") return "Not a directory";
    if (!this.#takeBytes(entryCost + path.length)) return "No space left on device";
    this.#entries.set(path, added);
    parent.children.add(nameOf(path));
    return undefined;
  }

  /** With all that is in it. */
  #drop(path: string, dropped: Entry): void {
    const paths = [path];
    for (let next = paths.pop(); next !== undefined; next = paths.pop()) {
      const found = this.#entries.get(next);
      for (const name of found?.children ?? []) paths.push(`${next}/${name}`);
      this.#give(entryCost + next.length + (found?.size ?? 0));
      this.#entries.delete(next);
    }
    dropped.children.clear();
    this.#entries.get(parentOf(path))?.children.delete(nameOf(path));
  }

  #takeBytes(count: number): boolean {
    if (count > this.#left || count > this.#shared.left) return false;
    this.#left -= count;
    this.#shared.left -= count;
    this.#taken += count;
    return true;
  }

  #give(count: number): void {
    this.#left += count;
    this.#shared.left += count;
    this.#taken -= count;
  }
}

function faultOf(text: string): FileFault {
  return text === "Not a directory" ? text : "Too many levels of symbolic links";
}

function entry(kind: FileInfo["kind"], mode: number, modified: number, target?: string): Entry {
  return { kind, mode, modified, size: 0, target, blocks: [], children: new Set() };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf("/")));
}

/** An absolute path out of one that may be relative. */
export function absolute(directory: string, path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${directory}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
