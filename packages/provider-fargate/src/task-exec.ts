// Commands in the containers of a task: a shell over the session of ECS Exec, which has neither exit codes nor a stderr of its own.
import { Readable } from "node:stream";
import {
  type CallContext,
  type Clock,
  type ContainerIO,
  type ExecResult,
  isErrorKind,
  pause,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { execInShell, type GroupContainer } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AwsApi } from "./aws-api.ts";
import { awsErrorName } from "./aws-error.ts";
import type { OpenSsmSession, SsmSession } from "./ssm/ssm-session.ts";

export interface TaskExecOptions {
  readonly aws: Pick<AwsApi, "executeCommand">;
  /** Of ECS. */
  readonly cluster: string;
  readonly clock: Clock;
  readonly open: OpenSsmSession;
}

/** The agent in a container is there some seconds after the container. */
const agentMs = 30_000;
const againMs = 2_000;

export async function execInTask(
  options: TaskExecOptions,
  target: GroupContainer,
  command: readonly string[],
  io: ContainerIO,
  context: CallContext,
): Promise<ExecResult> {
  const { signal } = context;
  return execInShell(await openShell(options, target, context), command, io, { signal, clock: options.clock });
}

/** The exit code of a command that nobody watches. */
export async function runInTask(
  options: TaskExecOptions,
  target: GroupContainer,
  command: readonly string[],
  input: Buffer,
  context: CallContext,
): Promise<number> {
  const io = { tty: false, stdin: Readable.from([input]) };
  return (await execInTask(options, target, command, io, context)).exitCode;
}

/** TERM to the container's own process. */
export async function terminateInTask(
  options: TaskExecOptions,
  target: GroupContainer,
  context: CallContext,
): Promise<void> {
  try {
    const { exitCode } = await execInTask(options, target, ["kill", "-TERM", "1"], { tty: false }, context);
    if (exitCode !== 0) throw new VirtualKubeletError("Unavailable", `kill ended with exit code ${exitCode}`);
  } catch (error) {
    // The session may end with the container before the command does.
    if (
      !(error instanceof VirtualKubeletError) ||
      error.kind !== "Unavailable" ||
      !/ended before the command/.test(error.message)
    )
      throw error;
  }
}

/** A session in which /bin/sh runs on a terminal. Throws Unavailable when the agent does not come. */
export async function openShell(
  { aws, cluster, clock, open }: TaskExecOptions,
  { group, container }: GroupContainer,
  context: CallContext,
): Promise<SsmSession> {
  const deadline = clock.now() + agentMs;
  for (;;) {
    try {
      const { session } = await aws.executeCommand(
        { cluster, task: group.id, container, command: "/bin/sh", interactive: true },
        context,
      );
      const { streamUrl, tokenValue } = session ?? {};
      if (streamUrl === undefined || tokenValue === undefined)
        throw new VirtualKubeletError("Unavailable", "ExecuteCommand answered without a session");
      return await open({ streamUrl, tokenValue }, { signal: context.signal, log: context.log, clock });
    } catch (error) {
      const isAgentMissing = awsErrorName(error) === "TargetNotConnectedException" || isAgentNotRunning(error);
      if (!isAgentMissing || clock.now() >= deadline) throw error;
      await pause(clock, againMs, context.signal);
    }
  }
}

/** ECS says so until the agent has begun. */
function isAgentNotRunning(error: unknown): boolean {
  return isErrorKind(error, "Invalid") && error instanceof Error && /agent (isn't|is not) running/i.test(error.message);
}
