// Runs test files with node:test, a process each, and sums up what happened. Leaks show: nothing is forced to exit, so a file
// that leaves a handle open does not end, which its watch finds.
import { readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { run } from "node:test";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";
import { FileWatch, type WatchedTest } from "./file-watch.ts";
import { seconds } from "./seconds.ts";

export interface SuiteResult {
  readonly name: string;
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
  readonly milliseconds: number;
}

export interface Failure {
  readonly title: string;
  /** `file:line:column`, where known. */
  readonly place: string;
  readonly details: string;
}

export interface Skip {
  readonly title: string;
  readonly reason: string;
}

export interface SuiteOptions {
  readonly name: string;
  readonly root: string;
  /** Absolute paths. */
  readonly files: readonly string[];
  /** How many files at a time. */
  readonly concurrency: number;
  /** Of one file; one that stands still, or leaves something open, is ended before: see file-watch.ts. */
  readonly deadlineMs: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly testNamePattern?: string | undefined;
  /** Print each test as it ends, not only each file. */
  readonly verbose: boolean;
  readonly signal: AbortSignal;
  readonly print: (line: string) => void;
}

/** What is loaded before the test file: said of each in its own first lines. */
function preloads(file: string): readonly string[] {
  const hasProperties = readFileSync(file, "utf8").includes('from "fast-check"');
  return ["open-handles.ts", ...(hasProperties ? ["property-seed.ts"] : [])].flatMap((each) => [
    "--import",
    pathToFileURL(join(import.meta.dirname, each)).href,
  ]);
}

interface Ended extends WatchedTest {
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly column?: number | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: { readonly duration_ms: number; readonly type?: string | undefined };
}

export async function runSuite(options: SuiteOptions): Promise<SuiteResult> {
  const started = performance.now();
  const results: FileResult[] = [];
  const waiting = [...options.files];
  const worker = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      results.push(await runFile(file, options));
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, worker));
  return {
    name: options.name,
    passed: results.reduce((sum, { passed }) => sum + passed, 0),
    failures: results.flatMap(({ failures }) => failures),
    skips: results.flatMap(({ skips }) => skips),
    milliseconds: performance.now() - started,
  };
}

interface FileResult {
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skips: readonly Skip[];
}

async function runFile(file: string, options: SuiteOptions): Promise<FileResult> {
  const started = performance.now();
  const failures: Failure[] = [];
  const skips: Skip[] = [];
  let passed = 0;
  let summarised = false;
  let fileFailed = false;
  let said = "";
  const shown = relative(options.root, file);
  // The runner's own time limit is one of tests: it lets a file that left something open run on.
  const watch = new FileWatch(file, options.deadlineMs);
  const stream = run({
    files: [file],
    execArgv: ["--conditions=source", ...preloads(file)],
    // A fifth of the work is reading the same modules in each process.
    env: { NODE_COMPILE_CACHE: join(options.root, "node_modules/.cache/compiled"), ...process.env, ...options.env },
    signal: AbortSignal.any([watch.signal, options.signal]),
    cwd: options.root,
    ...(options.testNamePattern === undefined ? {} : { testNamePatterns: [new RegExp(options.testNamePattern)] }),
  });

  /** Names of the suites and tests around, by nesting: children are told of after their parents began. */
  const around: string[] = [];
  const titleOf = (test: Ended): string => [shown, ...around.slice(0, test.nesting), test.name].join(" > ");
  /** node:test reports a file as a test of its own when it has no tests or ends badly. */
  const isFile = (test: WatchedTest): boolean => test.nesting === 0 && resolve(options.root, test.name) === file;
  const note = (test: Ended, mark: string): void => {
    if (options.verbose) options.print(`  ${mark} ${titleOf(test)} (${seconds(test.details.duration_ms)})`);
  };

  stream.on("test:enqueue", (test) => isFile(test) || watch.enqueued(test));
  stream.on("test:dequeue", (test) => isFile(test) || watch.began(test));
  stream.on("test:complete", (test) => isFile(test) || watch.completed(test));
  stream.on("test:start", (test) => {
    around[test.nesting] = test.name;
  });
  stream.on("test:pass", (test) => {
    if (test.details.type === "suite") return;
    const skip = test.skip ?? test.todo;
    if (skip !== undefined && skip !== false) {
      skips.push({ title: titleOf(test), reason: typeof skip === "string" && skip !== "" ? skip : "no reason given" });
      note(test, "-");
    } else if (!isFile(test)) {
      passed += 1;
      note(test, "✔");
    } else if (options.testNamePattern === undefined) {
      failures.push({ title: shown, place: shown, details: "holds no tests" });
    }
  });
  stream.on("test:fail", (test) => {
    const error: Error & { readonly failureType?: unknown } = test.details.error;
    // The subtests have been told of, and so will be the deadline.
    if (error.failureType === "subtestsFailed" || (isFile(test) && watch.signal.aborted)) return;
    if (isFile(test)) {
      fileFailed = true;
      return;
    }
    const place = `${shown}:${test.line ?? 0}:${test.column ?? 0}`;
    failures.push({ title: titleOf(test), place, details: inspect(error.cause ?? error) });
    note(test, "✖");
  });
  stream.on("test:stdout", ({ message }) => process.stdout.write(message));
  stream.on("test:stderr", ({ message }) => {
    process.stderr.write(message);
    watch.said(message);
    said = `${said}${message}`.slice(-4000);
  });
  // Among others: errors thrown and promises rejected when no test was running any more.
  stream.on("test:diagnostic", ({ message, level }) => {
    if (level === "error" || message.startsWith("Error:")) said = `${said}${message}\n`.slice(-4000);
  });
  stream.on("test:summary", () => {
    summarised = true;
  });
  try {
    for await (const _ of stream.resume());
  } finally {
    await watch.stop();
  }
  if (watch.fault !== undefined) {
    failures.push({ title: shown, place: shown, details: `${watch.fault}\n${said}`.trimEnd() });
  } else if (fileFailed || !summarised) {
    failures.push({ title: shown, place: shown, details: `the file itself failed\n${said}`.trimEnd() });
  }
  const skipped = skips.length === 0 ? "" : `, ${skips.length} skipped`;
  const figures = `${passed} passed, ${failures.length} failed${skipped}`;
  const elapsed = seconds(performance.now() - started);
  options.print(`${failures.length === 0 ? "✔" : "✖"} ${shown}: ${figures} (${elapsed})`);
  return { passed, failures, skips };
}
