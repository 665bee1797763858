// Child processes of a test that never outlive it: killed, and their directory deleted, on close(), at the end of this
// process and even when it is killed with SIGKILL. A small shell process watches a pipe to us and cleans up when it closes.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { VirtualKubeletError } from "../errors.ts";

/** Reads "+ pid" and "- pid" lines; at the end of input kills what is left and deletes the directory given as $1. */
const watcher = `
trap '' HUP INT TERM QUIT
pids=' '
while read -r sign pid; do
  case $sign in
    +) pids="$pids$pid " ;;
    -) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
[ "$pids" != ' ' ] && kill -KILL $pids 2>/dev/null
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  rm -rf -- "$1" 2>/dev/null && [ ! -e "$1" ] && exit 0
  sleep 0.2
done
`;

export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  /** Its standard output and error. */
  readonly logFile: string;
  /** Resolves when the process has ended, whatever the reason. */
  readonly ended: Promise<ProcessEnd>;
  readonly running: boolean;
  /** The last lines of its log, at most `bytes` (default 4096). */
  logTail(bytes?: number): Promise<string>;
  /** Sends SIGKILL (or another signal) and waits for the end. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

export class ProcessGroup implements AsyncDisposable {
  readonly directory: string;
  readonly #watcher: ChildProcess;
  readonly #processes = new Set<ManagedProcess>();
  #closed = false;

  /**
   * @param directory deleted at the end with all that is in it; must be empty or not exist yet. Default: a new one under `parent`.
   */
  constructor(options: { readonly directory?: string | undefined; readonly parent: string; readonly prefix: string }) {
    if (options.directory === undefined) {
      this.directory = mkdtempSync(join(options.parent, options.prefix));
    } else {
      mkdirSync(options.directory, { recursive: true, mode: 0o700 });
      if (readdirSync(options.directory).length > 0) {
        throw new VirtualKubeletError("Invalid", `${options.directory} is not empty, and would be deleted at the end`);
      }
      this.directory = options.directory;
    }
    // Its own session: a Ctrl-C in the terminal must not end it before its work is done.
    this.#watcher = spawn("/bin/sh", ["-c", watcher, "sh", this.directory], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
      cwd: "/",
    });
  }

  /** Starts a program with the directory as its working directory; its output goes to `<directory>/<name>.log`. */
  async start(name: string, command: string, args: readonly string[]): Promise<ManagedProcess> {
    if (this.#closed) throw new VirtualKubeletError("Aborted", `${name} was not started: already stopped`);
    const logFile = join(this.directory, `${name}.log`);
    const log = openSync(logFile, "a", 0o600);
    let child: ChildProcess;
    try {
      child = spawn(command, args, { cwd: this.directory, stdio: ["ignore", log, log], detached: true });
    } finally {
      closeSync(log);
    }
    const { pid } = child;
    if (pid === undefined) {
      const [error]: unknown[] = await once(child, "error");
      throw new VirtualKubeletError("Internal", `cannot start ${name}`, { cause: error });
    }
    this.#watcher.stdin?.write(`+ ${pid}\n`);
    const managed = this.#manage(name, child, pid, logFile);
    this.#processes.add(managed);
    return managed;
  }

  /** Kills every process, waits for their ends and deletes the directory. May be called more than once. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#processes].map((each) => each.kill()));
    if (this.#watcher.exitCode === null && this.#watcher.signalCode === null) {
      const gone = once(this.#watcher, "exit");
      this.#watcher.stdin?.end();
      await gone;
    }
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #manage(name: string, child: ChildProcess, pid: number, logFile: string): ManagedProcess {
    const { promise: ended, resolve } = Promise.withResolvers<ProcessEnd>();
    const managed: ManagedProcess = {
      name,
      pid,
      logFile,
      ended,
      get running() {
        return child.exitCode === null && child.signalCode === null;
      },
      logTail: (bytes = 4096) => lastLines(logFile, bytes),
      async kill(signal = "SIGKILL") {
        if (managed.running) child.kill(signal);
        await ended;
      },
    };
    child.once("exit", (code, signal) => {
      this.#processes.delete(managed);
      this.#watcher.stdin?.write(`- ${pid}\n`);
      resolve({ code, signal });
    });
    return managed;
  }
}

async function lastLines(file: string, bytes: number): Promise<string> {
  await using handle = await open(file, "r");
  const { size } = await handle.stat();
  const from = Math.max(0, size - bytes);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(Math.min(size, bytes)), 0, Math.min(size, bytes), from);
  const text = buffer.toString("utf8", 0, bytesRead);
  return (from === 0 ? text : text.slice(text.indexOf("\n") + 1)).trimEnd();
}
