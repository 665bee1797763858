// A trial as a process of its own, in a home and a directory for temporary files of its own; and what it leaves there.
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { errorText } from "../packages/virtual-kubelet/src/errors.ts";
import { eventually } from "./harness.ts";

const main = join(import.meta.dirname, "../packages/virtual-kubelet/src/main.ts");
const npmStart = join(import.meta.dirname, "../scripts/start.ts");

/** None takes longer than seconds to its end, once it is told to end: this is for a machine that is busy. */
const endMs = 120_000;

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A user's machine, as far as trials see it. */
export class TrialHome implements Disposable {
  /** Short, for sockets. */
  readonly directory: string = mkdtempSync(join(tmpdir(), "vk-trial-"));
  readonly environment: NodeJS.ProcessEnv;

  constructor() {
    const kept = Object.entries(process.env).filter(
      ([name]) => !/^(KUBE|XDG_|VKUBELET_|npm_|NODE_|DOCKER_HOST|CONTAINER_HOST)/.test(name),
    );
    this.environment = { ...Object.fromEntries(kept), HOME: this.directory, TMPDIR: this.directory };
  }

  /** `virtual-kubelet trial`; it goes on until it is told to end. */
  trial(...args: string[]): TrialRun {
    return new TrialRun([main, "trial", ...args], this.environment);
  }

  /** `npm start`; control planes that it needs are those that this machine has. */
  npmStart(...args: string[]): TrialRun {
    const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
    const env = { ...this.environment, VKUBELET_POD_IP: "127.0.0.1", XDG_CACHE_HOME: cache };
    return new TrialRun([npmStart, ...args], env);
  }

  /** On a terminal of 24 lines and 100 columns; what is written to its input is typed. */
  onTerminal(...args: string[]): TrialRun {
    const words = [process.execPath, "--conditions=source", main, ...args].map((word) => `'${word}'`).join(" ");
    const command = `stty rows 24 cols 100; exec ${words}`;
    return new TrialRun(["-qec", command, "/dev/null"], { ...this.environment, TERM: "xterm" }, "script");
  }

  /** Another sub-command, to its end. */
  run(...args: string[]): Promise<Outcome> {
    return this.runWith({}, "", ...args);
  }

  async runWith(env: NodeJS.ProcessEnv, input: string, ...args: string[]): Promise<Outcome> {
    return outcome(process.execPath, ["--conditions=source", main, ...args], { ...this.environment, ...env }, input);
  }

  /** Files of trials that are there now. */
  leftovers(): readonly string[] {
    return globSync(["virtual-kubelet-*", ".local/state/virtual-kubelet/trials/*"], { cwd: this.directory });
  }

  [Symbol.dispose](): void {
    // What was killed may be at work in it for a moment.
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10 });
  }
}

export async function outcome(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input = "",
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const child = execFile(program, args, { env, maxBuffer: 1 << 26, timeout: endMs }, (error, stdout, stderr) => {
    const code = error === null ? 0 : typeof error.code === "number" ? error.code : null;
    resolve({ code, stdout, stderr });
  });
  child.stdin?.end(input);
  return promise;
}

export class TrialRun implements AsyncDisposable {
  readonly child: ChildProcess;
  output = "";
  readonly #closed: Promise<unknown[]>;
  #isClosed = false;

  constructor(args: readonly string[], env: NodeJS.ProcessEnv, program: string = process.execPath) {
    const all = program === process.execPath ? ["--conditions=source", ...args] : args;
    this.child = spawn(program, all, { stdio: ["pipe", "pipe", "pipe"], env });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
      });
    }
    this.#closed = once(this.child, "close");
    this.child.once("close", () => {
      this.#isClosed = true;
    });
  }

  async says(pattern: RegExp, limitMs = 60_000): Promise<void> {
    try {
      await eventually(`${pattern} in the output`, limitMs, () => this.#isClosed || pattern.test(this.output));
    } catch (error) {
      throw new Error(`${errorText(error)}\n${this.output}`);
    }
    assert.match(this.output, pattern);
  }

  type(keys: string): void {
    this.child.stdin?.write(keys);
  }

  /** Waits for its end. */
  async code(): Promise<unknown> {
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      this.child.kill("SIGKILL");
    }, endMs);
    try {
      const [code]: unknown[] = await this.#closed;
      assert.ok(!isLate, `did not end within ${endMs / 1000} s\n${this.output}`);
      return code;
    } finally {
      clearTimeout(late);
    }
  }

  /** Tells it to end, as Ctrl-C does, and expects that it leaves nothing. */
  async end(signal: NodeJS.Signals = "SIGINT"): Promise<void> {
    this.child.kill(signal);
    assert.equal(await this.code(), 0, this.output);
    assert.match(this.output, /Stopped, nothing is left/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill("SIGKILL");
    await this.#closed;
  }
}
