// One command in a simulated container, on the streams of a client: exec, and the shell that an attached user types to.
import type { Clock } from "../../clock.ts";
import { VirtualKubeletError } from "../../errors.ts";
import type { Container, EphemeralContainer } from "../../kube/types.gen.ts";
import type { ContainerIO, ContainerTarget, ExecResult, TerminalSize } from "../../provider/streams.ts";
import { rolesOf } from "./behaviour.ts";
import type { ContainerFiles } from "./container-files.ts";
import type { RunWatch } from "./run-watch.ts";
import type { ContainerRun } from "./runs.ts";
import { discard, emptyInput, inputFrom, outputTo } from "./shell/bytes.ts";
import { commands } from "./shell/commands.ts";
import { Interpreter } from "./shell/interpreter.ts";
import { killedByInterrupt, type Machine } from "./shell/process.ts";
import { Terminal } from "./shell/terminal.ts";

const killed = 137;

export interface SessionWorld {
  readonly clock: Clock;
  readonly watch: RunWatch;
  readonly files: ContainerFiles;
}

export interface SessionResult extends ExecResult {
  /** The client had not closed its side when the command ended. */
  readonly clientStayed: boolean;
}

/** Ends with 137 when the run does. Throws Aborted when the signal ended it. */
export async function runSession(
  target: ContainerTarget,
  run: ContainerRun,
  command: readonly string[],
  io: ContainerIO,
  { clock, watch, files }: SessionWorld,
  signal: AbortSignal,
): Promise<SessionResult> {
  const spec = specOf(target);
  const hostname = target.pod.spec?.hostname ?? target.owner.name;
  const stop = new AbortController();
  const own = AbortSignal.any([signal, stop.signal]);
  let runEnded = false;
  const ending = watch.ended(target.owner, target.container, run, own).then(({ ended }) => {
    runEnded = ended !== undefined;
    stop.abort();
  });
  // The backend cannot be asked: what goes on here is not its affair, and the end of the run is found later, or never.
  ending.catch(() => {});
  const streams = openStreams(io, own);
  const { terminal } = streams;
  let interrupted = false;
  const restore = terminal?.onInterrupt(() => {
    interrupted = true;
    stop.abort();
    return true;
  });
  const machine: Machine = { hostname, clock, files: files.of(target, spec, run, hostname), terminal };
  const [name = "", ...args] = command;
  try {
    const { stdin, stdout, stderr } = streams;
    const environment = environmentOf(target, spec, hostname, io.tty);
    const directory = spec?.workingDir ?? "/";
    const process = { machine, args, stdin, stdout, stderr, environment, directory, signal: own };
    const exitCode = await new Interpreter(machine, commands).execute(name, process);
    if (signal.aborted) {
      throw new VirtualKubeletError("Aborted", "the call was aborted", { cause: signal.reason });
    }
    if (runEnded) return { exitCode: killed, clientStayed: true };
    const clientStayed = io.stdin !== undefined && !io.stdin.readableEnded && !io.stdin.destroyed;
    return { exitCode: interrupted ? killedByInterrupt : exitCode, clientStayed };
  } finally {
    restore?.();
    stop.abort();
    await streams.closed;
  }
}

export function openStreams(
  io: ContainerIO,
  signal: AbortSignal,
): {
  readonly stdin: ReturnType<typeof emptyInput>;
  readonly stdout: typeof discard;
  readonly stderr: typeof discard;
  readonly terminal: Terminal | undefined;
  /** Resolves when nothing is read from the client any more. */
  readonly closed: Promise<void>;
} {
  const stdin = io.stdin === undefined ? emptyInput() : inputFrom(io.stdin, signal);
  const stdout = io.stdout === undefined ? discard : outputTo(io.stdout, signal);
  const stderr = io.stderr === undefined ? discard : outputTo(io.stderr, signal);
  if (!io.tty) return { stdin, stdout, stderr, terminal: undefined, closed: Promise.resolve() };
  const terminal = new Terminal(stdout);
  if (io.resize !== undefined) takeSizes(io.resize, terminal, signal);
  const closed = terminal.pump(stdin, signal);
  return { stdin: terminal.input, stdout: terminal.output, stderr: terminal.output, terminal, closed };
}

function takeSizes(sizes: AsyncIterable<TerminalSize>, terminal: Terminal, signal: AbortSignal): void {
  const iterator = sizes[Symbol.asyncIterator]();
  const next = (): void => {
    iterator.next().then(
      ({ value, done }) => {
        if (done === true || signal.aborted) return;
        terminal.setSize(value);
        next();
      },
      // The sizes end with the client; how they end is said by the signal.
      () => {},
    );
  };
  next();
  const leave = (): void => void Promise.resolve(iterator.return?.()).catch(() => {});
  signal.addEventListener("abort", leave, { once: true });
}

export function specOf({ pod, container }: ContainerTarget): Container | EphemeralContainer | undefined {
  return rolesOf(pod).find((candidate) => candidate.container.name === container)?.container;
}

/** Plain values, and the fields of the pod that are known here. */
function environmentOf(
  { owner, pod }: ContainerTarget,
  spec: Container | EphemeralContainer | undefined,
  hostname: string,
  tty: boolean,
): ReadonlyMap<string, string> {
  const fields: Readonly<Record<string, string | undefined>> = {
    "metadata.name": owner.name,
    "metadata.namespace": owner.namespace,
    "metadata.uid": owner.uid,
    "spec.nodeName": owner.node,
    "spec.serviceAccountName": pod.spec?.serviceAccountName,
  };
  const environment = new Map([
    ["PATH", "/bin"],
    ["HOSTNAME", hostname],
    ["HOME", "/root"],
    ...(tty ? ([["TERM", "xterm"]] as const) : []),
  ]);
  for (const { name, value, valueFrom } of spec?.env ?? []) {
    const field = fields[valueFrom?.fieldRef?.fieldPath ?? ""];
    if (valueFrom === undefined) {
      const expanded = (value ?? "").replaceAll(
        /\$\(([A-Za-z_]\w*)\)/g,
        (all: string, key: string) => environment.get(key) ?? all,
      );
      environment.set(name, expanded);
    } else if (field !== undefined) environment.set(name, field);
  }
  return environment;
}
