// Makes the CRI log of one run out of the raw files that its output goes to. The container writes on while we are away; where
// we were is counted back out of the log itself, so a line is in it once, whenever we are killed.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { isMissing, readIfThere, writeWhole } from "../../host/state-files.ts";
import { toolEnvironment } from "../../host/tool-environment.ts";
import { countBack, cutLines, LineTimes, type OutputStream } from "./log-lines.ts";

export interface LogLimits {
  /** Bytes of one file of the log. */
  readonly maxBytes: number;
  /** Files kept, the present one among them. */
  readonly maxFiles: number;
}

const readSize = 64 * 1024;
const streams: readonly OutputStream[] = ["stdout", "stderr"];

/** Beside the raw files and not among them: who watches those must not see what we write. */
export function logPath(directory: string, number: number): string {
  return join(directory, "log", `${number}.log`);
}

/** Numbers of a run's log files, ascending. */
export function logNumbers(directory: string): readonly number[] {
  const path = join(directory, "log");
  const names = existsSync(path) ? readdirSync(path) : [];
  return names.flatMap((name) => (/^\d+\.log$/.test(name) ? [Number.parseInt(name, 10)] : [])).sort((a, b) => a - b);
}

export class LogCollector {
  readonly directory: string;
  readonly #limits: LogLimits;
  readonly #now: () => bigint;
  readonly #offsets: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  readonly #sizes: Record<OutputStream, number> = { stdout: 0, stderr: 0 };
  readonly #raw: Partial<Record<OutputStream, FileHandle>> = {};
  /** Readers of the raw files: nothing from there on may go. */
  readonly #floors = new Set<Record<OutputStream, number>>();
  readonly #waiting = new Set<() => void>();
  #times: LineTimes = new LineTimes();
  #log: FileHandle | undefined;
  #number = 0;
  #logSize = 0;
  #turn: Promise<void> = Promise.resolve();
  #pumping: Promise<void> | undefined;
  #opened = false;
  #finished = false;

  constructor(directory: string, limits: LogLimits, now: () => bigint = systemNanoseconds) {
    this.directory = directory;
    this.#limits = limits;
    this.#now = now;
  }

  /** All output up to the end of the run is in the log. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Takes over what there is by now; `final` when nothing more comes. */
  pump(final = false): Promise<void> {
    if (!final && this.#pumping !== undefined) return this.#pumping;
    const turn = this.#turn.then(async () => {
      if (this.#pumping === turn) this.#pumping = undefined;
      await this.#pump(final);
    });
    if (!final) this.#pumping = turn;
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Resolves with the next change of log or raw files, or when the signal aborts. */
  changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = (): void => {
      this.#waiting.delete(done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    this.#waiting.add(done);
    signal.addEventListener("abort", done, { once: true });
    return promise;
  }

  wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  /** Keeps raw output from these places on, until it is let go. */
  hold(floor: Record<OutputStream, number>): () => void {
    this.#floors.add(floor);
    return () => this.#floors.delete(floor);
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#closeFiles();
  }

  async #closeFiles(): Promise<void> {
    const handles = [this.#log, this.#raw.stdout, this.#raw.stderr];
    this.#log = undefined;
    delete this.#raw.stdout;
    delete this.#raw.stderr;
    this.#opened = false;
    for (const handle of handles) await handle?.close();
  }

  async #pump(final: boolean): Promise<void> {
    if (this.#finished) return;
    if (!this.#opened) await this.#open();
    for (let more = true; more; ) {
      more = false;
      for (const stream of streams) more = (await this.#take(stream, final)) || more;
      if (this.#logSize >= this.#limits.maxBytes) await this.#rotate();
    }
    if (final) {
      this.#finished = true;
      await this.#closeFiles();
    }
    this.wake();
  }

  /** One piece; true when there may be more. */
  async #take(stream: OutputStream, final: boolean): Promise<boolean> {
    const path = join(this.directory, stream);
    const raw = this.#raw[stream] ?? (await openIfThere(path));
    if (raw === undefined || this.#log === undefined) return false;
    this.#raw[stream] = raw;
    const { size, mtimeNs } = await raw.stat({ bigint: true });
    const end = Number(size);
    // The same piece of a line as before.
    if (!final && this.#sizes[stream] === end) return false;
    const { buffer, bytesRead } = await raw.read(Buffer.allocUnsafe(readSize), 0, readSize, this.#offsets[stream]);
    const atEnd = this.#offsets[stream] + bytesRead >= end;
    const now = this.#now();
    // What was written while nobody looked is as old as its file.
    const stamp = now - mtimeNs > 1_000_000_000n ? mtimeNs : now;
    const piece = buffer.subarray(0, bytesRead);
    const room = this.#limits.maxBytes - this.#logSize;
    const { lines, consumed, full } = cutLines(piece, stream, final && atEnd, () => this.#times.next(stamp), room);
    if (lines.length > 0) {
      const text = Buffer.concat(lines);
      await this.#log.appendFile(text);
      this.#logSize += text.length;
      this.#offsets[stream] += consumed;
    }
    const done = atEnd && !full;
    this.#sizes[stream] = done ? end : -1;
    return !done && bytesRead > 0;
  }

  async #open(): Promise<void> {
    await mkdir(join(this.directory, "log"), { recursive: true, mode: 0o700 });
    const position = readPosition(this.directory);
    Object.assign(this.#offsets, { stdout: position.stdout, stderr: position.stderr });
    const numbers = logNumbers(this.directory).filter((number) => number >= position.number);
    let last: bigint | undefined;
    for (const number of numbers) {
      const path = logPath(this.directory, number);
      const text = await readFile(path);
      const counted = countBack(text);
      this.#offsets.stdout += counted.stdout;
      this.#offsets.stderr += counted.stderr;
      last = counted.last ?? last;
      this.#logSize = counted.whole;
      if (counted.whole < text.length) {
        // We were killed in the middle of a line.
        await using file = await open(path, "r+");
        await file.truncate(counted.whole);
      }
    }
    if (numbers.length === 0) this.#logSize = 0;
    for (const stream of streams) {
      // The last line may have had no end.
      this.#offsets[stream] = Math.min(this.#offsets[stream], sizeOf(join(this.directory, stream)));
      this.#sizes[stream] = -1;
    }
    this.#number = numbers.at(-1) ?? position.number;
    this.#times = new LineTimes(last);
    this.#log = await open(logPath(this.directory, this.#number), "a", 0o600);
    this.#opened = true;
  }

  /** Whatever of this is done when we are killed: the files of the log and the position before them fit one another. */
  async #rotate(): Promise<void> {
    await this.#log?.close();
    this.#number++;
    this.#log = await open(logPath(this.directory, this.#number), "a", 0o600);
    this.#logSize = 0;
    const { stdout, stderr } = this.#offsets;
    await writeWhole(join(this.directory, "log", "position"), JSON.stringify({ number: this.#number, stdout, stderr }));
    for (const number of logNumbers(this.directory))
      if (number <= this.#number - this.#limits.maxFiles) await rm(logPath(this.directory, number), { force: true });
    for (const stream of streams) {
      const floors = [...this.#floors].map((floor) => floor[stream]);
      await giveBack(join(this.directory, stream), Math.min(this.#offsets[stream], ...floors));
    }
  }
}

function readPosition(directory: string): { readonly number: number } & Record<OutputStream, number> {
  const parsed: unknown = JSON.parse(readIfThere(join(directory, "log", "position")) ?? "{}");
  const field = (name: string): number => {
    const value: unknown = typeof parsed === "object" && parsed !== null ? Reflect.get(parsed, name) : undefined;
    return typeof value === "number" ? value : 0;
  };
  return { number: field("number"), stdout: field("stdout"), stderr: field("stderr") };
}

/**
 * Frees the blocks of what has been read. The container goes on writing behind it: nothing is lost, and the file's size does not
 * change. Where the file system cannot do that, the space stays taken until the run is removed.
 */
async function giveBack(path: string, bytes: number): Promise<void> {
  if (bytes <= 0) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const tool = spawn("fallocate", ["--punch-hole", "--offset", "0", "--length", String(bytes), path], {
    stdio: "ignore",
    env: { ...toolEnvironment },
  });
  tool.once("error", () => resolve());
  tool.once("close", () => resolve());
  await promise;
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function systemNanoseconds(): bigint {
  return BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
}
