// Commands in containers. The cloud starts one program without arguments in a terminal: a shell, which runs the command.
import { Readable } from "node:stream";
import {
  type CallContext,
  type Clock,
  type ContainerIO,
  type ExecResult,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { execInShell, firstSize, type GroupContainer } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciClient } from "./arm-client.ts";

export interface ExecOptions {
  readonly client: Pick<AciClient, "exec">;
  readonly clock: Clock;
  readonly operatingSystem: string;
}

/** `name`: of the group. */
export async function exec(
  { client, clock, operatingSystem }: ExecOptions,
  { group, container }: GroupContainer,
  name: string,
  command: readonly string[],
  io: ContainerIO,
  context: CallContext,
): Promise<ExecResult> {
  const report = group.containers.find((each) => each.name === container);
  if (report === undefined) throw new VirtualKubeletError("NotFound", `container ${container} is not there`);
  if (operatingSystem === "windows")
    throw new VirtualKubeletError("Unsupported", "commands run by /bin/sh here, which containers of Windows lack");
  const size = io.tty && io.resize !== undefined ? await firstSize(io.resize, clock, context.signal) : undefined;
  const terminal = await client.exec(
    name,
    container,
    { command: "/bin/sh", ...(size !== undefined && { rows: size.height, cols: size.width }) },
    { ...context, urgency: "now" },
  );
  return execInShell(terminal, command, io, { signal: context.signal, clock, size });
}

/** The exit code of a command that nobody watches. */
export async function runQuietly(
  options: ExecOptions,
  target: GroupContainer,
  name: string,
  command: readonly string[],
  context: CallContext,
  input?: Buffer,
): Promise<number> {
  const io = { tty: false, ...(input !== undefined && { stdin: Readable.from([input]) }) };
  return (await exec(options, target, name, command, io, context)).exitCode;
}
