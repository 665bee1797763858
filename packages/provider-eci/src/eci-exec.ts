// Commands in containers. The cloud takes few and short words and tells no exit code: a shell in a terminal is started, which runs the command.
import { Readable } from "node:stream";
import {
  type CallContext,
  type Clock,
  type ContainerIO,
  type ExecResult,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { connectionEnded, execInShell, firstSize, type GroupContainer } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { EciClient } from "./eci-client.ts";

export interface ExecOptions {
  readonly client: Pick<EciClient, "exec">;
  readonly clock: Clock;
}

export async function exec(
  { client, clock }: ExecOptions,
  { group, container }: GroupContainer,
  command: readonly string[],
  io: ContainerIO,
  context: CallContext,
): Promise<ExecResult> {
  if (!group.containers.some(({ name }) => name === container))
    throw new VirtualKubeletError("NotFound", `container ${container} is not there`);
  const size = io.tty && io.resize !== undefined ? await firstSize(io.resize, clock, context.signal) : undefined;
  const options = { command: ["/bin/sh"], stdin: true, tty: true };
  const terminal = await client.exec(group.id, container, options, { ...context, urgency: "now" });
  return execInShell(terminal, command, io, { signal: context.signal, clock, size });
}

/** The exit code of a command that nobody watches. */
export async function runQuietly(
  options: ExecOptions,
  target: GroupContainer,
  command: readonly string[],
  context: CallContext,
  input?: Buffer,
): Promise<number> {
  const io = { tty: false, ...(input !== undefined && { stdin: Readable.from([input]) }) };
  return (await exec(options, target, command, io, context)).exitCode;
}

/** TERM to the first process, so that the cloud starts the container anew by the group's policy. Throws Unsupported where there is no shell. */
export async function restartContainer(
  options: ExecOptions,
  target: GroupContainer,
  context: CallContext,
): Promise<void> {
  // Where the container ends at once, nobody is left to tell how the command did.
  const exitCode = await runQuietly(options, target, ["/bin/sh", "-c", "kill -TERM 1"], context).catch(
    (error: unknown) => {
      if (VirtualKubeletError.from(error).reason !== connectionEnded) throw error;
      return 0;
    },
  );
  if (exitCode !== 0)
    throw new VirtualKubeletError(
      "Unavailable",
      `TERM could not be sent in container ${target.container}: kill ended with ${exitCode}`,
    );
}
