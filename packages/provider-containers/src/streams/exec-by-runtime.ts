// Runs a command in a container of this machine by the OCI runtime itself, as the engine would: in a third of the time, and
// Podman leaves a process that waits for five minutes after each of its own. Probes run every few seconds in every pod.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type CallContext,
  type ContainerIO,
  type ExecResult,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { copyInto, descendants, signalProcess, toolEnvironment, toolPath } from "@virtual-kubelet/virtual-kubelet/host";
import { deliver } from "./exec.ts";
import { isOfContainer } from "./exec-kill.ts";
import { HeldOutput, runtimeWords } from "./refused-command.ts";

/** Where runc keeps what runs for engines that give it no other place. */
const runcState = "/run/runc";

/** A container's id is nobody else's: one that is in there is this one, and runs here. */
export function isRunHere(id: string): boolean {
  return /^[0-9a-f]{64}$/.test(id) && existsSync(join(runcState, id)) && runcIsThere();
}

const runcIsThere = (): boolean => toolPath.split(":").some((directory) => existsSync(join(directory, "runc")));

/** For a container that `isRunHere`, and no terminal. Resolves and throws as execInContainer does. */
export async function execByRuntime(
  id: string,
  command: readonly string[],
  io: Pick<ContainerIO, "stdin" | "stdout" | "stderr">,
  { signal }: CallContext,
): Promise<ExecResult> {
  signal.throwIfAborted();
  if (command.length === 0) throw new VirtualKubeletError("Invalid", "there is no command to run");
  const child = spawn("runc", ["--root", runcState, "--log", "/dev/null", "exec", id, ...command], {
    env: toolEnvironment,
    cwd: "/",
    stdio: [io.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const { stdin, stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new VirtualKubeletError("Internal", "no pipes to runc");
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  const kill = (): void => {
    killAll(child, id);
    // Somebody who has left the command's family may hold them open.
    for (const output of [stdout, stderr]) output.destroy();
  };
  signal.addEventListener("abort", kill, { once: true });
  const exit: Promise<unknown[]> = once(child, "exit");
  exit.catch(() => {});
  const held = new HeldOutput(runtimeWords);
  const input =
    io.stdin === undefined || stdin === null
      ? undefined
      : copyInto(io.stdin, stdin, until).then(() => void stdin.end());
  input?.catch(() => {});
  // A command that ends before it has read all of its input closes the pipe.
  stdin?.on("error", () => {});
  try {
    // runc, as CRI runtimes do, waits for all who have the output, though the command itself has ended.
    const [[code, killedBy]] = await Promise.all([
      exit,
      deliver(stdout, io.stdout, undefined, until),
      deliver(stderr, io.stderr, held, until),
    ]);
    signal.throwIfAborted();
    if (typeof code !== "number") throw new VirtualKubeletError("Unavailable", `runc was ended by ${String(killedBy)}`);
    const refusal = held.refusal(code);
    if (refusal !== undefined) throw refusal;
    const rest = held.rest();
    if (rest !== undefined && io.stderr?.writable === true) io.stderr.write(rest);
    return { exitCode: code };
  } catch (error) {
    signal.throwIfAborted();
    throw VirtualKubeletError.from(error);
  } finally {
    signal.removeEventListener("abort", kill);
    over.abort();
  }
}

/** The command with its children, where by their control group they are certainly the container's, then runc. */
function killAll(child: ChildProcess, id: string): void {
  if (child.pid === undefined) return;
  for (const { pid } of descendants(child.pid)) if (isOfContainer(pid, id)) signalProcess(pid, "SIGKILL");
  child.kill("SIGKILL");
}
