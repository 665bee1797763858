// The program: command line in, exit code out. SIGINT or SIGTERM ends it gracefully, a second one at once.
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "./log.ts";
import { program } from "./program/program.ts";

const stop = new AbortController();
let logger: Logger | undefined;

/** What comes so soon after the first is the same: timeout(1) tells the program and then its process group. Milliseconds. */
const oneSignalMs = 500;
/** A signal that comes while the process ends would end it in disorder: for so long the same one is waited for. */
const leastEndingMs = 200;
let stoppedAt = 0;

function onSignal(name: NodeJS.Signals): void {
  if (stop.signal.aborted) {
    if (performance.now() - stoppedAt < oneSignalMs) return;
    logger?.warn({ signal: name }, "second signal: ending at once");
    process.exit(1);
  }
  logger?.info({ signal: name }, "stopping");
  stoppedAt = performance.now();
  stop.abort();
}

function onFault(error: unknown): void {
  if (logger === undefined) process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  else logger.error({ err: error, stack: error instanceof Error ? error.stack : undefined }, "unhandled fault");
  process.exit(1);
}

// Whoever reads our output may leave before its end, as `| head` does.
process.stdout.on("error", (error) => {
  if ("code" in error && error.code === "EPIPE") process.exit();
  onFault(error);
});
// The first process of a container ends by no signal that it does not listen to: until somebody else does, we do.
if (process.pid === 1) {
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.on(name, () => {
      if (process.listenerCount(name) === 1) process.exit(128 + constants.signals[name]);
    });
  }
}
process.on("unhandledRejection", onFault);
process.on("uncaughtException", onFault);

// Timers of the clock keep no process alive, and while the API server is away there may be no socket that does.
const alive = setInterval(() => {}, 2 ** 30);

process.exitCode = await program({
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  stdout: process.stdout,
  stderr: process.stderr,
  run: async (loaded, log) => {
    logger = log;
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
    const { start } = await import("./program/start.ts");
    await start(loaded, { env: process.env, cwd: process.cwd() }, log, stop.signal);
  },
});

if (stop.signal.aborted) await sleep(stoppedAt + leastEndingMs - performance.now());
clearInterval(alive);

// Should a provider leave something open, the program ends nevertheless; and by itself when nothing is.
setTimeout(() => {
  logger?.warn({}, "something is still open: ending nevertheless");
  process.exit();
}, 3000).unref();
