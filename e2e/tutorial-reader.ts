// A reader of a tutorial: writes its files, runs its commands in a folder beside the clone, and compares what they print.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { eventually } from "../packages/virtual-kubelet/src/testing/eventually.ts";
import { changed, isShown, readSteps, type Step } from "./tutorial.ts";

const root = join(import.meta.dirname, "..");

/** How long a command's output may take to be as the page shows it; and what is told to end, to end. */
const patienceMs = 120_000;

/** Of a shell that was not started by npm or a test runner. npm looks into its cache first. */
const asTyped: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_(OPTIONS|TEST_CONTEXT|V8_COVERAGE)$)/.test(name)),
  ),
  ...{ npm_config_prefer_offline: "true", npm_config_audit: "false", npm_config_fund: "false" },
};

export interface ReaderOptions {
  /** Variables of its shells, beside those of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Shell commands before the first step. */
  readonly prepare?: string | undefined;
}

export class Reader implements AsyncDisposable {
  readonly #directory: string;
  readonly #terminals = new Map<string, Terminal>();
  /** Where the first terminal is, with its variables: a shell script. */
  readonly #state: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#state = join(directory, ".state.sh");
  }

  /** In a new folder, with the clone in `virtual-kubelet`, built. */
  static async begin({ env = {}, prepare = "" }: ReaderOptions = {}): Promise<Reader> {
    const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-tutorial-"));
    await symlink(root, join(directory, "virtual-kubelet"));
    // What is wrong with the types is told by the checks.
    const build = spawn(join(root, "node_modules/.bin/tsc"), ["-b"], { cwd: root, stdio: "ignore" });
    await once(build, "close");
    const reader = new Reader(directory);
    // Ports of their own: other nodes may be on this machine.
    const all = { KUBELET_PORT: "0", ...env };
    const exports = Object.entries(all).map(([name, value]) => `export ${name}='${value}'\n`);
    const path = `export PATH="$PATH:${dirname(await findKubectl())}"\n`;
    await writeFile(reader.#state, `cd '${directory}'\n${path}${exports.join("")}${prepare}\n`);
    return reader;
  }

  /** All steps of the page `file`, or of those of its sections whose headings match. */
  async follow(file: string, section?: RegExp): Promise<number> {
    const text = await readFile(join(root, file), "utf8");
    const steps = readSteps(file, section === undefined ? text : sectionsOf(text, section));
    for (const step of steps) {
      try {
        await this.take(step);
      } catch (error) {
        throw new Error(`${file}:${step.line}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    return steps.length;
  }

  async take(step: Step): Promise<void> {
    switch (step.type) {
      case "write":
        return this.#write(step.file, step.text);
      case "change":
        return this.#write(step.file, changed(await readFile(await this.#path(step.file), "utf8"), step.diff));
      case "run":
        return step.terminal === undefined ? this.#run(step) : this.#start(step, step.terminal);
    }
  }

  async #path(file: string): Promise<string> {
    const { output } = await this.#shell("pwd");
    return join(output.trim(), file);
  }

  async #write(file: string, text: string): Promise<void> {
    const path = await this.#path(file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }

  async #shell(script: string): Promise<{ readonly output: string; readonly code: unknown }> {
    // Whole or as it was: a terminal that was started just now may be reading it.
    const keep = `{ export -p; echo "cd '$PWD'"; } > '${this.#state}.new'; mv '${this.#state}.new' '${this.#state}'`;
    const whole = `. '${this.#state}'; set -e\n${script}\n${keep}`;
    const child = spawn("bash", ["-c", whole], { env: asTyped, stdio: ["ignore", "pipe", "pipe"] });
    const output = outputOf(child);
    const [code]: unknown[] = await once(child, "close");
    return { output: output(), code };
  }

  /** Commands whose output is shown are repeated until it is as shown: what they look at may take a moment. */
  async #run({ script, prints }: Extract<Step, { type: "run" }>): Promise<void> {
    if (prints === undefined) {
      const { output, code } = await this.#shell(script);
      assert.equal(code, 0, `${script}\n${output}`);
      return;
    }
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const { output } = await this.#shell(script);
      if (isShown(output, prints)) return;
      assert.ok(performance.now() < deadline, `${script} prints\n\n${output}\nand not\n\n${prints}${this.#logs()}`);
    }
  }

  async #start({ script, prints }: Extract<Step, { type: "run" }>, name: string): Promise<void> {
    await this.#terminals.get(name)?.interrupt();
    const terminal = new Terminal(`. '${this.#state}'; ${script}`);
    this.#terminals.set(name, terminal);
    if (prints === undefined) return;
    try {
      await eventually(`${script} to print ${prints}`, 20_000, () => isShown(terminal.output(), prints));
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)}${this.#logs()}`);
    }
  }

  #logs(): string {
    return [...this.#terminals].map(([name, { output }]) => `\n\n${name}:\n${output().slice(-3000)}`).join("");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rm(this.#directory, { recursive: true, force: true, maxRetries: 10 }));
    for (const terminal of this.#terminals.values()) stack.defer(() => terminal.interrupt());
  }
}

/** The other lines are empty, so that lines keep their numbers. */
function sectionsOf(text: string, wanted: RegExp): string {
  let isIn = false;
  return text
    .split("\n")
    .map((line) => {
      if (line.startsWith("## ")) isIn = wanted.test(line);
      return isIn ? line : "";
    })
    .join("\n");
}

/** A program in the foreground of a terminal of its own. It does not outlive this process, even if that is killed. */
class Terminal {
  readonly output: () => string;
  readonly #shell: ChildProcess;

  constructor(script: string) {
    const watched = `exec 3<&0 < /dev/null; (cat <&3; kill -KILL 0) & exec 3<&-; trap : INT; ${script}`;
    this.#shell = spawn("bash", ["-c", watched], { env: asTyped, stdio: ["pipe", "pipe", "pipe"], detached: true });
    this.output = outputOf(this.#shell);
  }

  /** Ctrl-C, and the end of the program. */
  async interrupt(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#shell;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const ended = once(this.#shell, "exit");
    process.kill(-pid, "SIGINT");
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      process.kill(-pid, "SIGKILL");
    }, patienceMs);
    await ended;
    clearTimeout(late);
    this.#shell.stdin?.end();
    assert.ok(!isLate, `no end within ${patienceMs / 1000} s of Ctrl-C:\n${this.output()}`);
  }
}

function outputOf(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
  }
  return () => text;
}
