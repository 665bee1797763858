// Runs a command in a running container: in its namespaces and cgroups, with its environment, directory and user.
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { VirtualKubeletError } from "../../errors.ts";
import { Movement } from "../../host/movement.ts";
import { descendants, signal as send } from "../../host/process-table.ts";
import { copyInto } from "../../host/stream-copy.ts";
import { toolEnvironment } from "../../host/tool-environment.ts";
import type { ContainerIO, ExecResult, TerminalSize } from "../../provider/streams.ts";
import type { CallContext } from "../../provider.ts";
import type { LiveRun } from "./live-run.ts";
import { commandPipes } from "./pipes.ts";
import { shellWord, shellWords } from "./shell-quote.ts";
import { followSizes, sizeArguments, terminalHolder } from "./terminal.ts";

/** Output of an ended command is waited for as long as it comes; what it left in the background may hold it open for ever. */
const quietMs = 500;
/** For the first size of a terminal, before the command begins. */
const firstSizeMs = 200;

export async function execInRun(
  run: LiveRun,
  command: readonly string[],
  io: ContainerIO,
  { signal }: CallContext,
): Promise<ExecResult> {
  signal.throwIfAborted();
  const state = run.record.state();
  if (state.type !== "running") throw new VirtualKubeletError("NotFound", `container ${run.ref.name} is not running`);
  if (command.length === 0) throw new VirtualKubeletError("Invalid", "there is no command to run");
  const sizes = io.tty ? io.resize?.[Symbol.asyncIterator]() : undefined;
  const [first, next] = await firstSize(sizes, signal);
  const { description, directory } = run.record;
  const pipes = await commandPipes(join(directory, "exec", randomUUID()), description.user);
  const enter = openSync(join(directory, "enter.sh"), "r");
  let child: ChildProcess;
  try {
    child = spawn("/bin/sh", ["-c", entering(run, state.main.pid, command, io.tty, first)], {
      ...{ stdio: [...pipes.child, enter], env: { ...toolEnvironment }, cwd: "/", detached: true },
    });
  } finally {
    closeSync(enter);
    pipes.handedOver();
  }
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, name) => resolve(code ?? 128 + (name === null ? 0 : constants.signals[name])));
  });
  const cut = new AbortController();
  const onAbort = (): void => kill(child);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  const movement = new Movement();
  const output = Promise.all([
    copyInto(pipes.stdout, io.stdout, cut.signal, movement.moved),
    copyInto(pipes.stderr, io.stderr, cut.signal, movement.moved),
  ]);
  const input = feed(io, pipes.stdin, cut.signal);
  const pid = child.pid ?? 0;
  const resizing =
    sizes === undefined ? undefined : followSizes(restOf(sizes, next), () => terminalHolder(pid), cut.signal);
  try {
    const exitCode = await ended;
    const isHeld = (): boolean => io.stdout?.writableNeedDrain === true || io.stderr?.writableNeedDrain === true;
    await Promise.race([output, movement.quiet({ quietMs, isHeld, signal: cut.signal })]);
    signal.throwIfAborted();
    return { exitCode };
  } finally {
    signal.removeEventListener("abort", onAbort);
    cut.abort();
    for (const socket of [pipes.stdin, pipes.stdout, pipes.stderr]) socket.destroy();
    await Promise.all([output, input, resizing]);
  }
}

/** The client's input goes to the command; with a terminal and without input it stays open, or its end would be typed there. */
async function feed(io: ContainerIO, stdin: Socket, signal: AbortSignal): Promise<void> {
  stdin.on("error", () => {});
  if (io.stdin !== undefined) await copyInto(io.stdin, stdin, signal);
  else if (io.tty) return;
  if (!signal.aborted) stdin.end();
}

/** What is run on the host: joins the cgroups, enters the namespaces, sources fd 3, which is enter.sh. */
function entering(
  run: LiveRun,
  pid: number,
  command: readonly string[],
  tty: boolean,
  size: TerminalSize | undefined,
): string {
  const { cgroups, namespaces } = run.record.description;
  const joins = cgroups.map((cgroup) => `echo 0 >${shellWord(`${cgroup}/cgroup.procs`)} || exit 126`);
  const resize = size === undefined ? "" : `stty ${shellWords(sizeArguments(size))} 2>/dev/null; `;
  const become = `set -- ${shellWords(command)}; . /proc/self/fd/3`;
  const inside = tty
    ? `script -q -e -f -c ${shellWord(`${resize}${become}`)} /dev/null`
    : `/bin/sh -c ${shellWord(become)}`;
  const enter = namespaces ? `nsenter --target ${pid} --mount --uts --ipc --net --pid -- ` : "";
  return [...joins, `exec ${enter}${inside}`].join("\n");
}

function kill(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  for (const each of descendants(pid)) send(each.pid, "SIGKILL");
  child.kill("SIGKILL");
}

/** The first size, if it comes soon; else what is still being waited for. */
async function firstSize(
  sizes: AsyncIterator<TerminalSize> | undefined,
  signal: AbortSignal,
): Promise<readonly [TerminalSize | undefined, Promise<IteratorResult<TerminalSize>> | undefined]> {
  if (sizes === undefined) return [undefined, undefined];
  const next = sizes.next();
  next.catch(() => {});
  const timer = new AbortController();
  const late = sleep(firstSizeMs, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).catch(
    () => undefined,
  );
  const came = await Promise.race([next.catch(() => undefined), late]);
  timer.abort();
  if (came === undefined) return [undefined, next];
  return [came.done === true ? undefined : came.value, undefined];
}

function restOf(
  sizes: AsyncIterator<TerminalSize>,
  next: Promise<IteratorResult<TerminalSize>> | undefined,
): AsyncIterator<TerminalSize> {
  let pending = next;
  return {
    next: () => {
      const result = pending ?? sizes.next();
      pending = undefined;
      return result;
    },
  };
}
