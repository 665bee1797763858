// Attaching to a simulated container's own process: its log from now on, and a shell or cat where it is one.
import type { ContainerIO, ContainerTarget } from "../../provider/streams.ts";
import { type BackendConnection, throwIfAborted } from "./connection.ts";
import { mainOf } from "./log-settings.ts";
import { followLog, linesOf, logOf, runLog } from "./log-stream.ts";
import type { ContainerRun } from "./runs.ts";
import { openStreams, runSession, type SessionWorld, specOf } from "./session.ts";
import { copy, print } from "./shell/bytes.ts";

/**
 * Resolves when the run has ended, or stdin has, unless that is for once and its end the container's to hear. Throws Aborted
 * when the signal aborts.
 */
export async function attach(
  target: ContainerTarget,
  run: ContainerRun,
  io: ContainerIO,
  world: SessionWorld,
  connection: BackendConnection,
  signal: AbortSignal,
): Promise<void> {
  const { settings } = logOf(target);
  const spec = specOf(target);
  const kind = mainOf(settings, spec);
  const exits = async (exitCode: number): Promise<void> => {
    const { uid } = target.owner;
    await connection.act({ action: "exit", uid, container: target.container, exitCode }, signal);
  };
  if (kind === "shell" && io.stdin !== undefined) {
    const { exitCode, clientStayed } = await runSession(target, run, ["sh"], io, world, signal);
    // A terminal that hung up leaves the process as it is; whoever had stdin for once has closed it.
    if (io.tty ? clientStayed : spec?.stdinOnce === true) await exits(exitCode);
    return;
  }
  const stop = new AbortController();
  const own = AbortSignal.any([signal, stop.signal]);
  const isRead = io.stdin !== undefined && spec?.stdin === true;
  const streams = openStreams(isRead ? io : { ...io, stdin: undefined }, own);
  const log = runLog(target, settings, run);
  const at = world.clock.now();
  const from = log.range(run, at).end;
  const output = async (): Promise<void> => {
    const followed = { target, log, run, from, at, isSilent: kind !== "log", follow: true };
    for await (const range of followLog(followed, world, own)) {
      for (const { stream, text } of linesOf(log, range)) {
        await print(stream === "stderr" ? streams.stderr : streams.stdout, `${text}\n`);
      }
    }
    // The run has ended: nobody reads what is typed.
    stop.abort();
  };
  const input = async (): Promise<void> => {
    await copy(streams.stdin, streams.stdout);
    if (own.aborted) return;
    if (!isRead) {
      if (io.stdout === undefined && io.stderr === undefined) stop.abort();
      return;
    }
    const closesItsOwn = spec?.stdinOnce === true && !io.tty;
    const typedEnd = io.tty && io.stdin?.readableEnded === false;
    if (kind === "cat" && (closesItsOwn || typedEnd)) await exits(0);
    // As container runtimes do: who closes a stdin that stays open for others has left.
    else if (!closesItsOwn) stop.abort();
  };
  try {
    await Promise.all([output(), input()]);
  } finally {
    stop.abort();
    await streams.closed;
  }
  throwIfAborted(signal);
}
