// Watches over a test file that runs: ends it where it goes on without end, and says what it was at and what it left.
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { seconds } from "./seconds.ts";

/** Of the file's deadline: for what puts away after the last test, and from the beginning or end of one test to that of the next. */
const leftOpenShare = 0.1;
const stillShare = 0.4;
/** For a process to say what keeps it, and to end when it is told to. */
const answerMs = 5000;
const mercyMs = 10_000;

export interface WatchedTest {
  readonly name: string;
  readonly nesting: number;
}

export class FileWatch {
  readonly #file: string;
  readonly #deadlineMs: number;
  readonly #over = new AbortController();
  readonly #done = new AbortController();
  readonly #answered = Promise.withResolvers<void>();
  readonly #running = new Map<string, string>();
  readonly #deadline: NodeJS.Timeout;
  #quiet: NodeJS.Timeout;
  /** Tests and suites of the file's own level: those that have not ended, and whether there was one. */
  #open = 0;
  #begun = false;
  #ending: Promise<void> | undefined;
  #fault: string | undefined;

  /** `file`: absolute. */
  constructor(file: string, deadlineMs: number) {
    this.#file = file;
    this.#deadlineMs = deadlineMs;
    this.#deadline = setTimeout(() => this.#end(`did not end within ${seconds(deadlineMs)}`), deadlineMs);
    this.#quiet = this.#nextQuiet();
  }

  /** Aborts when the file is to be ended. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Why it was ended, and what was there then. */
  get fault(): string | undefined {
    return this.#fault;
  }

  enqueued({ nesting }: WatchedTest): void {
    if (nesting === 0) this.#open += 1;
    this.#begun = true;
    this.#happened();
  }

  began({ nesting, name }: WatchedTest): void {
    this.#running.set(`${nesting} ${name}`, name);
    this.#happened();
  }

  completed({ nesting, name }: WatchedTest): void {
    this.#running.delete(`${nesting} ${name}`);
    if (nesting === 0) this.#open -= 1;
    this.#happened();
  }

  /** On its standard error. */
  said(text: string): void {
    if (text.includes("open: ")) this.#answered.resolve();
  }

  /** The file has ended. */
  async stop(): Promise<void> {
    clearTimeout(this.#deadline);
    clearTimeout(this.#quiet);
    this.#done.abort();
    await this.#ending;
  }

  #happened(): void {
    clearTimeout(this.#quiet);
    this.#quiet = this.#nextQuiet();
  }

  #nextQuiet(): NodeJS.Timeout {
    const isOver = this.#begun && this.#open === 0;
    const ms = this.#deadlineMs * (isOver ? leftOpenShare : stillShare);
    const why = isOver
      ? `did not end within ${seconds(ms)} of its last test: something was left open`
      : `nothing happened for ${seconds(ms)}`;
    return setTimeout(() => this.#end(why), ms);
  }

  #end(why: string): void {
    this.#ending ??= this.#endIt(why);
  }

  async #endIt(why: string): Promise<void> {
    const at = this.#running.size === 0 ? "" : `, in: ${[...this.#running.values()].join(" > ")}`;
    this.#fault = [`${why}${at}`, ...this.#children()].join("\n");
    // See open-handles.ts.
    this.#signalAll("SIGURG");
    await Promise.race([this.#pause(answerMs), this.#answered.promise]);
    this.#over.abort();
    const until = performance.now() + mercyMs;
    while (this.#own(processes()).length > 0 && performance.now() < until) await sleep(100);
    this.#signalAll("SIGKILL");
  }

  async #pause(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#done.signal });
    } catch {
      // It has ended.
    }
  }

  #signalAll(signal: NodeJS.Signals): void {
    for (const { pid } of this.#own(processes())) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended.
      }
    }
  }

  #own(all: readonly Process[]): readonly Process[] {
    return all.filter(({ parent, command }) => parent === process.pid && command.includes(this.#file));
  }

  #children(): readonly string[] {
    const all = processes();
    const below = (pid: number): readonly Process[] =>
      all.filter(({ parent }) => parent === pid).flatMap((each) => [each, ...below(each.pid)]);
    return this.#own(all)
      .flatMap(({ pid }) => below(pid))
      .map(({ pid, command }) => `process ${pid}: ${command.slice(0, 300)}`);
  }
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

/** Where the system tells, which Linux does. */
function processes(): readonly Process[] {
  let names: readonly string[];
  try {
    names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    try {
      const parent = /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1];
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      return [{ pid: Number(name), parent: Number(parent), command }];
    } catch {
      return [];
    }
  });
}
